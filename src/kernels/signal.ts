/**
 * @module
 * An instance of the kernels of signal features: a second WebAssembly module, so that a page that only
 * trains does not load it. One build, `simd`: features are the same bits in every runtime.
 */
import * as embedded from "#wasm/signal";
import type { SignalExports } from "#wasm/signal";
import { Arena } from "./arena.ts";
import { compile, instantiate, type Build } from "./build.ts";

let build: Build | undefined;

/** Kernels of features with a memory of their own, in which a ring buffer may lie and be read in place. */
export class SignalKernels extends Arena {
  readonly wasm: SignalExports;

  /** @param options shared: memory that other threads may write samples to; default false */
  constructor({ shared = false }: { readonly shared?: boolean } = {}) {
    super(shared);
    build ??= compile("simd", embedded);
    this.wasm = instantiate<SignalExports>(build, this.memory, shared);
    this.release(this.wasm.heapBase());
  }

  /** The wasm binary as shipped, for audit. A copy. */
  static binary(): Uint8Array<ArrayBuffer> {
    return embedded.binary();
  }
}
