import { defineConfig } from "vitest/config";

export default defineConfig({
  // Timeouts catch a hang, not a slow machine.
  test: { include: ["test/**/*.test.ts"], testTimeout: 120_000 },
});
