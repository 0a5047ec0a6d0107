import { problem, ProblemError } from "@reelq/contract";
import {
  type ApiKeyRecord,
  type ApiKeys,
  defaultProject,
  fleetSchema,
  openApiKeys,
  openEngine,
  openFleet,
  openStorage,
} from "@reelq/engine";
import { type Option, SettingsError } from "@reelq/service";

/** What is to be done with the API keys in Redis, instead of serving. */
export interface KeysCommand {
  readonly verb: (typeof verbs)[number];
  /** Of the key; to revoke it, its id will do. */
  readonly name: string;
  readonly project: string;
  readonly isAdmin: boolean;
  readonly perMinute: number | undefined;
  readonly asJson: boolean;
}

const verbs = ["create", "list", "revoke"] as const;

/** Which of the options each of them takes, beside `--as`. */
const takes = {
  create: ["name", "project", "admin", "calls-per-minute"],
  list: [],
  revoke: ["name"],
} as const satisfies Record<KeysCommand["verb"], readonly string[]>;

const oneOf =
  (name: string, words: readonly string[]) =>
  (word: string): string | undefined =>
    words.includes(word) ? undefined : `--${name}: "${word}" must be ${words.join(" or ")}.`;

/** The options of the API's command line that are about keys. */
export const keysOptions: readonly Option[] = [
  {
    name: "keys",
    value: verbs.join("|"),
    help: "look after the API keys in Redis instead, and end",
    judge: oneOf("keys", verbs),
  },
  { name: "name", value: "NAME", help: "of the key to create or revoke" },
  { name: "project", value: defaultProject, help: "what the new key belongs to" },
  {
    name: "admin",
    value: "yes|no",
    help: "whether the new key sees every project",
    judge: oneOf("admin", ["yes", "no"]),
  },
  { name: "calls-per-minute", value: "600", help: "of the new key; 0 is no limit", judge: refuseRate },
  { name: "as", value: "page|json", help: "how the keys are told", judge: oneOf("as", ["page", "json"]) },
];

function refuseRate(text: string): string | undefined {
  const isRate = /^\d{1,7}$/.test(text) && Number(text) <= 1_000_000;
  return isRate ? undefined : `--calls-per-minute: "${text}" must be a whole number from 0 to 1000000.`;
}

/**
 * @returns undefined where nothing is said of keys
 * @throws SettingsError with every mistake
 */
export function readKeysCommand(given: Readonly<Record<string, string | undefined>>): KeysCommand | undefined {
  const verb = verbs.find((one) => one === given["keys"]);
  const taken: readonly string[] = verb === undefined ? [] : ["keys", "as", ...takes[verb]];
  const mistakes = keysOptions
    .filter(({ name }) => given[name] !== undefined && !taken.includes(name))
    .map(({ name }) => `--${name} does not go with ${verb === undefined ? "serving" : `--keys ${verb}`}.`);
  if (taken.includes("name") && !given["name"]) mistakes.push("--name is missing: which key?");
  if (mistakes.length > 0) throw new SettingsError("the command line", mistakes);
  if (verb === undefined) return undefined;
  const { name = "", project = defaultProject, admin, as, "calls-per-minute": rate } = given;
  const perMinute = rate === undefined ? undefined : Number(rate);
  return { verb, name, project, isAdmin: admin === "yes", perMinute, asJson: as === "json" };
}

/** Where the ledger is that keeps the keys. */
export interface KeysPlace {
  readonly redisUrl: string;
  readonly prefix: string;
}

export interface Outputs {
  /** What was asked for, and nothing else. */
  readonly say: (text: string) => void;
  /** What a person should know of it. */
  readonly remark: (text: string) => void;
}

/**
 * Does it, and says so.
 * @throws ProblemError for what can be mended, NoAnswerError
 */
export async function runKeys(command: KeysCommand, { redisUrl, prefix }: KeysPlace, outputs: Outputs): Promise<void> {
  // Neither upstreams nor files matter to keys.
  const [fleet, storage] = [openFleet(fleetSchema.parse({})), openStorage("file:.", {})];
  const engine = openEngine({ redisUrl, fleet, storage, patient: false, prefix });
  try {
    await carryOut(command, openApiKeys(engine), outputs);
  } catch (error) {
    throw error instanceof ProblemError ? error : new NoAnswerError("", error, redisUrl);
  }
  await engine.close();
}

