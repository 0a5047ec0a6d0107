import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { fleetSchema, openFleet, refuseUpstreams, withSingleUpstream } from "@reelq/engine";
import { readConfigFile, SettingsError } from "@reelq/service";
import { describe, expect, onTestFinished, test } from "vitest";

const read = (yaml: string, env: Record<string, string> = {}) =>
  readConfigFile("reelq.yaml", yaml, env, fleetSchema).config;

function mistakesIn(yaml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    read(yaml, env);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
}

const wholeNumber = "must be a whole number from 1; leave it out where there is no limit.";

/** A line of a file, and what is wrong with it. */
const wrong: readonly (readonly [line: string, ...mistakes: readonly string[]])[] = [
  ["upstreams:"],
  ["  north:"],
  ["    url: north.example/v1", "upstreams.north.url: must be an http or https URL up to and with /v1."],
  ["    key: ${NORTH_KY}", "the variable NORTH_KY is not set; did you mean NORTH_KEY?"],
  [
    "    retention: 60",
    "upstreams.north.retention is not known; known here: url, key, models, weight, format, retentionSeconds, capabilities, limits, budget, bills, timeouts.",
  ],
  ["    limit: 5", "upstreams.north.limit is not known; did you mean limits?"],
  ["    models:"],
  ["      sora2: sora-2-hd", 'upstreams.north.models.sora2: "sora2" is no known model; did you mean "sora-2"?'],
  ["      veo-3.1: { nmae: veo }", "upstreams.north.models.veo-3.1.nmae is not known; did you mean name?"],
  ["      sora-2: { weight: 0 }", "upstreams.north.models.sora-2.weight: must be above 0."],
  [
    "      sora-2-pro: { limits: { inFlight: 0 } }",
    `upstreams.north.models.sora-2-pro.limits.inFlight: tasks at once ${wholeNumber}`,
  ],
  ["  south:"],
  ["    url: https://south.example/v1"],
  ["    key: ${SOUTH_KEY}"],
  ["    weight: 0", "upstreams.south.weight: must be above 0."],
  [
    "    models: [sora-2, dream-machine-1]",
    'upstreams.south.models[1]: "dream-machine-1" is no known model; known: sora-2, sora-2-pro, veo-3.1, fast-1, slow-1; add it under models.',
  ],
  ["    limits:"],
  ["      inFlight: 0", `upstreams.south.limits.inFlight: tasks at once ${wholeNumber}`],
  ["      requestsPerMinute: -1", `upstreams.south.limits.requestsPerMinute: POSTs in any minute ${wholeNumber}`],
  ["      looksPerSecond: 1.5", `upstreams.south.limits.looksPerSecond: status queries in any second ${wholeNumber}`],
  ["    capabilities:"],
  ["      list: maybe", "upstreams.south.capabilities.list: must be auto, true or false."],
  ["      lsit: true", "upstreams.south.capabilities.lsit is not known; did you mean list?"],
  [
    "  east:",
    "upstreams.east: has the url and the key of south: one account under two names would pass its limits; keep one of them.",
  ],
  ["    url: https://south.example/v1/"],
  ["    key: south-key-of-the-test"],
  ["    models: [fast-1]"],
  ["    limits: { inFlight: many }", `upstreams.east.limits.inFlight: tasks at once ${wholeNumber}`],
  ["    weight: 2000", "upstreams.east.weight: must be at most 1000."],
  ["  the west:", "upstreams.the west: a name is letters, digits, dots, dashes and underscores."],
  ["    url: https://west.example/v1"],
  ["    models: [fast-1]"],
  ["models:"],
  ["  fast-1: { seconds: [5], sizes: [720x1280] }"],
  ["  m/1: {}", "models.m/1: a model's name is letters, digits, dots, dashes and underscores."],
  [
    "  slow-1: { seconds: [5], sizes: [720x1280] }",
    "models.slow-1: no upstream serves it; name it under the models of one of: north, south, east.",
  ],
  ["equivalents:"],
  [
    "  fast-1: [sora-2, fast-1, fast1]",
    'equivalents.fast-1[0]: "sora-2" can never stand in for "fast-1": it allows none of its seconds (5).',
    'equivalents.fast-1[1]: "fast-1" cannot stand in for itself.',
    'equivalents.fast-1[2]: "fast1" is no known model; did you mean "fast-1"?',
  ],
  ["  sora-3: [sora-2]", 'equivalents.sora-3: "sora-3" is no known model; did you mean "sora-2"?'],
  ["  sora-2: sora-2-pro", "equivalents.sora-2: must be a list of models."],
  ["equivalnts: {}", "equivalnts is not known; did you mean equivalents?"],
];
const wrongFile = `${wrong.map(([line]) => line).join("\n")}\n`;
const wrongEnv = { NORTH_KEY: "north-key-of-the-test", SOUTH_KEY: "south-key-of-the-test" };
const toldOfWrong = wrong.flatMap(([, ...mistakes], index) =>
  mistakes.map((one) => `reelq.yaml, line ${index + 1}: ${one}`),
);

