import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../support/processes.ts";

/** What apps that are begun for a benchmark are told; in a folder that is gone with `remove`. */
export interface Setting {
  readonly env: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** @param fleet as REELQ_CONFIG has it */
export async function settingFor(redisUrl: string, fleet: object): Promise<Setting> {
  const { path, remove } = await temporaryFolder();
  const config = join(path, "reelq.yaml");
  // JSON is YAML too.
  await writeFile(config, JSON.stringify(fleet));
  const env = {
    REDIS_URL: redisUrl,
    REELQ_CONFIG: config,
    STORAGE_URL: `file:${join(path, "videos")}`,
    PORT: "0",
    LOG_LEVEL: "warn",
  };
  return { env, remove };
}
