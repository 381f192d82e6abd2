/**
 * @module
 * An instance of the kernels that train and aggregate, with its memory (arena.ts). This folder is the
 * only one that knows there is WebAssembly: everyone else sees functions that take pointers, and typed
 * arrays over memory. The kernels of signal features are a module of their own: see signal.ts.
 */
import type { WasmExports } from "#wasm";
import { Arena } from "./arena.ts";
import { defaultBuild, instantiate, type Build } from "./build.ts";

export { align } from "./arena.ts";

export interface KernelsOptions {
  /** Default: simd. */
  readonly build?: Build;
  /** Memory that a second thread may work in, too: see partner.ts. Default false. */
  readonly shared?: boolean;
}

/** One instance of the kernels with a memory of its own. Instances are cheap; two threads share none but through a Partner. */
export class Kernels extends Arena {
  readonly build: Build;
  readonly wasm: WasmExports;

  constructor({ build = defaultBuild(), shared = false }: KernelsOptions = {}) {
    super(shared);
    this.build = build;
    this.wasm = instantiate<WasmExports>(build, this.memory, shared);
    this.release(this.wasm.heapBase());
  }
}
