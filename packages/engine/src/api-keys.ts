import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { nearestName, problem } from "@reelq/contract";
import { z } from "zod";
import { type Clock, SECOND } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { Caller } from "./caller.ts";

const recordSchema = z.object({
  id: z.string(),
  name: z.string(),
  project: z.string(),
  isAdmin: z.boolean(),
  /** SHA-256 of the key, hex. The key itself is random and long, so nothing slower is needed. */
  digest: z.string(),
  /** Calls in a minute; the setting's where left out. */
  perMinute: z.number().int().nonnegative().optional(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  revokedAt: z.number().optional(),
});

/** An API key as the ledger keeps it: never the key itself. */
export type ApiKeyRecord = z.infer<typeof recordSchema>;

/** A name of a key or of a project. */
export const isKeyName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text);

const isKeyId = (text: string): boolean => /^key_[0-9a-f]{16}$/.test(text);

interface NewApiKey {
  readonly name: string;
  readonly project: string;
  readonly isAdmin: boolean;
  readonly perMinute?: number | undefined;
}

/** The API keys in Redis. */
export interface ApiKeys {
  /** @returns the key, which nobody can be shown again */
  create(wanted: NewApiKey): Promise<{ readonly record: ApiKeyRecord; readonly key: string }>;
  /** The oldest first, those that were revoked included. */
  list(): Promise<ApiKeyRecord[]>;
  /** @param which its id, or its name. @throws ProblemError where there is none */
  revoke(which: string): Promise<ApiKeyRecord>;
  read(id: string): Promise<ApiKeyRecord | undefined>;
  /** Whether there ever was one: a ledger that had keys is never open to everyone again. */
  any(): Promise<boolean>;
}

const keyPattern = /^rq_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export function openApiKeys({ redis, keys, clock }: Pick<Engine, "redis" | "keys" | "clock">): ApiKeys {
  const parse = (text: string): ApiKeyRecord => recordSchema.parse(JSON.parse(text));
  const list = async (): Promise<ApiKeyRecord[]> =>
    Object.values(await redis.hgetall(keys.apiKeys))
      .map(parse)
      .toSorted((one, other) => one.createdAt - other.createdAt);

  /** Keeps a new record where its name is free. */
  async function keep(record: ApiKeyRecord): Promise<void> {
    // On a connection of its own, for what is watched is watched by a whole connection.
    const alone = redis.duplicate();
    // Its calls fail, and say why.
    alone.on("error", () => undefined);
    try {
      let isKept = false;
      while (!isKept) {
        await alone.watch(keys.apiKeys);
        if ((await list()).some(({ name, revokedAt }) => name === record.name && revokedAt === undefined))
          throw problem(
            "conflict",
            `There is an API key named ${record.name} already; revoke it first, or choose another name.`,
          );
        // Null: somebody else was faster, maybe with the same name.
        isKept = (await alone.multi().hset(keys.apiKeys, record.id, JSON.stringify(record)).exec()) !== null;
      }
    } finally {
      alone.disconnect();
    }
  }

  return {
    async create({ name, project, isAdmin, perMinute }) {
      for (const [what, text] of [
        ["The name", name],
        ["The project", project],
      ] as const)
        if (!isKeyName(text) || isKeyId(text))
          throw problem(
            "invalid_value",
            `${what} ${JSON.stringify(text)} must be up to 64 letters, digits, dots, dashes and underscores, the first a letter or a digit, and not like the id of a key.`,
          );
      const id = randomBytes(8).toString("hex");
      const key = `rq_${id}_${randomBytes(32).toString("base64url")}`;
      const record: ApiKeyRecord = {
        id: `key_${id}`,
        name,
        project,
        isAdmin,
        digest: digestOf(key).toString("hex"),
        ...(perMinute === undefined ? {} : { perMinute }),
        createdAt: clock.now(),
      };
      await keep(record);
      return { record, key };
    },

    list,

    async revoke(which) {
      const all = await list();
      const known = all.filter(({ id, name }) => id === which || name === which);
      const record = known.find(({ revokedAt }) => revokedAt === undefined);
      if (!record) throw problem("not_found", known.length > 0 ? revokedBefore(which) : unknownKey(which, all));
      const revoked = { ...record, revokedAt: clock.now() };
      await redis.hset(keys.apiKeys, record.id, JSON.stringify(revoked));
      return revoked;
    },

    async read(id) {
      const text = await redis.hget(keys.apiKeys, id);
      return text === null ? undefined : parse(text);
    },

    any: async () => (await redis.hlen(keys.apiKeys)) > 0,
  };
}

const revokedBefore = (which: string): string => `The API key ${which} was revoked before.`;

function unknownKey(which: string, all: readonly ApiKeyRecord[]): string {
  const live = all.filter(({ revokedAt }) => revokedAt === undefined);
  const meant = nearestName(
    which,
    live.flatMap(({ id, name }) => [name, id]),
  );
  return `There is no API key ${JSON.stringify(which)}${meant === undefined ? "." : `; did you mean ${meant}?`}`;
}

