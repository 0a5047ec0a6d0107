import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { catalogueSchema } from "@reelq/contract";
import { readConfigFile, readDeployment, SettingsError } from "@reelq/service";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";

const read = (text: string, env: Record<string, string> = {}) =>
  readConfigFile("reelq.yaml", text, env, catalogueSchema);

function refusalOf(work: () => unknown): SettingsError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
}

const mistakesIn = (text: string, env: Record<string, string> = {}): readonly string[] =>
  refusalOf(() => read(text, env))?.mistakes ?? [];

const whole = `# the models of one gateway
sora-2:
  seconds: [10, 15]
  defaultSeconds: \${LENGTH}
  sizes:
    - 720x1280
    - \${SIZE}
  price:
    perSecondUsd: \${PRICE}
`;

test("variables stand in for values, and become numbers where numbers are asked for", () => {
  const { config, lineOf } = read(whole, { LENGTH: "10", SIZE: "1280x720", PRICE: "0.10" });
  expect(config).toEqual({
    "sora-2": {
      seconds: [10, 15],
      defaultSeconds: 10,
      sizes: ["720x1280", "1280x720"],
      price: { perSecondUsd: 0.1 },
    },
  });
  expect(lineOf(["sora-2", "price"])).toBe(8);
  expect(lineOf(["sora-2", "sizes", 1])).toBe(7);
  expect(lineOf(["sora-2", "defaultSize"])).toBe(2);
});

test("a variable of digits stays text where text is asked for", () => {
  const [mistake] = mistakesIn(whole, { LENGTH: "10", SIZE: "720", PRICE: "0.1" });
  expect(mistake).toMatch(/^reelq\.yaml, line 7: sora-2\.sizes\[1\]: must be WIDTHxHEIGHT/);
});

test.each(["", "# nothing yet\n", "~", "null", "---", "...\n", "--- ~\n...\n", "\uFEFF"])(
  "a file that holds nothing (%j) is an empty object",
  (text) => {
    expect(read(text).config).toEqual({});
  },
);

test("a doubled dollar keeps the placeholder as it is written", () => {
  const text = "sora-2: { seconds: [1], sizes: [720x1280], defaultSize: '$${SIZE}' }";
  expect(mistakesIn(text)[0]).toContain("defaultSize");
  expect(mistakesIn(text)[0]).not.toContain("not set");
});

test("every unset variable is told with its line, and nothing else about that line", () => {
  expect(mistakesIn(whole, { LENGHT: "10", SIZE: "1280x720" })).toEqual([
    "reelq.yaml, line 4: the variable LENGTH is not set; did you mean LENGHT?",
    "reelq.yaml, line 9: the variable PRICE is not set.",
  ]);
});

test("what a variable holds is never told", () => {
  const said = mistakesIn(whole, { LENGTH: "hunter2", SIZE: "hunter2", PRICE: "hunter2" });
  expect(said).toHaveLength(3);
  expect(said.join()).not.toContain("hunter2");
  const model = "sora-2: { seconds: [1], sizes: [ '${A}' ], defaultSeconds: '${B}', defaultSize: '${A}' }";
  const others = mistakesIn(model, { A: "hunter2", B: "123456" });
  expect(others).toEqual(expect.arrayContaining([expect.stringContaining("defaultSeconds: is not one of")]));
  expect(others.join()).not.toMatch(/hunter2|123456/);
});

test("a rule's own words show a variable by its name, not by what it holds", () => {
  const schema = z.strictObject({
    name: z
      .string()
      .superRefine((name, context) => context.addIssue({ code: "custom", message: `"${name}" is taken` })),
  });
  expect(refusalOf(() => readConfigFile("x", "name: a ${NAME}", { NAME: "hunter2" }, schema))?.mistakes).toEqual([
    'x, line 1: name: "a ${NAME}" is taken.',
  ]);
});

