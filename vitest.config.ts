import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/tally.ts"],
    // Timeouts catch a hang, not a slow machine.
    testTimeout: 120_000,
  },
});
