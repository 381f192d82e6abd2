/**
 * @module
 * The WebAssembly module, loaded once, and its memory. This folder is the only one that knows there
 * is WebAssembly: everyone else sees functions that take pointers, and typed arrays over memory.
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
import { instantiateSync } from "@assemblyscript/loader";
import { base64, type WasmExports } from "#wasm";

const ALIGNMENT = 64;
const PAGE_BYTES = 65536;
const MAX_BYTES = 2 ** 32 - PAGE_BYTES;

/** One instance of the kernels with a memory of its own. Instances are cheap; share none between threads. */
export class Kernels {
  readonly wasm: WasmExports;
  #next: number;

  constructor() {
    this.wasm = instantiate();
    this.#next = align(this.wasm.heapBase());
  }

  /** Pointer to `bytes` zeroed bytes. Detaches earlier views when memory has to grow. */
  allocate(bytes: number): number {
    const pointer = this.#next;
    const end = align(pointer + bytes);
    if (!(end <= MAX_BYTES)) {
      throw new RangeError(`kernel memory expected at most 4 GiB, got ${(end / 2 ** 30).toFixed(1)} GiB; use a smaller batch or shorter windows`);
    }
    const { memory } = this.wasm;
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
    this.#next = mark;
  }

  float32(pointer: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.wasm.memory.buffer as ArrayBuffer, pointer, length);
  }

  int32(pointer: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.wasm.memory.buffer as ArrayBuffer, pointer, length);
  }

  bigInt64(pointer: number, length: number): BigInt64Array<ArrayBuffer> {
    return new BigInt64Array(this.wasm.memory.buffer as ArrayBuffer, pointer, length);
  }
}

let compiled: WebAssembly.Module | undefined;

function instantiate(): WasmExports {
  compiled ??= compile();
  return instantiateSync<WasmExports>(compiled, {}).exports;
}

/** The wasm binary as shipped, for audit: its SHA-256 is that of the `.wasm` file beside the bundle. */
export function binary(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function compile(): WebAssembly.Module {
  const bytes = binary();
  if (!WebAssembly.validate(bytes)) {
    throw new Error("this runtime cannot run WebAssembly SIMD, which Millwright's kernels need; use Node 20.19 or later, Deno, Bun, or a browser of 2021 or later (Safari: 2023)");
  }
  return new WebAssembly.Module(bytes);
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
