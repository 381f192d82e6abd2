/**
 * @module
 * The two builds of the kernels, compiled from one source:
 *
 *     simd      the default and the reference: the same bits in every runtime
 *     relaxed   multiplies and adds in one rounding where the hardware can: faster, and the bits are the engine's
 *
 * The second is chosen on request and only where the runtime accepts it. Results of the two differ in
 * the last places, so whoever compares hashes does not mix them.
 */
import { instantiateSync } from "@assemblyscript/loader";
import * as simd from "#wasm";

export const BUILDS = ["simd", "relaxed"] as const;
export type BuildName = (typeof BUILDS)[number];

/** A binary that this runtime accepts, compiled once. */
export interface Build {
  readonly name: BuildName;
  /** For a memory of one thread. */
  readonly module: WebAssembly.Module;
  /** For a memory that threads share; otherwise the same. */
  readonly sharedModule: WebAssembly.Module;
  /** The wasm binary as shipped, for audit: its SHA-256 is that of the `.wasm` file beside the bundle. A copy. */
  binary(): Uint8Array<ArrayBuffer>;
}

/** What assembly/embed.js writes. */
interface Embedded {
  binary(): Uint8Array<ArrayBuffer>;
  readonly memoryFlag: number;
}

/** Limits of an import: with a maximum, and shared. */
const SHARED = 3;

const REMEDY: Readonly<Record<BuildName, string>> = {
  simd: "this runtime cannot run WebAssembly SIMD, which Millwright's kernels need; use Node 20.19 or later, Deno, Bun, or a browser of 2021 or later (Safari: 2023)",
  relaxed: "this runtime cannot run WebAssembly relaxed SIMD, which the relaxed build needs; use Node 22 or later, Node 20 with --experimental-wasm-relaxed-simd, Deno, Bun, a recent Chromium or Firefox, or the simd build",
};

const loaded = new Map<BuildName, Build>();

/** The simd build, which is there without waiting. */
export function defaultBuild(): Build {
  return loaded.get("simd") ?? accept("simd", simd);
}

/** @throws RangeError when there is no build of that name. */
export function checkBuild(name: string): BuildName {
  if (!(BUILDS as readonly string[]).includes(name)) throw new RangeError(`"build" expected ${BUILDS.join(" or ")}, got ${JSON.stringify(name)}`);
  return name as BuildName;
}

/**
 * A build by name.
 * @throws RangeError for another name; with the remedy, where the runtime does not accept the build
 */
export async function loadBuild(name: BuildName): Promise<Build> {
  if (checkBuild(name) === "simd") return defaultBuild();
  return loaded.get(name) ?? accept(name, await import("#wasm/relaxed"));
}

function accept(name: BuildName, embedded: Embedded): Build {
  const build = compile(name, embedded);
  loaded.set(name, build);
  return build;
}

/**
 * The modules of a binary; the one for shared memory is compiled when it is first asked for.
 * @throws RangeError with the remedy where the runtime lacks the instructions that builds of this name need
 */
export function compile(name: BuildName, { binary, memoryFlag }: Embedded): Build {
  const bytes = binary();
  if (!WebAssembly.validate(bytes)) throw new RangeError(REMEDY[name]);
  let sharedModule: WebAssembly.Module | undefined;
  return {
    name,
    module: new WebAssembly.Module(bytes),
    get sharedModule() {
      bytes[memoryFlag] = SHARED;
      return (sharedModule ??= new WebAssembly.Module(bytes));
    },
    binary,
  };
}

/** The kernels of a build over a memory. Instances over one shared memory are one set of kernels in several threads. */
export function instantiate<Exports extends Record<string, unknown>>(build: Build, memory: WebAssembly.Memory, shared: boolean): Exports {
  return instantiateSync<Exports>(shared ? build.sharedModule : build.module, { env: { memory } }).exports;
}
