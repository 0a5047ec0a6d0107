import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { settings } from "@reelq/service";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { nodeOf } from "../../apps/cli/src/child.ts";
import { readApiEnvironment } from "../../apps/api/src/env.ts";
import { readSimulatorEnvironment } from "../../apps/simulator/src/env.ts";
import { readWorkerEnvironment } from "../../apps/worker/src/env.ts";
import { fillIn, isHealthy, type ServiceName, services, volumes } from "../support/compose.ts";

const rootOf = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const text = (path: string): string => readFileSync(rootOf(path), "utf8");

const all = Object.entries(services);
const ours = all.filter(([, { build }]) => build !== undefined);

/** What a person has to set. */
const given = {
  UPSTREAM_URL: "https://gateway.example/v1",
  REELQ_API_KEYS: "shop:0123456789",
  AWS_ACCESS_KEY_ID: "reelq",
  AWS_SECRET_ACCESS_KEY: "0123456789",
};

const environmentOf = (name: ServiceName, env: Readonly<Record<string, string>> = given) =>
  Object.fromEntries(Object.entries(services[name].environment).map(([key, value]) => [key, fillIn(value, env)]));

describe("the compose file", () => {
  test("gives the API settings that it accepts", () => {
    const read = readApiEnvironment(environmentOf("api"));
    expect(read).toMatchObject({ host: "0.0.0.0", port: 8787, storageUrl: "s3://reelq/videos" });
    expect(read.apiKeys).toEqual([{ name: "shop", key: "0123456789" }]);
  });

  test("gives the worker settings that it accepts, and the same Redis and storage as the API's", () => {
    const [api, worker] = [readApiEnvironment(environmentOf("api")), readWorkerEnvironment(environmentOf("worker"))];
    expect(worker).toMatchObject({ redisUrl: api.redisUrl, storageUrl: api.storageUrl, inDoubt: "hold" });
    expect(worker.awsEndpointUrl).toBe(api.awsEndpointUrl);
  });

  test("gives the simulator settings that it accepts", () => {
    expect(readSimulatorEnvironment(environmentOf("simulator"))).toMatchObject({ port: 8788, timeScale: 0.1 });
  });

  test("names no setting that does not exist", () => {
    const ofReelq = Object.values(settings).map(({ variable }) => variable);
    for (const name of ["api", "worker"] as const) {
      const known = new Set([...ofReelq, ...Object.keys(nodeOf[name].environment)]);
      expect(Object.keys(services[name].environment).filter((variable) => !known.has(variable))).toEqual([]);
    }
  });

  test.each(Object.keys(given))("says what to do where %s is not set", (name) => {
    const { [name as keyof typeof given]: _, ...rest } = given;
    expect(() => environmentOf("api", rest)).toThrow(`${name}: set ${name} to`);
  });

  test("lets UPSTREAM_URL be empty, for a file of REELQ_CONFIG that names the upstreams", () => {
    const env = environmentOf("api", { ...given, UPSTREAM_URL: "", REELQ_CONFIG: "/config/reelq.yaml" });
    expect(env).toMatchObject({ UPSTREAM_URL: "", REELQ_CONFIG: "/config/reelq.yaml" });
  });

  test("lets AWS_ENDPOINT_URL_S3 be empty, for Amazon's own S3", () => {
    const env = environmentOf("worker", { ...given, AWS_ENDPOINT_URL_S3: "" });
    expect(readWorkerEnvironment(env).awsEndpointUrl).toBeUndefined();
  });

  test("runs commands whose files exist, with what `reelq` tells their Node", () => {
    expect(ours.map(([name]) => name).toSorted()).toEqual(["api", "simulator", "worker"]);
    for (const [name, { command, environment }] of ours) {
      const [node, ...rest] = command;
      expect(node).toBe("node");
      const told = nodeOf[name as keyof typeof nodeOf];
      expect(rest.slice(0, -1)).toEqual(told.options);
      expect(environment).toMatchObject(told.environment);
      expect(existsSync(rootOf(rest.at(-1) ?? ""))).toBe(true);
    }
  });

  test("gives every service a health check, a restart policy and time to end in order", () => {
    for (const [, { healthcheck, stop_grace_period }] of all) {
      expect(healthcheck.test[0]).toMatch(/^CMD(-SHELL)?$/);
      expect(stop_grace_period).toBe("30s");
    }
    expect(new Set(all.map(([, { restart }]) => restart))).toEqual(new Set(["unless-stopped"]));
  });

  test("starts API and worker only once Redis and the bucket's server are well", () => {
    for (const name of ["api", "worker"] as const)
      expect(Object.keys(services[name].depends_on).toSorted()).toEqual(["redis", "s3"]);
  });

  test("pins every image to a version", () => {
    for (const [, { image }] of all) expect(image).toMatch(/:\d[\w.-]*$/);
    const bases = [...text("Dockerfile").matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    expect(bases).toEqual(["node:24-slim", "node:24-slim"]);
  });

  test("publishes ports to this machine only", () => {
    for (const port of all.flatMap(([, { ports }]) => ports))
      expect(fillIn(port, {})).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test("makes Redis keep every write and evict nothing", () => {
    const command = services.redis.command.join(" ");
    for (const option of ["--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"])
      expect(command).toContain(option);
  });

  test("keeps what Redis and the bucket's server hold in volumes", () => {
    const named = all.flatMap(([, service]) => service.volumes.map((volume) => volume.split(":")[0]));
    expect(new Set(named)).toEqual(new Set(Object.keys(volumes)));
    expect([services.redis.volumes, services.s3.volumes]).toEqual([["redis:/data"], ["s3:/data"]]);
  });

  test("uses the bucket that its server is told to make", () => {
    expect(environmentOf("worker")["STORAGE_URL"]).toMatch(
      new RegExp(`^s3://${services.s3.environment["S3_BUCKET"]}/`),
    );
  });

  test.each([
    ["api", 200, true],
    ["api", 503, false],
    ["simulator", 200, true],
  ] as const)("takes the %s that answers %i for well: %s", async (name, status, well) => {
    const server = createServer((_request, response) => response.writeHead(status).end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      expect(await isHealthy(name, { PORT: String(port) })).toBe(well);
    } finally {
      server.close();
    }
  });

  test("takes an API that nothing answers for, and a worker without Redis, for unwell", async () => {
    expect(await isHealthy("api", { PORT: "1" })).toBe(false);
    expect(await isHealthy("worker", { REDIS_URL: "redis://127.0.0.1:1" })).toBe(false);
  });
});

describe("the image", () => {
  test("is built with the pnpm that package.json names", () => {
    const { packageManager } = z.object({ packageManager: z.string() }).parse(JSON.parse(text("package.json")));
    expect(text("Dockerfile")).toContain(` ${packageManager}\n`);
  });

  test("holds no development packages and does not run as root", () => {
    expect(text("Dockerfile")).toContain("pnpm install --prod --frozen-lockfile");
    expect(text("Dockerfile")).toMatch(/^USER node$/m);
  });

  test("is made of the files that .dockerignore names, and of no secrets", () => {
    const lines = text(".dockerignore").split("\n");
    const letIn = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    expect(letIn.toSorted()).toEqual(["apps", "package.json", "packages", "pnpm-lock.yaml", "pnpm-workspace.yaml"]);
    expect(lines).toContain("*");
    expect(lines).toContain("**/.env*");
  });
});
