/**
 * @module
 * A WebAssembly memory that is handed out in blocks, and views of it.
 *
 * Memory is a bump arena above the module's static data:
 *
 *     0          heap base                     next                    end of memory
 *     | statics  | block | block | …           | free …                |
 *
 * Blocks are 64-byte aligned and zero-filled. Nothing is freed but back to a mark. Growing detaches
 * every view, so: allocate everything first, then ask for views, and keep pointers, not views, across
 * an allocation.
 */
const ALIGNMENT = 64;
const PAGE_BYTES = 65536;
/** 4 GiB, what 32-bit addresses reach. */
const MAX_PAGES = 65536;
/** 1 GiB, where a runtime does not reserve 4 for a memory that is to be shared. */
const MODEST_PAGES = 16384;

/** A memory of its own for one instance of a module, which begins it where its static data end. */
export class Arena {
  readonly shared: boolean;
  readonly memory: WebAssembly.Memory;
  readonly #maxBytes: number;
  #next = 0;

  constructor(shared: boolean) {
    this.shared = shared;
    const { memory, maximum } = shared ? sharedMemory() : { memory: new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES }), maximum: MAX_PAGES };
    this.memory = memory;
    this.#maxBytes = Math.min(maximum, MAX_PAGES - 1) * PAGE_BYTES; // the last page of 4 GiB ends beyond the largest pointer
  }

  /** Pointer to `bytes` zeroed bytes. Detaches earlier views when memory has to grow. */
  allocate(bytes: number): number {
    const pointer = this.#next;
    const end = align(pointer + bytes);
    if (!(end <= this.#maxBytes)) {
      const limit = Math.ceil(this.#maxBytes / 2 ** 30);
      throw new RangeError(`kernel memory expected at most ${limit} GiB, got ${(end / 2 ** 30).toFixed(1)} GiB; use a smaller batch or shorter windows`);
    }
    const { memory } = this;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    new Uint8Array(memory.buffer, pointer, end - pointer).fill(0);
    this.#next = end;
    return pointer;
  }

  /** Where the next block will lie; give it to `release` to free everything allocated after. */
  mark(): number {
    return this.#next;
  }

  release(mark: number): void {
    this.#next = align(mark);
  }

  // Views of a shared memory are views of a SharedArrayBuffer; their slice() is a plain copy in either case.
  float32(pointer: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  int32(pointer: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, pointer, length);
  }

  float64(pointer: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, pointer, length);
  }

  bigInt64(pointer: number, length: number): BigInt64Array {
    return new BigInt64Array(this.memory.buffer, pointer, length);
  }
}

/**
 * A shared memory reserves the addresses of its maximum when it is made, since it cannot move: no more
 * than a promise on 64-bit systems (hundredths of a millisecond, measured in V8 and JavaScriptCore), but
 * more than a phone's browser gives. Pages are taken as they are written.
 */
function sharedMemory(): { memory: WebAssembly.Memory; maximum: number } {
  try {
    return { memory: new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true }), maximum: MAX_PAGES };
  } catch {
    return { memory: new WebAssembly.Memory({ initial: 1, maximum: MODEST_PAGES, shared: true }), maximum: MODEST_PAGES };
  }
}

/** Where a block may begin, at this byte or behind. */
export const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
