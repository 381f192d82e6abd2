/**
 * The program of docs/browser.md as a file that every runtime can import: what the page shows is what is tried.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const PAGE = new URL("../../docs/browser.md", import.meta.url);
const FILE = new URL(".installed/member.js", import.meta.url);

/** Writes it to `.installed/member.js`. @returns its text */
export function extractExample() {
  const program = /```js\n([^]*?)```/.exec(readFileSync(PAGE, "utf8"))[1];
  mkdirSync(new URL(".", FILE), { recursive: true });
  writeFileSync(FILE, program);
  return program;
}
