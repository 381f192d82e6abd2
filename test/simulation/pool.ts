/**
 * @module
 * Instances of the kernels, used again from run to run: an instance of WebAssembly costs as much as half a
 * toy federation. bundle.ts puts this in the place of the class where updates are summed.
 */
import { Kernels as Instance } from "../../src/kernels/kernels.ts";

const instances: { readonly kernels: Instance; readonly mark: number }[] = [];
let taken = 0;

/** A run begins: the instances of the one before are free. */
export function recycle(): void {
  taken = 0;
}

/** To be called with `new`, as the class is. Memory is zeroed when it is allocated, as it is in a new instance. */
export function Kernels(): Instance {
  const found = (instances[taken] ??= fresh());
  taken++;
  found.kernels.release(found.mark);
  return found.kernels;
}

function fresh(): (typeof instances)[number] {
  const kernels = new Instance();
  return { kernels, mark: kernels.mark() };
}