describe("the file of REELQ_CONFIG", () => {
  test("tells all its mistakes at once, each with its line and its place, and no key", () => {
    const told = mistakesIn(wrongFile, wrongEnv);
    expect(told.toSorted()).toEqual(toldOfWrong.toSorted());
    expect(told.join()).not.toContain("key-of-the-test");
  });

  test.each(wrong.flatMap(([, ...mistakes]) => mistakes).filter((one) => one.includes("whole number")))(
    "tells the mistakes that lie between its parts as well where %s",
    (mistake) => {
      // zod lets nothing more be judged after some of its own complaints.
      const value = { "sora-2-pro": "0", inFlight: '"many"', requestsPerMinute: "-1", looksPerSecond: "1.5" };
      const name = Object.keys(value).find((one) => mistake.includes(one)) as keyof typeof value;
      const limit = name === "sora-2-pro" ? "inFlight" : name;
      const yaml = `upstreams: { a: { url: "http://a/v1", models: [sora2], limits: { ${limit}: ${value[name]} } } }`;
      expect(mistakesIn(yaml)).toEqual([
        expect.stringContaining(wholeNumber),
        expect.stringContaining('did you mean "sora-2"?'),
      ]);
    },
  );

  test("has no upstream twice", () => {
    const upstream = "  north: { url: https://north.example/v1 }";
    expect(mistakesIn(`upstreams:\n${upstream}\n${upstream}\n`)).toEqual([
      "reelq.yaml, line 3: upstreams.north is written twice, first on line 2; keep one of them.",
    ]);
  });

  test("has no equivalent that could never stand in", () => {
    const models = "{ fast-1: { seconds: [5], sizes: [720x1280] }, small-1: { seconds: [10], sizes: [64x64] } }";
    const upstreams = "{ north: { url: https://one.example/v1, models: [sora-2, fast-1, small-1] } }";
    const file = `upstreams: ${upstreams}\nmodels: ${models}\nequivalents:\n  sora-2: [fast-1, small-1]\n`;
    expect(mistakesIn(file)).toEqual([
      'reelq.yaml, line 4: equivalents.sora-2[0]: "fast-1" can never stand in for "sora-2": it allows none of its seconds (10, 15).',
      'reelq.yaml, line 4: equivalents.sora-2[1]: "small-1" can never stand in for "sora-2": it allows none of its sizes (720x1280, 1280x720, 1024x1792, 1792x1024).',
    ]);
  });

  test("has no account under two names, also where none needs a key; another key is another account", () => {
    const file = (...keys: readonly string[]) =>
      `upstreams:\n${keys.map((key, index) => `  u${index}: { url: https://one.example/v1${key} }`).join("\n")}\n`;
    expect(mistakesIn(file("", "/"))).toEqual([
      expect.stringMatching(/^reelq\.yaml, line 3: upstreams\.u1: has the url and the key of u0/),
    ]);
    expect(mistakesIn(file(", key: a", ", key: b", ""))).toEqual([]);
  });

  test.each([
    ["models: sora-2", "must be a list of models, or a map of them"],
    ["models: []", "is empty; leave it out where all are served"],
    ["models: { sora-2: 5 }", "must be the upstream's name for it, or a map with name, weight, limits or price"],
    ["models: { sora-2: [x] }", "must be the upstream's name for it, or a map with name, weight, limits or price"],
    ["key: 12345678", "must be a text; put digits in quotes"],
    ["weight: much", "must be a number above 0"],
    ["weight: -1", "must be above 0"],
    ["models: {}", "is empty; leave it out where all are served"],
    ["models: ~", "must be a list of models, or a map of them"],
    ["models: [5]", "must be a text, not a number; put it in quotes"],
    ["format: xml", "must be one of auto, multipart, json"],
    ["retentionSeconds: 0", "must be above 0"],
    ["timeouts: { lookSeconds: 0.0001 }", "must be at least 0.001"],
    ["timeouts: { lookSeconds: 86401 }", "must be at most 86400"],
    ["capabilities: { range: 1 }", "must be auto, true or false"],
  ])("tells of %s: %s", (line, words) => {
    const told = mistakesIn(`upstreams:\n  north:\n    url: https://north.example/v1\n    ${line}\n`);
    expect(told).toEqual([expect.stringMatching(/^reelq\.yaml, line 4: upstreams\.north\./)]);
    expect(told[0]).toContain(words);
  });

  test.each([
    ["http://a.example/my path/v1", "holds spaces or line breaks; write it without"],
    ["http://a.example/v1\\n/x", "holds spaces or line breaks; write it without"],
    ["http://a.example:0/v1", "has port 0, where nothing can listen"],
    ["http://a.example/v1/videos", "must end in /v1, not with the call /videos"],
    ["http://a.example/v1/videos/", "must end in /v1, not with the call /videos"],
    ["http://me:hunter2@a.example/v1", "must end with its path and hold no credentials"],
    ["http://a.example/v1?key=hunter2", "must end with its path and hold no credentials"],
    ["http://a.example:99999/v1", "must be an http or https URL up to and with /v1"],
    ["ftp://a.example/v1", "must be an http or https URL up to and with /v1"],
    ["http:///v1", "must be an http or https URL up to and with /v1"],
  ])("tells of the url %s: %s", (url, words) => {
    const told = mistakesIn(`upstreams:\n  north:\n    url: "${url}"\n`);
    expect(told).toEqual([expect.stringMatching(/^reelq\.yaml, line 3: upstreams\.north\.url: /)]);
    expect(told[0]).toContain(words);
    expect(told[0]).not.toContain("hunter2");
  });

  test.each(["https://a.example/gateway/openai", "https://a.example:8443/v1", " https://a.example/v1\\n"])(
    "takes the url %j",
    (url) => {
      expect(read(`upstreams: { a: { url: "${url}" } }`).upstreams["a"]?.url).toBe(url.replace("\\n", "").trim());
    },
  );

  test.each([
    ["HTTP://ONE.example/v1", "http://one.example:80/./v1//"],
    ["https://one.example:443/v1", "https://One.Example/a/../v1"],
  ])("knows %s and %s for one account", (one, other) => {
    const file = `upstreams:\n  a: { url: "${one}" }\n  b: { url: "${other}" }\n`;
    expect(mistakesIn(file)).toEqual([
      expect.stringMatching(/^reelq\.yaml, line 3: upstreams\.b: has the url and the key of a/),
    ]);
  });

  test.each(["6", "[]", "{}", "[5]"])("does not say of models that nobody serves them beside models: %s", (models) => {
    const file = `upstreams: { a: { url: http://a.example/v1, models: ${models} } }\nmodels: { fast-1: { seconds: [5], sizes: [64x64] } }\n`;
    expect(mistakesIn(file)).toEqual([expect.stringContaining("upstreams.a.models")]);
  });

  test.each(["[1]", "5", "text"])("must be a map, not %s", (yaml) => {
    expect(mistakesIn(yaml)).toEqual([expect.stringMatching(/^reelq\.yaml, line 1: must be a map, not a /)]);
  });

  test.each([
    ["models", "models: { __proto__: { seconds: [5], sizes: [64x64] } }"],
    ["upstreams", "upstreams: { __proto__: { url: http://a.example/v1 } }"],
  ])("has nothing named __proto__ under %s, which would vanish silently", (place, yaml) => {
    expect(mistakesIn(yaml)).toEqual([
      `reelq.yaml, line 1: ${place}.__proto__: nothing can have this name; choose another.`,
    ]);
  });

  test("names only the first of very many, and has advice for as many as are told", () => {
    const many = (name: string) => Array.from({ length: 5_000 }, (_, index) => `${name}-${index}`);
    const served = many("other").map((model) => `      - ${model}\n`);
    const models = many("m").map((model) => `  ${model}: { seconds: [5], sizes: [64x64] }\n`);
    const file = `upstreams:\n  a:\n    url: http://a.example/v1\n    models:\n${served.join("")}models:\n${models.join("")}`;
    const told = mistakesIn(file);
    expect(told).toHaveLength(50);
    for (const one of told) expect(one).toMatch(/known: sora-2, .*, m-16 and 4983 more; add it under models\.$/);
  });

  test("takes limits from variables", () => {
    const yaml = "upstreams: { a: { url: http://a/v1, limits: { inFlight: '${PLACES}' } } }";
    expect(read(yaml, { PLACES: "3" }).upstreams["a"]?.limits).toEqual({ inFlight: 3 });
    expect(mistakesIn(yaml, { PLACES: "3.5" })).toEqual([expect.stringContaining(wholeNumber)]);
  });
});

describe("a fleet", () => {
  const config = read(
    `
upstreams:
  north:
    url: https://north.example/v1
    key: \${NORTH_KEY}
    models:
      sora-2: { name: sora-2-hd, weight: 5, limits: { inFlight: 2 } }
      fast-1: swift
    weight: 3
    limits: { requestsPerMinute: 25, looksPerSecond: 4 }
    retentionSeconds: 86400
    capabilities: { list: false, range: true }
  south:
    url: https://south.example/v1
    models: [sora-2]
    capabilities: { list: auto }
  east:
    url: https://east.example/v1
models:
  fast-1: { seconds: [5, 10], sizes: [720x1280] }
equivalents:
  fast-1: [sora-2, sora-2-pro]
`,
    { NORTH_KEY: "123456" },
  );
  const fleet = openFleet(config);
  const lane = (name: string) => {
    const [upstream = "", model = ""] = name.split("/");
    return { upstream, model };
  };
  const names = (lanes: typeof fleet.lanes) => lanes.map(({ upstream, model }) => `${upstream}/${model}`);

  test("has a lane for each model of each upstream, in the order of the file; without models it is all of them", () => {
    expect(names(fleet.lanes)).toEqual([
      "north/sora-2",
      "north/fast-1",
      "south/sora-2",
      ...["sora-2", "sora-2-pro", "veo-3.1", "fast-1"].map((model) => `east/${model}`),
    ]);
    expect(names(fleet.lanesOf("sora-2"))).toEqual(["north/sora-2", "south/sora-2", "east/sora-2"]);
    expect(fleet.lanesOf("nobody's")).toEqual([]);
  });

  test("keeps a key of digits a text", () => {
    expect(fleet.upstreams["north"]?.key).toBe("123456");
  });

  test.each([
    ["north/sora-2", "sora-2-hd"],
    ["north/fast-1", "swift"],
    ["south/sora-2", "sora-2"],
    ["east/veo-3.1", "veo-3.1"],
  ])("calls the model of %s %s", (name, wireModel) => {
    expect(fleet.wireModel(lane(name))).toBe(wireModel);
  });

  test.each([
    ["north/sora-2", 5],
    ["north/fast-1", 3],
    ["south/sora-2", 1],
  ])("weighs %s %i: its own, else its upstream's, else 1", (name, weight) => {
    expect(fleet.weightOf(lane(name))).toBe(weight);
  });

  test("has limits of the lane and of the account, none where nothing is said", () => {
    const none = { inFlight: 0, perMinute: 0, looksPerSecond: 0 };
    const north = { inFlight: 0, perMinute: 25, looksPerSecond: 4 };
    expect(fleet.limitsOf(lane("north/sora-2"))).toEqual({ lane: { ...none, inFlight: 2 }, account: north });
    expect(fleet.limitsOf(lane("north/fast-1"))).toEqual({ lane: none, account: north });
    expect(fleet.limitsOf(lane("south/sora-2"))).toEqual({ lane: none, account: none });
  });

  test("lets others stand in only where they allow the length and the size", () => {
    const request = { model: "fast-1", seconds: 10, size: "720x1280" };
    expect(names(fleet.equivalentsOf(request))).toEqual([
      "north/sora-2",
      "south/sora-2",
      "east/sora-2",
      "east/sora-2-pro",
    ]);
    expect(fleet.equivalentsOf({ ...request, seconds: 5 })).toEqual([]);
    expect(fleet.equivalentsOf({ ...request, size: "64x64" })).toEqual([]);
    expect(fleet.equivalentsOf({ ...request, model: "sora-2" })).toEqual([]);
  });

  test("finds abilities out by itself where nothing is said", () => {
    expect(["list", "range", "remix"].map((what) => fleet.capability("north", what as "list"))).toEqual([
      false,
      true,
      "auto",
    ]);
    expect(fleet.capability("south", "list")).toBe("auto");
    expect(fleet.capability("east", "list")).toBe("auto");
  });

  test("takes an unknown retention for an hour", () => {
    expect([fleet.retentionMs("north"), fleet.retentionMs("south")]).toEqual([86_400_000, 3_600_000]);
  });

  test("offers only models that somebody serves", () => {
    const narrow = openFleet({ upstreams: { north: { url: "https://north.example/v1", models: ["veo-3.1"] } } });
    expect(Object.keys(narrow.catalogue)).toEqual(["veo-3.1"]);
  });

  test("is the one upstream of UPSTREAM_URL, or those of the file; both or neither is a mistake", () => {
    const empty = read("");
    const single = openFleet(withSingleUpstream(empty, "https://one.example/v1", "a-key"));
    expect(single.upstreams).toEqual({ main: { url: "https://one.example/v1", key: "a-key" } });
    expect(names(single.lanes)).toEqual(["main/sora-2", "main/sora-2-pro", "main/veo-3.1"]);
    expect(withSingleUpstream(config, undefined, undefined)).toBe(config);
    expect(refuseUpstreams(config, "https://one.example/v1")).toMatch(/^UPSTREAM_URL is set.*\(north, south, east\)/);
    expect(refuseUpstreams(empty, undefined)).toMatch(/^There is no upstream/);
    expect(refuseUpstreams(config, undefined) ?? refuseUpstreams(empty, "https://one.example/v1")).toBeUndefined();
  });
});

describe("a process whose file is wrong", () => {
  test.each(["doctor", "worker", "api"])(
    "%s ends with 2, tells every mistake, and touches nothing",
    async (command) => {
      let connections = 0;
      const listener = createServer((socket) => {
        connections += 1;
        socket.destroy();
      }).listen(0, "127.0.0.1");
      await once(listener, "listening");
      onTestFinished(() => void listener.close());
      const folder = await mkdtemp(join(tmpdir(), "reelq-fleet-"));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      await writeFile(join(folder, "reelq.yaml"), wrongFile);
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url)), command],
        {
          cwd: folder,
          stdio: ["ignore", "pipe", "pipe"],
          env: {
            ...wrongEnv,
            REELQ_CONFIG: "reelq.yaml",
            REDIS_URL: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
            REELQ_CONCURENCY: "4",
          },
        },
      );
      const [stdout, stderr, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      expect({ code: code as unknown, stdout, connections }).toEqual({ code: 2, stdout: "", connections: 0 });
      for (const mistake of toldOfWrong) expect(stderr).toContain(`  - ${mistake}\n`);
      expect(stderr).toContain("REELQ_CONCURENCY is not a setting; did you mean REELQ_CONCURRENCY?");
      expect(stderr).not.toContain("key-of-the-test");
      expect(stderr).not.toMatch(/^ +at /m);
    },
  );
});
