import { catalogueSchema } from "@reelq/contract";
import { readConfigFile, SettingsError } from "@reelq/service";
import { expect, test } from "vitest";

const read = (text: string, env: Record<string, string> = {}) =>
  readConfigFile("reelq.yaml", text, env, catalogueSchema);

function mistakesIn(text: string, env: Record<string, string> = {}): readonly string[] {
  try {
    read(text, env);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
}

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
  expect(mistake).toMatch(/^line 7: sora-2\.sizes\[1\]: must be WIDTHxHEIGHT/);
});

test("an empty file is an empty object", () => {
  expect(read("# nothing yet\n").config).toEqual({});
});

test("a doubled dollar keeps the placeholder as it is written", () => {
  const text = "sora-2: { seconds: [1], sizes: [720x1280], defaultSize: '$${SIZE}' }";
  expect(mistakesIn(text)[0]).toContain("defaultSize");
  expect(mistakesIn(text)[0]).not.toContain("not set");
});

test("every unset variable is told with its line, and nothing else about that line", () => {
  expect(mistakesIn(whole, { LENGHT: "10", SIZE: "1280x720" })).toEqual([
    "line 4: the variable LENGTH is not set; did you mean LENGHT?",
    "line 9: the variable PRICE is not set.",
  ]);
});

test("what a variable holds is never told", () => {
  const said = mistakesIn(whole, { LENGTH: "hunter2", SIZE: "hunter2", PRICE: "hunter2" });
  expect(said).toHaveLength(3);
  expect(said.join()).not.toContain("hunter2");
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
    expect.stringMatching(/^line 1: sora-2\.sizes: .*expected array/),
    expect.stringMatching(/^line 2: sora-2\.seconds\[1\]: .*expected number/),
    "line 3: sora-2.sizs is not known; did you mean sizes?",
    expect.stringMatching(/^line 4: sora-2\.price\.perSecondUsd: .*expected number/),
    "line 5: sora-2.price.perSecondUSD is not known; did you mean perSecondUsd?",
    expect.stringMatching(/^line 8: veo-3\.1\.sizes\[0\]: must be WIDTHxHEIGHT/),
    expect.stringMatching(/^line 9: veo-3\.1\.speed is not known; known here: seconds, .*price\.$/),
  ]);
});

test("a key written twice is told with both lines, beside every other mistake", () => {
  const model = "{ seconds: [10], sizes: [720x1280] }";
  expect(mistakesIn(`sora-2: ${model}\nveo: { sizs: 1 }\nsora-2: ${model}\n`)).toEqual([
    expect.stringMatching(/^line 2: veo\.seconds: /),
    expect.stringMatching(/^line 2: veo\.sizes: /),
    expect.stringMatching(/^line 2: veo\.sizs is not known; did you mean sizes/),
    "line 3: sora-2 is written twice, first on line 1; keep one of them.",
  ]);
});

test.each([
  ["a bracket left open", "sora-2:\n  sizes: [1,\n", /^line \d+:\d+: /],
  ["a second document", "sora-2: {}\n---\nsora-2: {}\n", /^line 2:1: .*document/],
])("%s is told with line and column", (_, text, said) => {
  expect(mistakesIn(text)[0]).toMatch(said);
});
