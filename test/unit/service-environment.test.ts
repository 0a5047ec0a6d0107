import {
  refuseHalfCredential,
  refusePublicWithoutKeys,
  readEnvironment,
  settings,
  SettingsError,
} from "@reelq/service";
import { describe, expect, test } from "vitest";

/** The mistakes that reading all settings from this environment ends with. */
function mistakesIn(env: Record<string, string>): readonly string[] {
  try {
    readEnvironment(settings, env);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
}

describe("the settings", () => {
  test("have a value each where nothing is set", () => {
    expect(readEnvironment(settings, {})).toEqual({
      redisUrl: "redis://127.0.0.1:6379",
      storageUrl: "file:./videos",
      apiKeys: [],
      port: 8787,
      host: "127.0.0.1",
      rateLimit: 6_000,
      corsOrigins: [],
      allowAddresses: [],
      inDoubt: "hold",
      concurrency: 16,
      logLevel: "info",
      reelqUrl: "http://127.0.0.1:8787",
    });
  });

  test.each([
    ["REDIS_URL", "rediss://user:pass@redis.example:6380/2", "redisUrl", "rediss://user:pass@redis.example:6380/2"],
    ["UPSTREAM_URL", "https://gateway.example/api/v1/", "upstreamUrl", "https://gateway.example/api/v1"],
    ["STORAGE_URL", "s3://bucket/a/prefix", "storageUrl", "s3://bucket/a/prefix"],
    ["STORAGE_URL", "file:/srv/videos", "storageUrl", "file:/srv/videos"],
    ["PORT", "0", "port", 0],
    ["HOST", "::1", "host", "::1"],
    ["LOG_LEVEL", "DEBUG", "logLevel", "debug"],
    ["REELQ_IN_DOUBT", "resubmit", "inDoubt", "resubmit"],
    ["REELQ_CONCURRENCY", "64", "concurrency", 64],
    ["REELQ_URL", "http://api.example/", "reelqUrl", "http://api.example"],
    ["PORT", "  ", "port", 8787],
    ["PORT", "9000\n", "port", 9000],
    ["REELQ_API_KEYS", "", "apiKeys", []],
    [
      "REELQ_API_KEYS",
      "web:abcdefgh, night:12:45:6789,",
      "apiKeys",
      [
        { name: "web", key: "abcdefgh" },
        { name: "night", key: "12:45:6789" },
      ],
    ],
  ] as const)("%s=%j is read as %s=%j", (variable, text, name, value) => {
    expect(readEnvironment(settings, { [variable]: text })[name]).toEqual(value);
  });

  test.each([
    ["REDIS_URL", "http://127.0.0.1"],
    ["REDIS_URL", "redis://127.0.0.1/reelq"],
    ["UPSTREAM_URL", "https://gateway.example"],
    ["UPSTREAM_URL", "https://gateway.example/v1/videos"],
    ["UPSTREAM_URL", "https://user:pass@gateway.example/v1"],
    ["UPSTREAM_URL", "ftp://gateway.example/v1"],
    ["STORAGE_URL", "file:"],
    ["STORAGE_URL", "file://host/share"],
    ["STORAGE_URL", "./videos"],
    ["STORAGE_URL", "s3://Bucket"],
    ["PORT", "80a"],
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "8.5"],
    ["HOST", "http://0.0.0.0"],
    ["HOST", "127.0.0.1:8787"],
    ["LOG_LEVEL", "loud"],
    ["REELQ_IN_DOUBT", "pay"],
    ["REELQ_CONCURRENCY", "0"],
    ["REELQ_URL", "127.0.0.1:8787"],
    ["AWS_REGION", "us east"],
  ])("%s=%j is refused, with what is allowed", (variable, text) => {
    const [mistake, ...others] = mistakesIn({ [variable]: text });
    expect(others).toEqual([]);
    expect(mistake).toMatch(new RegExp(`^${variable} is ".*"; it must be .+\\.$`));
  });

  test("are refused with all their mistakes in one error", () => {
    const env = { PORT: "x", LOG_LEVEL: "y", REELQ_CONCURENCY: "3", REELQ_API_KEYS: "a:short,a" };
    expect(mistakesIn(env)).toEqual([
      expect.stringMatching(/^REELQ_API_KEYS .*the key of a has only 5 characters; entry 2 is not name:key;/),
      expect.stringMatching(/^PORT is "x"/),
      expect.stringMatching(/^LOG_LEVEL is "y"/),
      "REELQ_CONCURENCY is not a setting; did you mean REELQ_CONCURRENCY?",
    ]);
  });

  test("never show a secret, in whatever way it is wrong", () => {
    const secret = "hunter2hunter2";
    const said = mistakesIn({
      UPSTREAM_API_KEY: `${secret} ${secret}`,
      REELQ_API_KEYS: `web:${secret},cron:${secret},${secret}`,
      REDIS_URL: `redis:/user:${secret}@host`,
      UPSTREAM_URL: `https://user:${secret}@gateway.example/v1`,
    });
    expect(said).toHaveLength(4);
    expect(said.join()).not.toContain(secret);
  });

  test.each([
    ["UPSTREAM_URL", "http://x/v1?key=hunter2", "http://x/v1?***"],
    ["UPSTREAM_URL", "http://x/v1#hunter2", "http://x/v1#***"],
    ["UPSTREAM_URL", "http://me:hunter2@x/v1?key=hunter2", "***@x/v1?***"],
    ["UPSTREAM_URL", "http://x/v1?key=a@hunter2", "***"],
    ["REDIS_URL", "redis:/me:hunter2?hunter2@x", "***"],
    ["STORAGE_URL", "s3://bucket/a?key=hunter2", "s3://bucket/a?***"],
  ])("show of %s=%s only %s", (variable, text, shown) => {
    const [mistake = ""] = mistakesIn({ [variable]: text });
    expect(mistake).toContain(`${variable} is "${shown}"; it must be `);
    expect(mistake).not.toContain("hunter2");
  });

  test("make the process end with exit code 2", () => {
    expect(() => readEnvironment(settings, { PORT: "x" })).toThrow(
      expect.objectContaining({ code: "settings", exitCode: 2, message: expect.stringContaining("PORT") }),
    );
  });
});

