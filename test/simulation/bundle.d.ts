import type * as Simulate from "./simulate.ts";
import type { Patch } from "./museum.js";

export function load(name?: string, patches?: readonly Patch[]): Promise<typeof Simulate>;
