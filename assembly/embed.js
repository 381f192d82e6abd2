// Turns the compiled binary into a JavaScript module, so that no runtime has to fetch or read a file.
// The declarations are the compiler's own (asc --bindings raw): no signature is repeated by hand.
import { readFileSync, rmSync, writeFileSync } from "node:fs";

const build = new URL("../build/", import.meta.url);
const binary = readFileSync(new URL("millwright.wasm", build));
writeFileSync(new URL("wasm.js", build), `export const base64 =\n  "${binary.toString("base64")}";\n`);

const bindings = readFileSync(new URL("millwright.d.ts", build), "utf8");
const exported = bindings.match(/declare namespace __AdaptedExports \{([^]*?)\n\}/)[1]
  .replaceAll("export const memory: WebAssembly.Memory;", "readonly memory: WebAssembly.Memory;")
  .replaceAll(/export function /g, "");
writeFileSync(
  new URL("wasm.d.ts", build),
  `export declare const base64: string;\nexport interface WasmExports extends Record<string, unknown> {${exported}\n}\n`,
);
for (const file of ["millwright.js", "millwright.d.ts"]) rmSync(new URL(file, build));