describe("an unknown name", () => {
  test.each([
    ["UPSTREAM_ULR", "UPSTREAM_ULR is not a setting; did you mean UPSTREAM_URL?"],
    ["REDIS_URI", "REDIS_URI is not a setting; did you mean REDIS_URL?"],
    ["REELQ_IN_DOUBTS", "REELQ_IN_DOUBTS is not a setting; did you mean REELQ_IN_DOUBT?"],
    ["REELQ_SPEED", "REELQ_SPEED is not a setting of reelq."],
  ])("%s is reported", (name, mistake) => {
    expect(mistakesIn({ [name]: "x" })).toEqual([mistake]);
  });

  test.each(["PATH", "HOSTNAME", "GHOST", "REPORT", "AWS_ENDPOINT_URL_SQS", "REDIS_TLS_URL", "REELQ_SPEED"])(
    "%s is left alone where it is another's, or empty",
    (name) => {
      expect(mistakesIn({ [name]: name.startsWith("REELQ_") ? "" : "x" })).toEqual([]);
    },
  );

  test("near to a setting that is set is another's", () => {
    expect(mistakesIn({ REDIS_URL: "redis://127.0.0.1:1", REDIS_URI: "redis://127.0.0.1:2" })).toEqual([]);
  });

  test("is not what another process of reelq reads", () => {
    expect(readEnvironment({ port: settings.port }, { REELQ_IN_DOUBT: "hold", PORT: "1" })).toEqual({ port: 1 });
  });
});

describe("the relations between settings", () => {
  const rules = {
    relations: [
      {
        between: ["host", "apiKeys"],
        judge: ({ host, apiKeys }: { host: string; apiKeys: readonly unknown[] }) =>
          refusePublicWithoutKeys(host, apiKeys.length > 0),
      },
    ],
  } as const;
  const shape = { host: settings.host, apiKeys: settings.apiKeys, port: settings.port };

  test("are reported with the rest", () => {
    expect(() => readEnvironment(shape, { HOST: "0.0.0.0", PORT: "x" }, rules)).toThrow(
      expect.objectContaining({
        mistakes: [expect.stringContaining("PORT"), expect.stringContaining("REELQ_API_KEYS")],
      }),
    );
  });

  test("are not judged between settings that are wrong themselves", () => {
    expect(() => readEnvironment(shape, { HOST: "0.0.0.0", REELQ_API_KEYS: "a" }, rules)).toThrow(
      expect.objectContaining({ mistakes: [expect.stringMatching(/^REELQ_API_KEYS/)] }),
    );
  });

  test.each(["127.0.0.1", "127.8.8.8", "localhost", "::1"])("let %s listen without keys", (host) => {
    expect(refusePublicWithoutKeys(host, false)).toBeUndefined();
  });

  test.each(["0.0.0.0", "::", "10.0.0.1", "reelq.example", "127.0.0.1.example"])("refuse %s without keys", (host) => {
    expect(refusePublicWithoutKeys(host, false)).toContain(host);
    expect(refusePublicWithoutKeys(host, true)).toBeUndefined();
  });

  test("want both halves of a credential", () => {
    expect(refuseHalfCredential("id", undefined)).toMatch(/^AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not/);
    expect(refuseHalfCredential("id", "secret")).toBeUndefined();
    expect(refuseHalfCredential(undefined, undefined)).toBeUndefined();
  });
});