test.each([
  ["is set and empty", "${EMPTY}", "the variable EMPTY is empty."],
  ["is blank", "${BLANK}", "the variable BLANK is empty."],
  ["is near only to one that is empty", "${EMTPY}", "the variable EMTPY is not set."],
  ["is near only to a name of two letters", "${ABC}", "the variable ABC is not set."],
  ["is near to one that is set", "${LENGHT}", "the variable LENGHT is not set; did you mean LENGTH?"],
  [
    "is not closed",
    "a${LENGTH",
    "a placeholder has no } at its end; write ${NAME} for a variable, or write $${ where the text itself has ${.",
  ],
  [
    "has no name",
    "a${hunter 2}",
    "what stands in ${...} is no variable's name; write $${ where the text itself has ${.",
  ],
])("a placeholder whose variable %s is a mistake", (_, value, words) => {
  const env = { EMPTY: "", BLANK: " \n", AB: "x", LENGTH: "10" };
  expect(mistakesIn(`sora-2: '${value}'`, env)).toEqual([`reelq.yaml, line 1: ${words}`]);
});

test("all that the schema finds is told with its line, unknown names with the nearest known one", () => {
  const text = `sora-2:
  seconds: [10, fifteen]
  sizs: [720x1280]
  price:
    perSecondUSD: 1
veo-3.1:
  seconds: [8]
  sizes: [8K]
  speed: 3
`;
  expect(mistakesIn(text)).toEqual([
    "reelq.yaml, line 1: sora-2.sizes: is missing; it must be a list.",
    "reelq.yaml, line 2: sora-2.seconds[1]: must be a number, not a text.",
    "reelq.yaml, line 3: sora-2.sizs is not known; did you mean sizes?",
    "reelq.yaml, line 4: sora-2.price.perSecondUsd: is missing; it must be a number.",
    "reelq.yaml, line 5: sora-2.price.perSecondUSD is not known; did you mean perSecondUsd?",
    expect.stringMatching(/^reelq\.yaml, line 8: veo-3\.1\.sizes\[0\]: must be WIDTHxHEIGHT/),
    expect.stringMatching(/^reelq\.yaml, line 9: veo-3\.1\.speed is not known; known here: seconds, .*price\.$/),
  ]);
});

test("a key written twice is told with both lines, beside every other mistake", () => {
  const model = "{ seconds: [10], sizes: [720x1280] }";
  expect(mistakesIn(`sora-2: ${model}\nveo: { sizs: 1 }\nsora-2: ${model}\n`)).toEqual([
    expect.stringMatching(/^reelq\.yaml, line 2: veo\.seconds: /),
    expect.stringMatching(/^reelq\.yaml, line 2: veo\.sizes: /),
    expect.stringMatching(/^reelq\.yaml, line 2: veo\.sizs is not known; did you mean sizes/),
    "reelq.yaml, line 3: sora-2 is written twice, first on line 1; keep one of them.",
  ]);
});

test.each([
  ["a bracket left open", "sora-2:\n  sizes: [1,\n", /^reelq\.yaml, line \d+:\d+: /],
  [
    "a second document",
    "sora-2: {}\n---\nsora-2: {}\n",
    /^reelq\.yaml, line 2:1: holds more than one document; keep one\.$/,
  ],
])("%s is told with line and column", (_, text, said) => {
  expect(mistakesIn(text)[0]).toMatch(said);
});

test.each([
  ["a text for a list", "seconds: x", "seconds: must be a list, not a text."],
  ["a list for a map", "price: [1]", "price: must be a map with perSecondUsd or perClipUsd."],
  ["a text for a number", "defaultSeconds: x", "defaultSeconds: must be a number, not a text."],
  ["a number for a text", "sizes: [720]", "sizes[0]: must be a text, not a number; put it in quotes."],
  ["true for a text", "defaultSize: true", "defaultSize: must be a text, not true; put it in quotes."],
  ["nothing", "seconds:", "seconds: has no value; it must be a list."],
  ["no number", "defaultSeconds: .nan", "defaultSeconds: must be a number, and a finite one."],
  ["an empty list", "sizes: []", "sizes: is empty."],
  ["too little", "seconds: [0]", "seconds[0]: must be above 0."],
  ["too much", "seconds: [3601]", "seconds[0]: must be at most 3600."],
  ["less than the least", "price: { perClipUsd: -1 }", "price.perClipUsd: must be at least 0."],
  [
    "both prices",
    "price: { perSecondUsd: 1, perClipUsd: 2 }",
    "price: has both perSecondUsd and perClipUsd; keep one.",
  ],
])("%s is told in plain words", (_, line, words) => {
  const field = /^\w+/.exec(line)?.[0] ?? "";
  const others = ["seconds: [1]", "sizes: [720x1280]"].filter((one) => !one.startsWith(field));
  const text = `m:\n${[...others, line].map((one) => `  ${one}\n`).join("")}`;
  const told = mistakesIn(text).filter((one) => !one.includes("is not one of the model's"));
  expect(told).toEqual([`reelq.yaml, line ${others.length + 2}: m.${words}`]);
});

