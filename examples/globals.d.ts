// What the programs here use of Deno and Bun, so that `npm run check` can read them.
declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen(): void },
    handler: (request: Request) => Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
  writeFile(path: string, data: Uint8Array): Promise<void>;
};
declare const Bun: { readonly isMainThread: boolean; write(path: string, data: Uint8Array): Promise<number> };
