import { defineConfig } from "vitest/config";

// Projects are named for what must be running: nothing, a Redis, or whole processes.
const project = (name: string, testTimeout: number, globalSetup: string[] = []) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 120_000, globalSetup },
});

export default defineConfig({
  test: {
    // Most of the time of most files goes into waiting for others.
    maxWorkers: 2,
    projects: [
      project("unit", 10_000),
      project("redis", 60_000),
      project("system", 180_000, ["test/support/s3-global-setup.ts"]),
      project("chaos", 3_600_000, ["test/support/s3-global-setup.ts", "test/support/compile-cache.ts"]),
    ],
  },
});