async function carryOut(command: KeysCommand, apiKeys: ApiKeys, { say, remark }: Outputs): Promise<void> {
  const { verb, name, asJson } = command;
  const sayJson = (value: object): void => say(`${JSON.stringify(value, null, 2)}\n`);
  switch (verb) {
    case "create": {
      const isFirst = !(await apiKeys.any());
      const { record, key } = await apiKeys.create(command);
      if (asJson) return sayJson({ ...keyBody(record), key });
      say(`${key}\n`);
      return remark(remarksOn(record, isFirst));
    }
    case "list": {
      const records = await apiKeys.list();
      if (asJson) return sayJson({ object: "list", data: records.map(keyBody) });
      return say(records.length === 0 ? "There are no API keys in Redis.\n" : tableOf(records));
    }
    case "revoke": {
      const record = await revoke(apiKeys, name);
      if (asJson) return sayJson(keyBody(record));
      return say(`${record.name} (${record.id}) opens nothing any more.\n`);
    }
  }
}

function remarksOn({ name, project, isAdmin }: ApiKeyRecord, isFirst: boolean): string {
  const sees = isAdmin
    ? `${name} is an admin's key, which sees every project; its own is ${project}.`
    : `${name} is a key of the project ${project}.`;
  return `${sees} It is kept as a hash only, and cannot be shown again.\n${isFirst ? howToUse : ""}`;
}

const howToUse = `It is the first one: from now on every call needs a key.
  for these commands   export REELQ_API_KEY=...
  elsewhere            the header Authorization: Bearer ...
`;

async function revoke(apiKeys: ApiKeys, which: string): Promise<ApiKeyRecord> {
  try {
    return await apiKeys.revoke(which);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "not_found") throw error;
    throw problem("not_found", `${error.message} \`reelq keys list\` shows them all.`);
  }
}

const unixSeconds = (ms: number): number => Math.floor(ms / 1000);

const keyBody = ({ id, name, project, isAdmin, perMinute, createdAt, revokedAt }: ApiKeyRecord) => ({
  id,
  object: "api_key",
  name,
  project,
  admin: isAdmin,
  calls_per_minute: perMinute ?? null,
  created_at: unixSeconds(createdAt),
  revoked_at: revokedAt === undefined ? null : unixSeconds(revokedAt),
});

function tableOf(records: readonly ApiKeyRecord[]): string {
  const rows = records.map(({ id, name, project, isAdmin, perMinute, createdAt, revokedAt }) => [
    id,
    name,
    project,
    isAdmin ? "admin" : "",
    perMinute === undefined ? "" : perMinute === 0 ? "no limit" : `${perMinute}/min`,
    `made ${minuteOf(createdAt)}`,
    revokedAt === undefined ? "" : `revoked ${minuteOf(revokedAt)}`,
  ]);
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .flatMap((cell, column) => (widths[column] === 0 ? [] : [cell.padEnd(widths[column] ?? 0)]))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** `2026-11-22 15:08`, UTC. */
const minuteOf = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

/** Thrown where Redis alone could say what must be known, and does not. */
export class NoAnswerError extends Error {
  /** What the process ends with. */
  readonly exitCode = 3;

  /**
   * @param need a sentence: what for it was asked
   * @param redisUrl which was asked
   */
  constructor(need: string, cause: unknown, redisUrl: string) {
    super([need, whyOf(cause, redisUrl)].filter((text) => text !== "").join(" "), { cause });
    this.name = "NoAnswerError";
  }
}

function whyOf(cause: unknown, redisUrl: string): string {
  const { name, message } = cause as Error;
  const isSilent = name === "MaxRetriesPerRequestError" || /timed out|Connection is closed/.test(message);
  if (!isSilent) return `Redis at REDIS_URL answers: ${message}`;
  // No more of the URL: there may be a password in it.
  const { protocol, host } = new URL(redisUrl);
  return `Redis does not answer at ${protocol}//${host} (REDIS_URL).`;
}
