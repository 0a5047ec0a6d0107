import type { z } from "zod";
import { readConfigFile } from "./config-file.ts";
import { readConfigText } from "./config-text.ts";
import { type Environment, readEnvironment, type Relation, type Settings } from "./environment.ts";
import type { Setting } from "./setting.ts";
import { refuseHalfCredential, settings } from "./settings.ts";
import { SettingsError } from "./settings-error.ts";

const { redisUrl, upstreamUrl, upstreamApiKey, configPath, storageUrl } = settings;
const { awsAccessKeyId, awsSecretAccessKey, awsSessionToken, awsRegion, awsEndpointUrl, logLevel } = settings;

/** What every process of a deployment has in common: they meet in one Redis, one storage and the same upstreams. */
const common = {
  redisUrl,
  upstreamUrl,
  upstreamApiKey,
  configPath,
  storageUrl,
  awsAccessKeyId,
  awsSecretAccessKey,
  awsSessionToken,
  awsRegion,
  awsEndpointUrl,
  logLevel,
};
type Common = typeof common;

const commonRelations: readonly Relation<Common>[] = [
  {
    between: ["awsAccessKeyId", "awsSecretAccessKey"],
    judge: ({ awsAccessKeyId: id, awsSecretAccessKey: secret }) => refuseHalfCredential(id, secret),
  },
  {
    between: ["upstreamUrl", "upstreamApiKey"],
    judge: ({ upstreamUrl: url, upstreamApiKey: key }) =>
      key !== undefined && url === undefined
        ? "UPSTREAM_API_KEY is set and UPSTREAM_URL is not; set the URL that the key is for."
        : undefined,
  },
];

export interface Deployment<Shape extends Record<string, Setting>, Config> {
  readonly settings: Settings<Common & Shape>;
  /** What REELQ_CONFIG says; of an empty file where it is not set. */
  readonly config: Config;
}

/**
 * Reads the settings that processes share, those of one's own, and the file that REELQ_CONFIG names.
 * @param judge says what is wrong between the settings and the file
 * @throws {SettingsError} with the mistakes in the environment and in the file
 */
export function readDeployment<const Shape extends Record<string, Setting>, Schema extends z.ZodType>(
  shape: Shape,
  relations: readonly Relation<Common & Shape>[],
  env: Environment,
  schema: Schema,
  judge: (read: Deployment<Shape, z.output<Schema>>) => string | undefined,
): Deployment<Shape, z.output<Schema>> {
  const refused: SettingsError[] = [];
  const read = attempt(refused, () =>
    readEnvironment({ ...common, ...shape }, env, {
      relations: [...(commonRelations as readonly Relation<Common & Shape>[]), ...relations],
    }),
  );
  const path = env[configPath.variable]?.trim();
  const config = attempt(
    refused,
    () => readConfigFile(path ?? "", path ? readConfigText(path) : "", env, schema).config,
  );
  const mistakes = refused.flatMap((error) => error.mistakes);
  if (read && config && mistakes.length === 0) {
    const deployment = { settings: read as Settings<Common & Shape>, config };
    const wrong = judge(deployment);
    if (wrong === undefined) return deployment;
    mistakes.push(wrong);
  }
  throw new SettingsError(
    "the settings",
    mistakes,
    refused.reduce((sum, { untold }) => sum + untold, 0),
  );
}

/** The bucket's settings by the names that AWS's own SDK has for them. */
export const awsOf = (read: Settings<Common>) => ({
  accessKeyId: read.awsAccessKeyId,
  secretAccessKey: read.awsSecretAccessKey,
  sessionToken: read.awsSessionToken,
  region: read.awsRegion,
  endpoint: read.awsEndpointUrl,
});

function attempt<Value>(refused: SettingsError[], read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    refused.push(error);
    return undefined;
  }
}
