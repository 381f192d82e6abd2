import { defineConfig } from "vite";

// The page's meta tag does not reach its workers: they obey the policy that their own file is served with.
const headers = { "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" };

export default defineConfig({
  base: "./",
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
});
