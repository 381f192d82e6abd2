import { defineConfig } from "vitest/config";

/** Node 20 accepts the relaxed build only with this flag; later ones without. */
const flags = Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/tally.ts"],
    // Timeouts catch a hang, not a slow machine.
    testTimeout: 120_000,
    execArgv: flags,
  },
});
