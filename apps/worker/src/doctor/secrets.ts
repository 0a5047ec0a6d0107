import type { readWorkerEnvironment } from "../env.ts";

export type WorkerEnvironment = ReturnType<typeof readWorkerEnvironment>;

/** That a secret is set, and the end by which its owner knows it, where that gives nothing away. */
export function maskSecret(secret: string | undefined): string | null {
  if (secret === undefined) return null;
  const plain = secret.trim();
  return plain.length > 12 ? `set, ends in ${plain.slice(-4)}` : "set";
}

const mask = "***";

/** Without the password, and without the values behind a question mark, which may be one too. */
export function maskRedisUrl(text: string): string {
  const url = new URL(text);
  if (url.password !== "") url.password = mask;
  // A name alone is most likely a password in the wrong place.
  else if (url.username !== "") url.username = mask;
  for (const name of new Set(url.searchParams.keys())) url.searchParams.set(name, mask);
  return url.href;
}

/** All that must never be told. */
export function secretsOf(env: WorkerEnvironment): readonly string[] {
  const redis = new URL(env.redisUrl);
  return [
    redis.password === "" ? redis.username : redis.password,
    ...redis.searchParams.values(),
    env.awsAccessKeyId,
    env.awsSecretAccessKey,
    env.awsSessionToken,
    ...Object.values(env.fleet.upstreams).map(({ key }) => key),
  ].flatMap((secret) => (secret === undefined ? [] : [secret.trim()]));
}

/** Takes secrets out of what others said. */
export function hushing(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.flatMap((secret) => [secret, decoded(secret), encodeURIComponent(secret)]);
  // One of a letter or two guards nothing, and leaving it out would garble every sentence. The longest first: one may be part of another.
  const hidden = [...new Set(forms)].filter(({ length }) => length >= 4).toSorted((a, b) => b.length - a.length);
  return (text) => hidden.reduce((words, secret) => words.replaceAll(secret, mask), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
