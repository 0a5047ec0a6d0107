import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { z } from "zod";

const serviceSchema = z.object({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).default({}),
  healthcheck: z.object({ test: z.array(z.string()).min(2) }),
  restart: z.string(),
  stop_grace_period: z.string(),
  ports: z.array(z.string()).default([]),
  // A fixed name would keep a service from being scaled.
  container_name: z.undefined().optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.literal("service_healthy") })).default({}),
  volumes: z.array(z.string()).default([]),
});

const serviceNames = ["api", "worker", "redis", "s3", "simulator"] as const;
export type ServiceName = (typeof serviceNames)[number];

const root = new URL("../..", import.meta.url);

/** What docker-compose.yml says, its anchors resolved and its variables not. */
export const { services, volumes } = z
  .object({ services: z.record(z.enum(serviceNames), serviceSchema), volumes: z.record(z.string(), z.null()) })
  .parse(parse(readFileSync(new URL("docker-compose.yml", root), "utf8"), { merge: true }));

/** As compose fills in `${NAME}`, `${NAME:-else}`, `${NAME-else}`, `${NAME?why}`, `${NAME:?why}` and `$$`. */
export function fillIn(value: string, env: Readonly<Record<string, string>>): string {
  return value.replaceAll(
    /\$\$|\$\{([A-Z0-9_]+)(:?)([-?]?)([^}]*)\}/g,
    (whole: string, name: string, colon: string, kind: string, other: string) => {
      if (whole === "$$") return "$";
      const found = env[name];
      if (found !== undefined && (found !== "" || colon === "")) return found;
      if (kind === "?") throw new Error(`${name}: ${other}`);
      return other;
    },
  );
}

/** Runs a service's health check as its container would, from the image's folder; false where it takes it for unwell. */
export async function isHealthy(name: ServiceName, env: Readonly<Record<string, string>>): Promise<boolean> {
  const [kind, ...rest] = services[name].healthcheck.test.map((part) => fillIn(part, {}));
  const [program = "", ...args] = kind === "CMD-SHELL" ? ["/bin/sh", "-c", ...rest] : rest;
  const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
  try {
    await promisify(execFile)(program, args, { cwd: root, env: { PATH: path, ...env } });
    return true;
  } catch {
    return false;
  }
}
