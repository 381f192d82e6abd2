import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { BUILDS, defaultBuild, loadBuild, type Build, type BuildName } from "../../src/kernels/build.ts";
import { Kernels } from "../../src/kernels/kernels.ts";
import { numbers } from "../memory.ts";

/** The builds that this runtime accepts: on Node 20, vitest.config.ts asks for the second with a flag. */
const builds: Build[] = await Promise.all(BUILDS.map((name) => loadBuild(name)));

describe.each(builds)("the $name build", (build) => {
  test("is loaded once, and gives its binary for audit", async () => {
    expect(await loadBuild(build.name)).toBe(build);
    expect(WebAssembly.validate(build.binary())).toBe(true);
  });

  /** What a product, a nonlinearity and a sum make of some numbers in a memory of its own. */
  function bits(kernels: Kernels): Int32Array {
    const [B, O, I] = [13, 21, 17];
    const [y, x, W, b] = [B * O, B * I, O * I, O].map((floats) => kernels.allocate(4 * floats));
    const scratch = kernels.allocate(4 * kernels.wasm.denseScratch(B, O, I));
    [[x, B * I], [W, O * I], [b, O]].forEach(([pointer, length], seed) => kernels.float32(pointer, length).set(numbers(length, seed)));
    kernels.wasm.denseForward(y, x, W, b, scratch, B, O, I, 2);
    return kernels.int32(y, B * O).slice();
  }

  test("gives the same bits in a shared memory as in a plain one", () => {
    const plain = new Kernels({ build }), shared = new Kernels({ build, shared: true });
    expect(plain.memory.buffer).toBeInstanceOf(ArrayBuffer);
    expect(shared.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(bits(shared)).toEqual(bits(plain));
    expect(bits(shared).buffer).toBeInstanceOf(ArrayBuffer); // slice() copies out of shared memory
  });

  test("grows either memory, keeping what is in it", () => {
    for (const shared of [false, true]) {
      const kernels = new Kernels({ build, shared });
      const before = kernels.memory.buffer.byteLength;
      const first = kernels.allocate(4);
      kernels.float32(first, 1)[0] = 0.5;
      const last = kernels.allocate(2 ** 22);
      expect(kernels.memory.buffer.byteLength).toBeGreaterThan(before);
      expect(kernels.float32(first, 1)[0]).toBe(0.5);
      expect(kernels.float32(last, 2 ** 20).every((value) => value === 0)).toBe(true);
      expect(() => kernels.allocate(2 ** 32)).toThrow(/kernel memory expected at most 4 GiB, got 4\.0 GiB; use a smaller batch/);
    }
  });
});

test("simd is the default, and relaxed another binary", () => {
  const [simd, relaxed] = builds;
  expect(new Kernels().build).toBe(simd);
  expect(defaultBuild()).toBe(simd);
  expect(Buffer.from(simd.binary()).equals(relaxed.binary())).toBe(false);
});

test("a build that there is not is refused by name", async () => {
  await expect(loadBuild("fast" as BuildName)).rejects.toThrow(new RangeError('"build" expected simd or relaxed, got "fast"'));
});

describe("where the runtime", () => {
  afterEach(() => void vi.unstubAllGlobals());

  /** The same modules, loaded anew in a runtime with another WebAssembly. */
  async function elsewhere(changes: object) {
    vi.resetModules();
    vi.stubGlobal("WebAssembly", Object.assign(Object.create(WebAssembly), changes));
    return { ...(await import("../../src/kernels/build.ts")), ...(await import("../../src/kernels/kernels.ts")) };
  }

  test("has no SIMD, making kernels says so and what to use", async () => {
    const { Kernels, loadBuild } = await elsewhere({ validate: () => false });
    expect(() => new Kernels()).toThrow(/^this runtime cannot run WebAssembly SIMD, .*use Node 20\.19 or later, Deno, Bun, or a browser of 2021 or later/);
    await expect(loadBuild("simd")).rejects.toThrow(/cannot run WebAssembly SIMD/);
  });

  test("has no relaxed SIMD, loading that build says so and what to use", async () => {
    const { loadBuild } = await elsewhere({ validate: () => false });
    await expect(loadBuild("relaxed")).rejects.toThrow(/^this runtime cannot run WebAssembly relaxed SIMD, .*use Node 22 or later, Node 20 with --experimental-wasm-relaxed-simd, .* or the simd build$/);
  });

  test("reserves no 4 GiB to share, 1 GiB is the limit and allocating says so", async () => {
    class Modest extends WebAssembly.Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if (descriptor.shared && descriptor.maximum! > 16384) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
    }
    const { Kernels } = await elsewhere({ Memory: Modest });
    expect(() => new Kernels({ shared: true }).allocate(2 ** 31)).toThrow(/at most 1 GiB, got 2\.0 GiB/);
    expect(() => new Kernels().allocate(2 ** 32)).toThrow(/at most 4 GiB/);
  });
});

test("this Node without a flag loads the relaxed build, or names the remedy", () => {
  const program = `import { loadBuild } from ${JSON.stringify(new URL("../../build/kernels/build.js", import.meta.url).href)};
    console.log(await loadBuild("relaxed").then(({ name }) => name, ({ message }) => message));`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", cwd: fileURLToPath(new URL("../..", import.meta.url)) }).trim();
  if (Number(process.versions.node.split(".")[0]) >= 22) expect(printed).toBe("relaxed");
  else expect(printed).toContain("use Node 22 or later, Node 20 with --experimental-wasm-relaxed-simd");
});
