/** A piece of a source file, found exactly once, and what stands in its place. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const museum: readonly { readonly name: string; readonly patches: readonly Patch[] }[];
