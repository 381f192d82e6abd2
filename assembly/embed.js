// Turns the compiled binaries into JavaScript modules, so that no runtime has to fetch or read a file.
// The declarations are the compiler's own (asc --bindings raw): no signature is repeated by hand.
import { readFileSync, rmSync, writeFileSync } from "node:fs";

const build = new URL("../build/", import.meta.url);
const embed = (binary, module) => {
  const bytes = readFileSync(new URL(binary, build));
  writeFileSync(new URL(module, build), `${asModule(bytes)}export const memoryFlag = ${memoryFlag(bytes, binary)};\n`);
};

/** Printable, and in a row. */
const FIRST = "#".charCodeAt(0);
const CHARACTERS = "~".charCodeAt(0) - FIRST + 1;
/** Of the characters, those that begin a byte of two. */
const LEADS = 2;

/**
 * Bytes as text: one character for each of the 90 most frequent bytes, two for the others. It is shorter than base64 and, more
 * to the point, compresses as the binary does: a repetition stays one, which in base64 needs a distance that 3 divides.
 */
function asModule(bytes) {
  const counts = new Array(256).fill(0);
  for (const byte of bytes) counts[byte]++;
  const order = counts.map((_, byte) => byte).sort((a, b) => counts[b] - counts[a]);
  const singles = CHARACTERS - LEADS;
  const codes = order.map((_, place) => (place < singles ? [LEADS + place] : [Math.floor((place - singles) / CHARACTERS), (place - singles) % CHARACTERS]));
  const textOf = new Map(order.map((byte, place) => [byte, String.fromCharCode(...codes[place].map((code) => FIRST + code))]));
  return `const order = [${order}];
const text =
  ${JSON.stringify(Array.from(bytes, (byte) => textOf.get(byte)).join(""))};
export function binary() {
  const bytes = new Uint8Array(${bytes.length});
  for (let at = 0, n = 0; at < text.length; n++) {
    const code = text.charCodeAt(at++) - ${FIRST};
    bytes[n] = order[code < ${LEADS} ? ${singles} + ${CHARACTERS} * code + text.charCodeAt(at++) - ${FIRST} : code - ${LEADS}];
  }
  return bytes;
}
`;
}

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

const constants = "/** A copy. */\nexport declare function binary(): Uint8Array<ArrayBuffer>;\n/** Where the binary says that its memory is not shared. */\nexport declare const memoryFlag: number;\n";

/** The compiler's declarations of a binary's kernels, as an interface. */
function declarations(file, name) {
  const bindings = readFileSync(new URL(file, build), "utf8");
  const exported = bindings.match(/declare namespace __AdaptedExports \{([^]*?)\n\}/)[1]
    .replaceAll("export const memory: WebAssembly.Memory;", "readonly memory: WebAssembly.Memory;")
    .replaceAll(/export function /g, "");
  return `export interface ${name} extends Record<string, unknown> {${exported}\n}\n`;
}

embed("millwright.wasm", "wasm.js");
embed("millwright.relaxed.wasm", "wasm-relaxed.js");
embed("millwright.signal.wasm", "wasm-signal.js");
writeFileSync(new URL("wasm.d.ts", build), constants + declarations("millwright.d.ts", "WasmExports"));
writeFileSync(new URL("wasm-relaxed.d.ts", build), constants);
writeFileSync(new URL("wasm-signal.d.ts", build), constants + declarations("millwright.signal.d.ts", "SignalExports"));
for (const name of ["millwright", "millwright.relaxed", "millwright.signal"]) {
  for (const extension of ["js", "d.ts"]) rmSync(new URL(`${name}.${extension}`, build));
}
