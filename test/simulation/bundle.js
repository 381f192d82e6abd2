/**
 * The simulator with all of src/ that it runs as one module, as Node 20 does not read TypeScript. Where the
 * museum plants a defect, a piece of a source file is replaced on the way.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("../..", import.meta.url));
const CACHE = join(root, "node_modules", ".cache", "simulation");

/** Kernels are used again: see pool.ts. */
const POOL = { file: "src/federation/accumulator.ts", find: `from "../kernels/kernels.ts"`, replace: `from "../../test/simulation/pool.ts"` };

/**
 * @param {string} name of the file to write
 * @param {readonly { file: string, find: string, replace: string }[]} patches each is to be found exactly once
 * @returns {Promise<typeof import("./simulate.ts")>}
 */
export async function load(name = "simulation", patches = []) {
  const left = new Set([POOL, ...patches]);
  const build = await rolldown({
    input: join(root, "test/simulation/simulate.ts"),
    platform: "node",
    onLog: (level, log) => { throw new Error(`${level}: ${log.message}`); },
    plugins: [{
      name: "patches",
      transform(code, id) {
        const file = relative(root, id);
        let patched = code;
        for (const patch of [...left].filter((each) => each.file === file)) {
          const count = patched.split(patch.find).length - 1;
          if (count !== 1) throw new Error(`${file} has ${count} of: ${patch.find}`);
          patched = patched.replace(patch.find, () => patch.replace);
          left.delete(patch);
        }
        return patched === code ? null : { code: patched };
      },
    }],
  });
  const { output } = await build.generate({ format: "esm" });
  await build.close();
  if (left.size > 0) throw new Error(`not loaded: ${[...left].map(({ file }) => file)}`);
  mkdirSync(CACHE, { recursive: true });
  const path = join(CACHE, `${name}.mjs`);
  writeFileSync(path, output[0].code);
  return import(/* @vite-ignore */ `${pathToFileURL(path)}?${Date.now()}`);
}
