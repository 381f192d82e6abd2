/**
 * @module
 * sin, cos, exp and log of one number, the same bits in every runtime. Whatever feeds a model, a data
 * set or a hash uses these instead of Math's, which differ between engines in the last place.
 * Math.sqrt, abs, floor, min and max are exact by the standard and may be used as they are.
 */
import { Kernels } from "./kernels.ts";

let kernels: Kernels | undefined;
const wasm = () => (kernels ??= new Kernels()).wasm;

export const sin = (x: number): number => wasm().sine(x);
export const cos = (x: number): number => wasm().cosine(x);
export const exp = (x: number): number => wasm().exponential(x);
export const log = (x: number): number => wasm().logarithm(x);
/** x^y for x > 0, as exp(y log x). */
export const pow = (x: number, y: number): number => exp(y * log(x));
