// Turns the compiled binaries into JavaScript modules, so that no runtime has to fetch or read a file.
// The declarations are the compiler's own (asc --bindings raw): no signature is repeated by hand.
import { readFileSync, rmSync, writeFileSync } from "node:fs";

const build = new URL("../build/", import.meta.url);
const embed = (binary, module) => {
  const bytes = readFileSync(new URL(binary, build));
  const text = `export const base64 =\n  "${bytes.toString("base64")}";\nexport const memoryFlag = ${memoryFlag(bytes, binary)};\n`;
  writeFileSync(new URL(module, build), text);
};

/**
 * Where the limits flag of the memory import lies: 0x01 for a memory with a maximum, 0x03 for a shared one.
 * It is the only byte in which a binary for a shared memory differs, so the loader changes it and one binary serves both.
 */
function memoryFlag(bytes, file) {
  let at = 8; // behind the magic number and the version
  const leb = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const name = () => {
    const length = leb();
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  const IMPORTS = 2, MEMORY = 2, WITH_MAXIMUM = 1;
  while (at < bytes.length) {
    const section = bytes[at++];
    const length = leb();
    if (section !== IMPORTS) {
      at += length;
      continue;
    }
    const count = leb();
    if (count === 1 && name() === "env" && name() === "memory" && bytes[at] === MEMORY && bytes[at + 1] === WITH_MAXIMUM) return at + 1;
    break;
  }
  throw new Error(`${file}: expected one import, env.memory, not shared and with a maximum; see asconfig.json`);
}

embed("millwright.wasm", "wasm.js");
embed("millwright.relaxed.wasm", "wasm-relaxed.js");

const constants = "export declare const base64: string;\n/** Where the binary says that its memory is not shared. */\nexport declare const memoryFlag: number;\n";
const bindings = readFileSync(new URL("millwright.d.ts", build), "utf8");
const exported = bindings.match(/declare namespace __AdaptedExports \{([^]*?)\n\}/)[1]
  .replaceAll("export const memory: WebAssembly.Memory;", "readonly memory: WebAssembly.Memory;")
  .replaceAll(/export function /g, "");
writeFileSync(new URL("wasm.d.ts", build), `${constants}export interface WasmExports extends Record<string, unknown> {${exported}\n}\n`);
writeFileSync(new URL("wasm-relaxed.d.ts", build), constants);
for (const name of ["millwright", "millwright.relaxed"]) {
  for (const extension of ["js", "d.ts"]) rmSync(new URL(`${name}.${extension}`, build));
}
