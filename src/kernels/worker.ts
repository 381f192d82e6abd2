/**
 * @module
 * The partner's thread where there are web workers: the file that `startPartner` in web.ts starts.
 */
import { serve, type Place } from "./partner.ts";

/** Of a worker's global scope, what is used; the library for documents names another one. */
const scope = globalThis as unknown as {
  onmessage: (event: { readonly data: Place }) => void;
  postMessage(message: string): void;
};

scope.onmessage = ({ data }) => serve(data, () => scope.postMessage("ready"));
