/**
 * Elementary functions of one float64, for everything that is generated or hashed outside the model
 * (simulated data, initial weights). JavaScript's Math.sin, exp and log differ between engines in the
 * last place; these are AssemblyScript's ports of musl's libm, compiled, so they are the same bits
 * everywhere. Errors are below 1 ulp (see AssemblyScript's std/assembly/util/math.ts). Sine and cosine come
 * from one reduction of the argument, which is most of their code.
 */
export function sine(x: f64): f64 {
  NativeMath.sincos(x);
  return NativeMath.sincos_sin;
}
export function cosine(x: f64): f64 {
  NativeMath.sincos(x);
  return NativeMath.sincos_cos;
}
export function exponential(x: f64): f64 { return NativeMath.exp(x); }
export function logarithm(x: f64): f64 { return NativeMath.log(x); }