test("words that a schema has not itself are plain ones", () => {
  const schema = z.strictObject({
    word: z.enum(["auto", "json"]),
    only: z.literal("one"),
    either: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
    short: z.string().min(3).max(4),
    few: z.array(z.string()).max(1),
    whole: z.int(),
    below: z.number().lt(5),
    names: z.record(z.string().regex(/^a/, "a name begins with a"), z.boolean()),
  });
  const text =
    "word: x\nonly: two\neither: 5\nshort: ab\nfew: [a, b]\nwhole: 1.5\nbelow: 5\nnames: { b: true, a: 1 }\n";
  expect(refusalOf(() => readConfigFile("x", text, {}, schema))?.mistakes).toEqual([
    "x, line 1: word: must be one of auto, json.",
    "x, line 2: only: must be one.",
    "x, line 3: either: must be a list or a map, not a number.",
    "x, line 4: short: must have at least 3 characters.",
    "x, line 5: few: must have at most 1 entry.",
    "x, line 6: whole: must be a whole number.",
    "x, line 7: below: must be below 5.",
    "x, line 8: names.b: a name begins with a.",
    "x, line 8: names.a: must be true or false, not a number.",
  ]);
});

const model = "{ seconds: [1], sizes: [720x1280] }";

describe("aliases", () => {
  test("are followed, and << merges maps: their own keys first, then earlier sources", () => {
    const text = `
a: &a { seconds: [1], sizes: &sizes [720x1280] }
b: &b { <<: *a, seconds: [2] }
c: { <<: [*b, *a], defaultSeconds: 2, sizes: *sizes }
`;
    const { config, lineOf } = read(text);
    expect(config).toEqual({
      a: { seconds: [1], sizes: ["720x1280"] },
      b: { seconds: [2], sizes: ["720x1280"] },
      c: { seconds: [2], sizes: ["720x1280"], defaultSeconds: 2 },
    });
    expect([lineOf(["c", "seconds", 0]), lineOf(["c", "sizes", 0]), lineOf(["c", "sizes"])]).toEqual([3, 2, 4]);
  });

  test("have no limit but what they unfold to", () => {
    const text = `a0: &a ${model}\n${Array.from({ length: 300 }, (_, index) => `a${index + 1}: *a\n`).join("")}`;
    expect(Object.keys(read(text).config)).toHaveLength(301);
  });

  const doubled = Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]\n`);

  test.each([
    ["without an anchor", "a: *hunter2", "line 1: an alias has no anchor before it; put a text that starts with *"],
    ["before its anchor", `a: *b\nb: &b ${model}\n`, "line 1: an alias has no anchor before it"],
    ["inside its own anchor", "\na: &a { b: *a }", "line 2: an alias stands inside its own anchor"],
    ["that multiply", `a0: &a0 1\n${doubled.join("")}`, "its aliases unfold to more than a million values"],
    ["of a text under <<", `a: &a x\nb: { <<: *a }\n`, "line 2: b: << takes a map, or a list of maps."],
    ["in a list under <<", `a: &a x\nb: { <<: [*a] }\n`, "line 2: b: << takes a map, or a list of maps."],
  ])("%s are a mistake", (_, text, words) => {
    expect(mistakesIn(text)).toEqual([expect.stringMatching(/^reelq\.yaml[,:] /)]);
    expect(mistakesIn(text)[0]).toContain(words);
    expect(mistakesIn(text).join()).not.toContain("hunter2");
  });
});

test.each([
  ["of a list", `? [a]\n: ${model}\n`, "line 1: the file has a key that is no text; each needs a plain name."],
  ["of nothing", `b: { : 1 }\n`, "line 1: b has a key that is no text; each needs a plain name."],
  ["__proto__", `a: ${model}\n__proto__: ${model}\n`, "line 2: __proto__: nothing can have this name; choose another."],
])("a key %s does not vanish silently", (_, text, words) => {
  expect(mistakesIn(text)).toContain(`reelq.yaml, ${words}`);
});

test.each([
  ["a tag", "a: !hunter2 x", "tags are not known here; put a text that starts with ! in quotes."],
  ["what follows a block's sign", "a: |hunter2\n  x", "Block scalar header includes extra characters."],
  ["a tab", "a:\n\tb: 1", "Tabs are not allowed as indentation."],
])("%s is told without what the file holds", (_, text, words) => {
  const told = mistakesIn(text);
  expect(told.join("\n")).toContain(words);
  expect(told.join("\n")).not.toContain("hunter2");
});

test.each([
  ["more than the parser's stack", 100_000],
  ["more than any settings", 200],
])("a file that goes down %s is refused in a sentence", (_, depth) => {
  expect(mistakesIn(`a: ${"[".repeat(depth)}${"]".repeat(depth)}`)).toEqual([
    "reelq.yaml: nests more than 100 levels deep, which no settings do.",
  ]);
});

test("of very many mistakes the first fifty by line are told, and how many more there are", () => {
  const text = Array.from({ length: 20_000 }, (_, index) => `m${index}: { seconds: [1], sizs: 1 }\n`).join("");
  const refusal = refusalOf(() => read(text));
  expect(refusal?.mistakes).toHaveLength(50);
  expect(refusal?.mistakes.at(-1)).toBe("reelq.yaml, line 25: m24.sizs is not known; did you mean sizes?");
  expect(refusal?.untold).toBe(39_950);
  expect(refusal?.message).toMatch(/^There are 40000 mistakes in reelq\.yaml:\n {2}- [^]*\n {2}- and 39950 more\.$/);
});

describe("the file that REELQ_CONFIG names", () => {
  const readFrom = (path: string, env: Record<string, string> = {}) =>
    refusalOf(() => readDeployment({}, [], { REELQ_CONFIG: path, ...env }, catalogueSchema, () => undefined));

  async function aFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "reelq-config-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  async function aFile(content: string | Uint8Array): Promise<string> {
    const path = join(await aFolder(), "reelq.yaml");
    await writeFile(path, content);
    return path;
  }

  test("begins each of its mistakes, also beside those of the environment, and is counted with them", async () => {
    const path = await aFile(Array.from({ length: 60 }, (_, index) => `m${index}: 5\n`).join(""));
    const refusal = readFrom(path, { LOG_LEVEL: "loud" });
    expect(refusal?.mistakes).toHaveLength(51);
    expect(refusal?.mistakes[0]).toMatch(/^LOG_LEVEL is "loud"/);
    expect(refusal?.mistakes[1]).toBe(`${path}, line 1: m0: must be a map, not a number.`);
    expect(refusal?.message).toMatch(/^There are 61 mistakes in the settings:[^]*\n {2}- and 10 more\.$/);
  });

  test.each([
    [
      "UTF-16 with its mark",
      Buffer.from("\uFEFFm: 5\n", "utf16le"),
      ": is UTF-16, or no text at all; save it as UTF-8.",
    ],
    ["UTF-16 without it", Buffer.from("m: 5\n", "utf16le"), ": is UTF-16, or no text at all; save it as UTF-8."],
    [
      "Latin-1",
      Buffer.from("# m\n# f\xfcr\nm: 5\n", "latin1"),
      ", line 2: holds bytes that are not UTF-8 (Latin-1, most likely); save the file as UTF-8.",
    ],
    [
      "over a megabyte",
      Buffer.alloc(1_000_001, "#"),
      ": is over 1 MB, which no settings need; see that REELQ_CONFIG names the right file.",
    ],
  ])("is refused where it is %s", async (_, bytes, words) => {
    const path = await aFile(bytes);
    expect(readFrom(path)?.mistakes).toEqual([`${path}${words}`]);
  });

  test("may be UTF-8 with its mark and other letters", async () => {
    expect(readFrom(await aFile(`\uFEFF# für 日本\nm: ${model}\n`))).toBeUndefined();
  });

  test("must be a file that is there: a folder or a pipe is never read", async () => {
    const folder = await aFolder();
    const pipe = join(folder, "pipe");
    await promisify(execFile)("mkfifo", [pipe]);
    const told = [folder, pipe, join(folder, "none")].flatMap((path) => readFrom(path)?.mistakes);
    expect(told).toEqual([
      `REELQ_CONFIG is "${folder}": it is a folder, not a file; name a YAML file.`,
      `REELQ_CONFIG is "${pipe}": it is a pipe, not a file; name a YAML file.`,
      `REELQ_CONFIG is "${join(folder, "none")}": there is no such file.`,
    ]);
  });
});