/** What the cookies of browsers are signed with: made by whoever needs it first, the same for all that share the Redis. */
export async function cookieSecretOf({ redis, keys }: Pick<Engine, "redis" | "keys">): Promise<string> {
  await redis.set(keys.cookieSecret, randomBytes(32).toString("base64url"), "NX");
  const secret = await redis.get(keys.cookieSecret);
  if (secret === null) throw new Error("The secret for cookies vanished at once.");
  return secret;
}

/** A key of the settings. */
export interface GivenKey {
  readonly name: string;
  readonly key: string;
}

/** Who a key lets in, and as whom. */
export interface Holder extends Caller {
  readonly name: string;
  /** Calls in a minute, where the key says so. */
  readonly perMinute?: number | undefined;
  /** Another one once the key of that id has another text: what was begun with the old one is over. */
  readonly seal: string;
}

/** Tells callers by their keys. */
export interface Keyring {
  /** What it judges by how long something is good for. */
  readonly clock: Clock;
  /** Undefined: a key that nobody gave out. */
  holderOf(key: string): Promise<Holder | undefined>;
  /** The holder by the id of its key; undefined where it was revoked, or nobody is let in without one any more. */
  holder(id: string): Promise<Holder | undefined>;
  /** Everyone, where no key was ever given out and strangers cannot reach the address; else undefined. */
  everyone(): Promise<Holder | undefined>;
}

export interface KeyringOptions {
  readonly apiKeys: ApiKeys;
  readonly clock: Clock;
  /** Those of REELQ_API_KEYS: the name is the project; the one named `admin` sees all. */
  readonly given: readonly GivenKey[];
  /** Without any key, everyone may call. */
  readonly mayBeOpen: boolean;
}

/** What Redis said of a key is believed for so long: a revoked one is shut out after it. */
const believeMs = SECOND;

/** The name that makes a key of the settings an admin's, and the project that it and a keyless API work in. */
const adminName = "admin";
export const defaultProject = "default";

const anyone: Holder = { name: "everyone", project: defaultProject, key: "open", isAdmin: true, seal: "" };

export function openKeyring({ apiKeys, clock, given, mayBeOpen }: KeyringOptions): Keyring {
  const known = given.map(({ name, key }) => ({ digest: digestOf(key), holder: holderOfGiven(name, key) }));
  const remembered = new Map<string, { readonly record: ApiKeyRecord | undefined; readonly until: number }>();
  let hadKeys: { readonly any: boolean; readonly until: number } | undefined;

  async function recordOf(id: string): Promise<ApiKeyRecord | undefined> {
    const before = remembered.get(id);
    if (before && before.until > clock.now()) return before.record;
    const record = await apiKeys.read(id);
    // Ids that nobody gave out are not remembered: there is no end to them.
    if (record) remembered.set(id, { record, until: clock.now() + believeMs });
    return record;
  }

  async function everyone(): Promise<Holder | undefined> {
    if (!mayBeOpen || known.length > 0) return undefined;
    if (!hadKeys || (!hadKeys.any && hadKeys.until <= clock.now()))
      hadKeys = { any: await apiKeys.any(), until: clock.now() + believeMs };
    return hadKeys.any ? undefined : anyone;
  }

  return {
    clock,

    async holderOf(key) {
      const digest = digestOf(key);
      // Digests have one length and every one is compared, so the time taken tells nothing about a key.
      const match = known.map((one) => timingSafeEqual(one.digest, digest)).indexOf(true);
      if (match >= 0) return known[match]?.holder;
      const id = keyPattern.exec(key)?.[1];
      const record = id === undefined ? undefined : await recordOf(`key_${id}`);
      if (!record || record.revokedAt !== undefined) return undefined;
      return timingSafeEqual(Buffer.from(record.digest, "hex"), digest) ? holderOfRecord(record) : undefined;
    },

    async holder(id) {
      if (id === anyone.key) return everyone();
      const match = known.find(({ holder }) => holder.key === id);
      if (match) return match.holder;
      const record = await recordOf(id);
      return record && record.revokedAt === undefined ? holderOfRecord(record) : undefined;
    },

    everyone,
  };
}

const digestOf = (key: string): Buffer => createHash("sha256").update(key).digest();

/** Some of a digest, which says nothing of the key. */
const sealOf = (digest: string): string => digest.slice(0, 16);

const holderOfGiven = (name: string, key: string): Holder => ({
  name,
  key: `given_${name}`,
  project: name === adminName ? defaultProject : name,
  isAdmin: name === adminName,
  seal: sealOf(digestOf(key).toString("hex")),
});

const holderOfRecord = ({ id, name, project, isAdmin, perMinute, digest }: ApiKeyRecord): Holder => ({
  name,
  key: id,
  project,
  isAdmin,
  seal: sealOf(digest),
  ...(perMinute === undefined ? {} : { perMinute }),
});
