import { type ManifestEntry, type ManifestItem, type ManifestMistake, mostLines } from "@reelq/contract";
import { type ManifestOptions, manifestSchema, readManifest } from "@reelq/manifest";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const MiB = 1024 * 1024;

/** Comes in pieces of these sizes, again and again; in one piece where there are none. */
async function* bytesOf(file: string | Uint8Array, sizes: readonly number[] = []): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(file);
  if (sizes.length === 0) return yield bytes;
  let turn = 0;
  for (let at = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 0;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function collect(items: AsyncIterable<ManifestItem>): Promise<ManifestItem[]> {
  const all: ManifestItem[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const read = (
  file: string | Uint8Array,
  options: ManifestOptions = {},
  sizes?: readonly number[],
): Promise<ManifestItem[]> => collect(readManifest(bytesOf(file, sizes), options));

const entry = (line: number, fields: Record<string, unknown>): ManifestEntry => ({ kind: "entry", line, fields });
const mistake = (line: number, message: RegExp, field?: string): ManifestMistake => ({
  kind: "mistake",
  line,
  message: expect.stringMatching(message) as string,
  ...(field === undefined ? {} : { field }),
});
const clip = (id: string): string => JSON.stringify({ id });

describe("JSONL", () => {
  test("has an object on each line; blank lines, CRLF, a byte order mark and a missing last line's end are nothing", async () => {
    const file = '\uFEFF{"id":"a","prompt":"A fox","seconds":10}\r\n\r\n  \n{"id":"b","tags":["x"]}';
    const expected = [entry(1, { id: "a", prompt: "A fox", seconds: 10 }), entry(4, { id: "b", tags: ["x"] })];
    expect(await read(file)).toEqual(expected);
    expect(await read(file, { format: "jsonl" }, [1])).toEqual(expected);
  });

  test("may begin with a head, whose defaults a line's own fields beat", async () => {
    const file = '{"defaults": {"model": "sora-2", "seconds": 10}}\n{"id":"a"}\n{"id":"b","seconds":15}\n';
    expect(await read(file)).toEqual([
      entry(2, { model: "sora-2", seconds: 10, id: "a" }),
      entry(3, { model: "sora-2", seconds: 15, id: "b" }),
    ]);
  });

  test("takes lines of the OpenAI batch shape, and leaves what nobody knows to be refused by name", async () => {
    const line = (body: object, rest: object = {}): string =>
      JSON.stringify({ custom_id: "a", method: "POST", url: "/v1/videos", body, ...rest });
    const file = [
      line({ model: "sora-2", prompt: "A fox", input_reference: "fox.png" }),
      line({ input_reference: { image_url: "https://e.example/fox.png" } }),
      line({ input_reference: { file_id: "file_1" }, colour: "red" }, { takes: 2 }),
      JSON.stringify({ custom_id: "a", body: { prompt: "A fox" } }),
    ].join("\n");
    expect(await read(file)).toEqual([
      entry(1, { id: "a", model: "sora-2", prompt: "A fox", reference: "fox.png" }),
      entry(2, { id: "a", reference: "https://e.example/fox.png" }),
      entry(3, { id: "a", takes: 2, reference: "file_1", colour: "red" }),
      entry(4, { id: "a", prompt: "A fox" }),
    ]);
  });

  test.each([
    [
      '{"custom_id":"a","method":"GET","url":"/v1/chat","body":3}',
      [
        [/method must be POST.*"GET" was given/, "method"],
        [/url must be \/v1\/videos.*"\/v1\/chat" was given/, "url"],
        [/body must be an object.*3 was given/, "body"],
      ],
    ],
    ['{"custom_id":"a","body":{"takes":2},"takes":1}', [[/takes stands beside body and in it/, "takes"]]],
    ['{"id":"a","body":{"reference":{"url":"x"}}}', [[/reference must be text.*\{"url":"x"\} was given/, "reference"]]],
    ['{"id":"a","custom_id":"b"}', [[/id and custom_id mean the same/, "id"]]],
    ['{"image":"a","ref":"b"}', [[/image and ref mean the same/, "reference"]]],
    ['{"id":"a","prompt":"x","prompt":"y"}', [[/"prompt" is written twice/, "prompt"]]],
    ['{"body":{"seconds":1,"s\\u0065conds":2}}', [[/"seconds" is written twice/, "seconds"]]],
    ['{"id":"a"', [[/"\{\\?"id.*cannot be read as JSON \(.+\)\. Each line must be one JSON object/]]],
    ['{"id":"a"},', [[/A comma follows this object/]]],
    ['{"id": nothing}', [[/cannot be read as JSON \(Unexpected token 'o'\)/]]],
    ['{"id":"a"} {"id":"b"}', [[/cannot be read as JSON \(.+ at column 12\)/]]],
    ["'a'", [[/cannot be read as JSON/]]],
    ['"a"', [[/A clip is an object.*"a" was given/]]],
    ["null", [[/null was given/]]],
    ["[1]", [[/\[1\] was given/]]],
    ['{"defaults":{"model":"sora-2"}}', [[/must be the first line/, "defaults"]]],
    ['{"clips":[]}', [[/A line holds one clip/, "clips"]]],
    ['{"__proto__":{"id":"z"}}', [[/can be called __proto__/, "__proto__"]]],
    [`{"id":${"[".repeat(40)}${"]".repeat(40)}}`, [[/nests more than 32 levels/]]],
    ['{"id":"a\0"}', [[/holds a NUL byte, at "\{"id":"a\\u0000"\}"/]]],
  ] as const)("line %j is a mistake, after which reading goes on", async (line, mistakes) => {
    const found = await read(`{"id":"first"}\n${line}\n{"id":"last"}\n`);
    expect(found).toEqual([
      entry(1, { id: "first" }),
      ...mistakes.map(([message, field]) => mistake(2, message, field)),
      entry(3, { id: "last" }),
    ]);
    expect(Object.prototype).not.toHaveProperty("id");
  });

  test("names that objects have anyway are fields like others", async () => {
    expect(await read('{"constructor":"a","toString":"b","hasOwnProperty":1}')).toEqual([
      entry(1, { constructor: "a", toString: "b", hasOwnProperty: 1 }),
    ]);
  });

  test("a field that is null is not said", async () => {
    expect(await read('{"defaults":{"size":null,"model":"m"}}\n{"id":"a","model":null}')).toEqual([
      entry(2, { model: "m", id: "a" }),
    ]);
  });
});

describe("a JSON document", () => {
  test.each([
    ["a list", '[{"id":"a"},\n{"id":"b"}\n,{"id":"c"}]\n', [1, 2, 3]],
    ["a list in one line", '[{"id":"a"},{"id":"b"},{"id":"c"}]', [1, 1, 1]],
    ["a list over many lines", '\n[\n  {\n    "id": "a"\n  }, {\n    "id": "b" },\n  {"id": "c"}\n]\n\n', [3, 5, 7]],
    ["an object", '{"$schema":"https://e.example","clips":[{"id":"a"},\n{"id":"b"},{"id":"c"}]}', [1, 2, 2]],
    ["an object over many lines", '{\n"clips": [\n{"id":"a"},\n\n{"id":"b"},\n{"id":"c"}\n]\n}\n', [3, 5, 6]],
  ])("that is %s is read, wherever it is cut", async (_what, file, lines) => {
    const expected = ["a", "b", "c"].map((id, index) => entry(lines[index] ?? 0, { id }));
    for (const size of [1, 3, 1_000]) expect(await read(file, { format: "jsonl" }, [size])).toEqual(expected);
  });

  test("has defaults above its clips", async () => {
    const good = '{\n"defaults": {"model": "sora-2"},\n"clips": [{"id": "}],\\"{"}]\n}';
    expect(await read(good)).toEqual([entry(3, { model: "sora-2", id: '}],"{' })]);
    expect(await read('{"clips":[{"id":"a"}],\n"defaults":{"model":"m"}}')).toEqual([
      entry(1, { id: "a" }),
      mistake(2, /defaults must stand above clips/, "defaults"),
    ]);
  });

  test.each([
    ["[1]", [mistake(1, /1 was given/)]],
    ['[{"id":"a"}\n{"id":"b"}]', [entry(1, { id: "a" }), mistake(2, /comma is missing/), entry(2, { id: "b" })]],
    ['[{"id":"a"},\n,{"id":"b"}]', [entry(1, { id: "a" }), mistake(2, /leave it out/), entry(2, { id: "b" })]],
    [
      '[{"id":"a"},\n{"id":\n oops},\n{"id":"b"}]',
      [entry(1, { id: "a" }), mistake(2, /cannot be read as JSON/), entry(4, { id: "b" })],
    ],
    ['[{"id":"a"},\n{"id":"b\n}, {"id":"c"}]', [entry(1, { id: "a" }), mistake(2, /JSON/), entry(3, { id: "c" })]],
    ['[{"id":"a"},\n{"id":"b"', [entry(1, { id: "a" }), mistake(2, /never closed/)]],
    ['[{"id":"a"},\n', [entry(1, { id: "a" }), mistake(2, /ends too early/)]],
    ['[{"id":"a"}]\n[]', [entry(1, { id: "a" }), mistake(2, /something follows its end/)]],
    ['[{"id":"a"}}', [entry(1, { id: "a" }), mistake(1, /"\}" stands where , or \] should/)]],
    ['{"clips":{"id":"a"}}', [mistake(1, /clips must be a list.*\{"id":"a"\} was given/, "clips")]],
    ['{"clips":[{"id":"a"}],"clips":[]}', [entry(1, { id: "a" }), mistake(1, /"clips" is written twice/, "clips")]],
    ['{"defaults":[1],"clips":[{"id":"a"}]}', [mistake(1, /\[1\] was given/, "defaults"), entry(1, { id: "a" })]],
    ['{\n"clip":[{"id":"a"}]}', [mistake(2, /no "clip"; did you mean "clips"\?/, "clip")]],
    [
      '{\n"id":"a",\n"prompt":"b"}',
      [mistake(2, /no "id"; write each clip on one line/, "id"), mistake(3, /"prompt"/, "prompt")],
    ],
    ['{\nid:"a"}', [mistake(2, /"i" stands where a name in double quotes should/)]],
    ['{"defaults":{}\n{"id":"a"}', [mistake(2, /"\{" stands where , or \} should/)]],
  ] as const)("like %j is told where it is wrong", async (file, expected) => {
    expect(await read(file)).toEqual(expected);
  });
});

describe("CSV", () => {
  test("has a header row; cells in quotes go over lines, an empty one says nothing", async () => {
    const file = [
      "id,prompt,seconds,tags,model",
      'a,"A fox, ""quick"",\r\njumps\n",10,night; fox ;,',
      "",
      ' b , A 5" cat,,, red',
      ",,,,",
      'c, "blanks around" ,"",,',
    ].join("\r\n");
    const expected = [
      entry(2, { id: "a", prompt: 'A fox, "quick",\r\njumps\n', seconds: "10", tags: ["night", "fox"] }),
      entry(6, { id: "b", prompt: 'A 5" cat', model: "red" }),
      entry(8, { id: "c", prompt: "blanks around" }),
    ];
    expect(await read(file)).toEqual(expected);
    expect(await read(file, { filename: "shots.csv" }, [1])).toEqual(expected);
  });

  test.each([
    ["commas", "id,prompt\na,b;c\n", { id: "a", prompt: "b;c" }],
    ["semicolons, as Excel has them", "id;prompt\na;b,c\n", { id: "a", prompt: "b,c" }],
    ["tabs", "id\tprompt\na\tb,c\n", { id: "a", prompt: "b,c" }],
    ["what Excel says it is", "sep=;\nid;prompt\na;b\n", { id: "a", prompt: "b" }],
    ["returns between the lines", "id,prompt\ra,b\r", { id: "a", prompt: "b" }],
    [
      "names as people write them",
      "ID,Prompt,Remix of,Tags\na,b,c,d\n",
      { id: "a", prompt: "b", remix_of: "c", tags: ["d"] },
    ],
    ["synonyms for names", "custom_id,ref,remix\na,b,c\n", { id: "a", reference: "b", remix_of: "c" }],
  ])("may have %s", async (_what, file, fields) => {
    expect((await read(file, { format: "csv" })).map((item) => item.kind === "entry" && item.fields)).toEqual([fields]);
  });

  test.each([
    ["id,prompt,sise\na,b,\n", /Unknown column "sise"; did you mean "size"\?/],
    ["#,id\n1,a\n", /Unknown column "#"; known fields: id, prompt, .*; take the column out\./],
    ["id,method\na,b\n", /Unknown column "method"/],
  ])("tells once of a column that nobody knows: %j", async (file, words) => {
    const [told, ...entries] = await read(file, { format: "csv" });
    expect(told).toMatchObject(mistake(1, words));
    expect(entries.map(({ kind }) => kind)).toEqual(["entry"]);
  });

  test("with one column only is a table by the header row, and by the file's name", async () => {
    expect(await read("prompt\na, b\n")).toEqual([mistake(2, /2 cells, and the header row 1 cell/)]);
    expect(await read("prompt\na, b\n", { filename: "shots.tsv" })).toEqual([entry(2, { prompt: "a, b" })]);
  });

  test("has defaults in lines above its header row, as a table's program may write them too", async () => {
    const file =
      '# Shots for Monday\n# model: sora-2,,\n"# tags: night;""city""",,\n#Seconds = 10\n\nid,prompt,seconds\na,b,\nc,d,15\n';
    const defaults = { model: "sora-2", tags: ["night", '"city"'] };
    expect(await read(file)).toEqual([
      entry(7, { ...defaults, seconds: "10", id: "a", prompt: "b" }),
      entry(8, { ...defaults, seconds: "15", id: "c", prompt: "d" }),
    ]);
  });

  const header = "id,prompt,size\n";
  test.each([
    ["a,b\n", /This row has 2 cells, and the header row 3 cells \(id, prompt, size\); leave a cell empty/],
    ["a,b,c,d\n", /This row has 4 cells, .* put a cell that holds a comma into double quotes/],
    ['a,"b" c,d\n', /After the quotes of a cell comes "c,d"; write a quote that belongs to the text twice/],
    ["a,b\0,c\n", /NUL byte/],
  ])("row %j is a mistake, after which reading goes on", async (row, message) => {
    expect(await read(`${header}${row}x,y,z\n`)).toEqual([
      mistake(2, message),
      entry(3, { id: "x", prompt: "y", size: "z" }),
    ]);
  });

  test("a quote that is never closed does not take the rows after it", async () => {
    const unclosed = mistake(3, /with "b,"never,z", opens a quote that is not closed/);
    const row = (line: number, id: string): ManifestEntry => entry(line, { id, prompt: "y", size: "z" });
    expect(await read(`${header}a,y,z\nb,"never,z\nc,y,z\n\nd,y,z\n`)).toEqual([
      row(2, "a"),
      unclosed,
      row(4, "c"),
      row(6, "d"),
    ]);
    const many = "c,y,z\n".repeat(40_000);
    const found = await read(`${header}a,y,z\nb,"never,z\n${many}d,"y",z\n`);
    expect(found.slice(0, 3)).toEqual([row(2, "a"), unclosed, row(4, "c")]);
    expect(found).toHaveLength(40_003);
    expect(found.at(-1)).toEqual(row(40_004, "d"));
  });

  test.each([
    ["id,prompt,id\n", [mistake(1, /Two columns are called "id"/, "id")], { id: "a", prompt: "b" }],
    [
      "id,prompt,custom_id\n",
      [mistake(1, /"id" and "custom_id" mean the same/, "custom_id")],
      { id: "a", prompt: "b" },
    ],
    ["id,,prompt\n", [mistake(1, /Column 2 has no name/)], { id: "a", prompt: "c" }],
    ["id,,\n", [mistake(1, /Columns 2, 3 have no name/)], { id: "a" }],
  ])("header row %j is a mistake, and the rows are read for theirs", async (row, mistakes, fields) => {
    expect(await read(`${row}a,b,c\n`)).toEqual([...mistakes, entry(2, fields)]);
  });

  test("without a header row says so, and ends", async () => {
    expect(await read("a,b\nc,d\n", { format: "csv" })).toEqual([
      mistake(1, /no header row: the first row holds "a, b"/),
    ]);
    expect(await read(`id${",".repeat(2_000)}\n`)).toEqual([mistake(1, /names 2001 columns; 1000 are the most/)]);
  });
});

describe("YAML", () => {
  test("has defaults and clips, with the lines that they begin on", async () => {
    const file = `\uFEFF# shots
---
defaults:
  model: sora-2   # for all
clips:
  # the first
  - id: a
    prompt: |
      Shot 1:
      - duration: 5sec

      # not a comment
    tags: [night, 2024]

  -
    id: 007
    prompt: "over
      two lines"
    seconds: 10
    takes: ~
  - {id: c, seconds: 4.5}
...
`;
    const expected = [
      entry(7, {
        model: "sora-2",
        id: "a",
        prompt: "Shot 1:\n- duration: 5sec\n\n# not a comment\n",
        tags: ["night", "2024"],
      }),
      entry(15, { model: "sora-2", id: "007", prompt: "over two lines", seconds: 10 }),
      entry(21, { model: "sora-2", id: "c", seconds: 4.5 }),
    ];
    expect(await read(file)).toEqual(expected);
    expect(await read(file.replaceAll("\n", "\r\n"), { filename: "a.yml" }, [1])).toEqual(expected);
  });

  test.each([
    ["a bare list", "- id: a\n- id: b\n"],
    ["a bare list that is indented", "  - id: a\n  - id: b\n"],
    ["a list that is not indented", "clips:\n- id: a\n- id: b\n"],
    ["a list in brackets", "clips: [{id: a}, {id: b}]\n"],
    ["a list in brackets over lines", "clips:\n  [\n    {id: a},\n    {id: b},\n  ]\n"],
    ["an object in braces", "--- {clips: [{id: a},\n {id: b}]}\n"],
    ["quotes around its key", '"clips":\n - id: a\n - "id": b\n'],
    [
      "lines of the OpenAI shape",
      "- {custom_id: a, method: POST, body: {}}\n- custom_id: b\n  url: /v1/videos\n  body: {}\n",
    ],
  ])("may be %s", async (_what, file) => {
    const found = await read(file, { format: "yaml" });
    expect(found.map((item) => (item.kind === "entry" ? item.fields : item))).toEqual([{ id: "a" }, { id: "b" }]);
  });

  test("knows anchors and merged maps from wherever they stand before", async () => {
    const file = `x-looks:
  - &wide {size: 1280x720, tags: [wide]}
defaults: &all
  model: sora-2
clips:
  - &first
    <<: *wide
    id: a
    tags: &tags [b]
  - <<: [*first, *all]
    id: c
    tags: *tags
  - *first
`;
    const [size, model] = ["1280x720", "sora-2"];
    expect(await read(file, { format: "yaml" })).toEqual([
      entry(6, { model, size, tags: ["b"], id: "a" }),
      entry(10, { model, size, tags: ["b"], id: "c" }),
      entry(13, { model, size, tags: ["b"], id: "a" }),
    ]);
  });

  test.each([
    [
      "- id: a\n  prompt: A fox: red\n- id: b",
      [mistake(2, /not YAML \(Nested mappings.*into quotes/), entry(3, { id: "b" })],
    ],
    ['- id: a\n  prompt: "A fox\n- id: b', [mistake(2, /not YAML \(Missing closing "quote/), entry(3, { id: "b" })]],
    ["- id: a\n\tprompt: x\n- id: b", [mistake(2, /begins with a tab/), entry(3, { id: "b" })]],
    ["- id: !secret a\n- id: b", [mistake(1, /Tags are not known here/), entry(2, { id: "b" })]],
    ["- id: *a\n- id: b", [mistake(1, /alias "\*a" has no anchor before it/), entry(2, { id: "b" })]],
    ["- &a\n  id: *a\n- id: b", [mistake(2, /alias "\*a" has no anchor/), entry(3, { id: "b" })]],
    ["- id: a\n  id: c\n- id: b", [mistake(2, /"id" is written twice/), entry(3, { id: "b" })]],
    ["- {? [1] : a}\n- id: b", [mistake(1, /A key must be a plain name/), entry(2, { id: "b" })]],
    ["- <<: 3\n- id: b", [mistake(1, /<< takes a map/), entry(2, { id: "b" })]],
    ["- a fox\n- id: b", [mistake(1, /A clip is an object.*"a fox" was given/), entry(2, { id: "b" })]],
    ["- __proto__: {x: 1}\n- id: b", [mistake(1, /__proto__/, "__proto__"), entry(2, { id: "b" })]],
    [
      `- id: ${"[".repeat(50)}${"]".repeat(50)}\n- id: b`,
      [mistake(1, /nests more than 32 levels/), entry(2, { id: "b" })],
    ],
    [`- ${"[".repeat(200_000)}\n- id: b`, [mistake(1, /nests too deep/), entry(2, { id: "b" })]],
    [`- "${"x".repeat(300_000)}"\n- id: b`, [mistake(1, /longer than 256 KiB/), entry(2, { id: "b" })]],
    [`[\n${"{id: a},\n".repeat(30_000)}]`, [mistake(1, /longer than 256 KiB/)]],
    ["clips:\n  - id: a\ndefaults: {}\n", [entry(2, { id: "a" }), mistake(3, /must stand above clips/, "defaults")]],
    ["clip:\n  - id: a\n", [mistake(1, /no "clip"; did you mean "clips"\?/, "clip")]],
    [
      "clips:\ndefaults: {}\n",
      [mistake(1, /clips must be a list.*null was given/, "clips"), mistake(2, /above/, "defaults")],
    ],
    [
      "defaults: 3\nclips:\n  - id: a",
      [mistake(1, /defaults must be an object.*3 was given/, "defaults"), entry(3, { id: "a" })],
    ],
    [
      "clips:\n  - id: a\nclips:\n  - id: b",
      [entry(2, { id: "a" }), mistake(4, /"clips" is written twice/, "clips"), entry(4, { id: "b" })],
    ],
    ["- id: a\n---\n- id: b", [entry(1, { id: "a" }), mistake(2, /more than one YAML document/)]],
    ["%YAML 1.1\n---\n- id: a", [mistake(1, /no directives/), entry(3, { id: "a" })]],
    ["A fox\nand a lake", [mistake(1, /is a list of clips, or has the keys.*"A fox" was given/)]],
  ] as const)("like %.60j is told where it is wrong, and the other clips are read", async (file, expected) => {
    expect(await read(file, { format: "yaml" })).toEqual(expected);
  });

  test("whose aliases unfold without end is refused, not unfolded", async () => {
    const bomb = Array.from(
      { length: 30 },
      (_, index) => `x-${index + 1}: &a${index + 1} [${`*a${index},`.repeat(10)}]`,
    );
    const found = await read(["x-0: &a0 lol", ...bomb, "clips:", "  - tags: *a30"].join("\n"), { format: "yaml" });
    expect(found[0]).toEqual(mistake(7, /aliases in this stand for more than 1 MiB/));
    expect(found.every(({ kind }) => kind === "mistake")).toBe(true);
    const map = Array.from({ length: 1_000 }, (_, index) => `k${index}: 1`).join();
    const merges = `- &a {${map}}\n- ${"<<: *a\n  ".repeat(20_000)}\n- id: b\n`;
    expect((await read(merges, { format: "yaml" })).slice(1)).toEqual([
      mistake(2, /aliases in this stand for more than 1 MiB/),
      entry(20_003, { id: "b" }),
    ]);
    const large = `- tags: &a ${"x".repeat(230_000)}\n`;
    expect((await read(large.repeat(40))).at(-1)).toEqual(mistake(37, /too many anchors/));
    const anchors = await read(`- [${Array.from({ length: 1_100 }, (_, index) => `&a${index} x`).join()}]\n- id: b`);
    expect(anchors.at(-1)).toEqual(mistake(1, /too many anchors/));
  });

  test("that is broken throughout is given up", async () => {
    const found = await read("- a: b: c\n".repeat(1_000));
    expect(found).toHaveLength(51);
    expect(found.at(-1)).toEqual(mistake(50, /50 clips cannot be read as YAML/));
  });
});

describe("a file", () => {
  test.each([
    ["shots.ndjson", "[1]\n"],
    ["a.b/SHOTS.JSON", "[1]\n"],
  ])("is read as what its name %s says", async (filename, text) => {
    expect(await read(text, { filename })).toEqual([mistake(1, /1 was given/)]);
    expect(await read(text, { filename, format: "csv" })).toEqual([mistake(1, /no header row/)]);
  });

  test.each([
    ["JSONL", '{"id":"a"}'],
    ["CSV", "# model: sora-2\nid,prompt\n,A: fox\n"],
    ["YAML", "# shots\nclips:\n  - id: a\n"],
    ["YAML", "- id: a\n"],
    ["YAML", "x-a: 1\nclips: [{id: a}]\n"],
  ])("without a name that says it is known as %s by its start", async (_format, text) => {
    for (const filename of [undefined, "-", "shots.txt", "shots"])
      expect((await read(text, { filename })).map(({ kind }) => kind)).toEqual(["entry"]);
  });

  test.each([
    [
      "that says nothing of its format",
      "A fox crosses a lake\n",
      /begins with "A fox.*name it \.jsonl, \.csv or \.yaml/,
    ],
    ["that is empty", "", /has no clips/],
    ["of blank lines", "\n \r\n", /has no clips/],
    ["of nothing but a head", '{"defaults":{"model":"sora-2"}}\n', /has no clips/],
    ["of nothing but a header row", "id,prompt\n", /has no clips/],
    ["of nothing but defaults", "defaults: {model: sora-2}\n", /has no clips/],
    ["that is an empty list", "[]", /has no clips/],
    ["in UTF-16", Buffer.from("\uFEFFid,prompt\na,b\n", "utf16le"), /is UTF-16; save it as UTF-8/],
    ["in UTF-16 without a mark", Buffer.from("id,prompt\na,b\n", "utf16le"), /is UTF-16; save it as UTF-8/],
    ["in UTF-16 the other way round", Buffer.from("\uFEFFid\n", "utf16le").swap16(), /is UTF-16; save it as UTF-8/],
    ["that is a workbook", Buffer.from("PK\x03\x04..."), /Excel workbook/],
    ["that is compressed", Buffer.from([0x1f, 0x8b, 8, 0]), /compressed/],
  ])("%s is one mistake", async (_what, file, message) => {
    expect(await read(file)).toEqual([mistake(1, message)]);
    expect(await read(file, {}, [1])).toEqual([mistake(1, message)]);
  });

  test.each([
    ["jsonl", ['{"id":"', '"}\n'], 2, 'at "\\{"id":"\uFFFD"\\}"'],
    ["csv", ["id\n", "\n"], 3, 'at "\uFFFD"'],
    ["yaml", ["- id: ", "\n"], 2, 'at "- id: \uFFFD"'],
  ] as const)("that is not UTF-8 names the line (%s)", async (format, [before, after], line, place) => {
    const good = Buffer.from(`${format === "csv" ? "" : before}é${after}`);
    const bad = Buffer.concat([Buffer.from(before), Buffer.from([0xe9]), Buffer.from(after)]);
    const file = format === "csv" ? [Buffer.from("id\n"), good, Buffer.from([0xe9, 10]), good] : [good, bad, good];
    const found = await read(Buffer.concat(file), { format }, [1]);
    const lines = format === "csv" ? [2, 4] : [1, 3];
    expect(found).toEqual([
      entry(lines[0] ?? 0, { id: "é" }),
      mistake(line, new RegExp(`is not UTF-8, ${place}; save the file as UTF-8`)),
      entry(lines[1] ?? 0, { id: "é" }),
    ]);
  });

  test.each([
    ["is not UTF-8", 0xe9],
    ["holds a NUL byte", 0],
  ])("that %s in a clip of several lines names the one", async (message, byte) => {
    const bytes = Buffer.from('[\n{"id":"a",\n"prompt":\n"?"},\n{"id":"b"}]');
    bytes[bytes.indexOf("?")] = byte;
    expect(await read(bytes)).toEqual([mistake(4, new RegExp(`This clip ${message}`)), entry(5, { id: "b" })]);
  });

  test.each([
    ["jsonl", `${clip("a")}\n`, clip("x".repeat(2 * MiB)), `\n${clip("b")}`, [1, 2, 3]],
    ["jsonl", `[${clip("a")},\n`, clip("x".repeat(2 * MiB)), `,\n${clip("b")}]`, [1, 2, 3]],
    ["csv", "id\na\n", "x".repeat(2 * MiB), "\nb", [2, 3, 4]],
    ["yaml", "- id: a\n", `- id: ${"x".repeat(2 * MiB)}`, "\n- id: b", [1, 2, 3]],
  ] as const)("with too long a line goes on after it (%s %j)", async (format, before, long, after, lines) => {
    expect(await read(before + long + after, { format }, [65_536])).toEqual([
      entry(lines[0], { id: "a" }),
      mistake(lines[1], /is longer than (1 MiB|256 KiB)/),
      entry(lines[2], { id: "b" }),
    ]);
  });

  test.each([
    ["jsonl", "", '{"id":"a"}\n'],
    ["jsonl", "[", '{"id":"a"},'],
    ["csv", "id\n", "a\n"],
  ] as const)("with too many clips is not read further (%s %j)", async (format, start, one) => {
    let isClosed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from(start);
        for (;;) yield Buffer.from(one.repeat(1_000));
      } finally {
        isClosed = true;
      }
    }
    const found = await collect(readManifest(endless(), { format }));
    expect(found).toHaveLength(mostLines + 1);
    expect(found.at(-1)).toMatchObject({
      kind: "mistake",
      message: expect.stringMatching(/more than 50,000 clips/) as string,
    });
    expect(isClosed).toBe(true);
  });

  test("with too many mistakes is not read further", async () => {
    const found = await read("x\n".repeat(mostLines + 100), { format: "jsonl" });
    expect(found).toHaveLength(mostLines + 1);
    expect(found.at(-1)).toEqual(mistake(mostLines, /has 50,000 mistakes/));
  });

  test("is read while it comes, and left when nobody wants more of it", async () => {
    const given: number[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (let number = 0; ; number += 1) {
          given.push(number);
          yield Buffer.from(`{"id":"${number}","prompt":"${"x".repeat(5_000)}"}\n`);
        }
      } finally {
        given.push(-1);
      }
    }
    for await (const item of readManifest(source())) {
      expect(item).toMatchObject({ kind: "entry", line: 1 });
      break;
    }
    expect(given).toEqual([0, -1]);
  });

  test("that cannot be read on throws what its source throws", async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"id":"a"}\n');
      throw new Error("The disk is gone.");
    }
    await expect(collect(readManifest(source()))).rejects.toThrow("The disk is gone.");
  });
});

describe("defaults", () => {
  test("beside the file beat those in it, and a clip's own beat both", async () => {
    const file =
      '{"defaults":{"model":"head","size":"head","ref":"head"}}\n{"id":"a"}\n{"id":"b","image":"own","model":"own"}';
    expect(await read(file, { defaults: { model: "flag", image: "flag", takes: 2 } })).toEqual([
      entry(2, { model: "flag", size: "head", reference: "flag", takes: 2, id: "a" }),
      entry(3, { model: "own", size: "head", reference: "own", takes: 2, id: "b" }),
    ]);
  });

  test.each([
    ["modell", /no default "modell"; did you mean "model"\?/],
    ["colour", /no default "colour"; defaults are: model, seconds/],
    ["id", /id cannot be a default/],
    ["prompt", /prompt cannot be a default/],
    ["remix_of", /remix_of cannot be a default/],
  ])("cannot be %s, wherever it stands", async (name, message) => {
    const one = mistake(1, message, name);
    expect(await read('{"id":"a"}', { defaults: { [name]: "x" } })).toEqual([one, entry(1, { id: "a" })]);
    expect(await read(`{"defaults":{"${name}":"x"}}\n{"id":"a"}`)).toEqual([one, entry(2, { id: "a" })]);
    expect(await read(`# ${name}: x\nid\na\n`)).toEqual([one, entry(3, { id: "a" })]);
    expect(await read(`defaults: {${name}: x}\nclips:\n- id: a\n`)).toEqual([one, entry(3, { id: "a" })]);
  });
});

test.each(["", "x"])(
  "what was given is told in at most 80 characters, none of which a terminal obeys (%j)",
  async (start) => {
    const [found] = await read(`{"body": "${start}\\u001b[31m\\u202e${"é😀😀".repeat(50)}"}`);
    const shown = /; "(.*)" was given/su.exec(found?.kind === "mistake" ? found.message : "")?.[1] ?? "";
    expect(shown).toMatch(/^x?\\u001b\[31m\\u202eé😀.*…$/su);
    expect(shown.length).toBeLessThanOrEqual(80);
    expect(shown.isWellFormed()).toBe(true);
  },
);

describe("the schema for editors", () => {
  const schema = z.fromJSONSchema(manifestSchema() as Parameters<typeof z.fromJSONSchema>[0]);

  test("says which draft it is, and what its fields are", () => {
    expect(manifestSchema()).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema" });
    expect(JSON.stringify(manifestSchema())).toContain("What the video shows.");
  });

  test.each([
    "prompt: A fox",
    "{id: a, prompt: A fox, model: sora-2, seconds: 10, size: 720x1280, takes: 2, priority: -3, tags: [x]}",
    "{prompt: A fox, reference: {image_url: https://e.example/a.png}, remix_of: b}",
    "{custom_id: a, method: POST, url: /v1/videos, body: {prompt: A fox, input_reference: {file_id: file_1}}}",
    "defaults: {model: sora-2, seconds: '10', reference: fox.png}",
    "[{prompt: A fox}, {id: 7, prompt: A lake}]",
    "{$schema: x, x-looks: [1], defaults: {model: sora-2}, clips: [{prompt: A fox}]}",
  ])("takes %s", (text) => {
    expect(schema.safeParse(parse(text)).success).toBe(true);
  });

  test.each([
    "{id: a}",
    "{prompt: A fox, colour: red}",
    "{prompt: A fox, method: GET, body: {prompt: A fox}}",
    "defaults: {prompt: A fox}",
    "{default: {}, clips: [{prompt: A fox}]}",
    "clips: []",
    "[3]",
  ])("refuses %s", (text) => {
    expect(schema.safeParse(parse(text)).success).toBe(false);
  });
});

const sizes = fc
  .array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 10 })
  .filter((all) => all.some((size) => size > 0));
const someText = fc.string({
  unit: fc.constantFrom(
    "a",
    "B",
    '"',
    ",",
    ";",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "#",
    "\\",
    "é",
    "日",
    "🐈",
    " ",
    "{",
    "}",
    ":",
    "\u2028",
  ),
  minLength: 1,
  maxLength: 12,
});
const clips = fc.array(
  fc.record(
    {
      id: someText,
      prompt: someText,
      seconds: fc.constantFrom("10", "15"),
      tags: fc.array(fc.constantFrom("night", "ä b"), { minLength: 1 }),
    },
    { requiredKeys: ["id"] },
  ),
  { minLength: 1, maxLength: 6 },
);
const fieldsOf = (items: readonly ManifestItem[]): unknown[] =>
  items.map((item) => (item.kind === "entry" ? { ...item.fields } : item));

describe("whatever the clips are and wherever the file is cut, they are read as they were written", () => {
  test.each([
    ["JSONL", (all: readonly object[]) => all.map((one) => JSON.stringify(one)).join("\n")],
    ["a JSON list", (all: readonly object[]) => JSON.stringify(all)],
    ["a JSON object", (all: readonly object[]) => JSON.stringify({ clips: all }, null, 2)],
    [
      "YAML",
      (all: readonly object[]) =>
        all.map((one) => `- ${JSON.stringify(one).replaceAll("\u2028", "\\u2028")}\n`).join(""),
    ],
  ])("in %s", async (_format, written) => {
    await fc.assert(
      fc.asyncProperty(clips, sizes, async (all, cuts) => {
        const format = _format === "YAML" ? "yaml" : "jsonl";
        expect(fieldsOf(await read(written(all), { format }, cuts))).toEqual(all);
      }),
      { numRuns: 300 },
    );
  });

  test("in CSV", async () => {
    const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(
        clips,
        fc.constantFrom(",", ";", "\t"),
        fc.constantFrom("\n", "\r\n", "\r"),
        sizes,
        async (all, separator, end, cuts) => {
          const names = ["id", "prompt", "seconds", "tags"] as const;
          const rows = all.map((one) => names.map((name) => quoted([one[name] ?? ""].flat().join(";"))));
          const file = [names, ...rows].map((row) => row.join(separator)).join(end);
          expect(fieldsOf(await read(file, { format: "csv" }, cuts))).toEqual(all);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a file that was damaged anywhere is still read to its end", () => {
  const files = {
    jsonl: '{"defaults":{"model":"m"}}\n{"id":"a","tags":["x"]}\n{"custom_id":"b","body":{"prompt":"p"}}\n',
    json: '{"defaults":{"model":"m"},\n"clips":[{"id":"a","tags":["x"]},\n{"id":"b"}]}\n',
    csv: '# model: m\nid,prompt,tags\na,"x\n""y""",n;m\nb,"z",\n',
    yaml: "defaults: &d\n  model: m\nclips:\n  - id: a\n    prompt: |\n      x\n  - <<: *d\n    tags: [x, 'y']\n",
  };
  const byte = fc.oneof(fc.constantFrom(...Buffer.from("\"'{}[],:;#-\n\r\t &*!|>%\\\0a")), fc.nat({ max: 255 }));
  const damage = fc.array(
    fc.record({ at: fc.nat({ max: 120 }), cut: fc.nat({ max: 4 }), put: fc.array(byte, { maxLength: 4 }) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  test.each(Object.entries(files))("%s", async (extension, file) => {
    await fc.assert(
      fc.asyncProperty(damage, sizes, fc.boolean(), async (all, cuts, isNamed) => {
        const bytes = [...Buffer.from(file)];
        for (const { at, cut, put } of all) bytes.splice(at, cut, ...put);
        const options = isNamed ? { filename: `shots.${extension}` } : {};
        const whole = Uint8Array.from(bytes);
        const found = await read(whole, options, cuts);
        // Wherever it is cut, the same is found.
        expect(await read(whole, options)).toEqual(found);
        expect(found).not.toEqual([]);
        const lines = Buffer.from(whole)
          .toString("latin1")
          .split(/\r\n|\r|\n/).length;
        for (const item of found) {
          expect(item.line).toBeGreaterThanOrEqual(1);
          expect(item.line).toBeLessThanOrEqual(lines);
          if (item.kind === "mistake") expect(item.message).toMatch(/^[^\p{Cc}]+[.?]$/u);
          else expect(JSON.parse(JSON.stringify(item.fields))).toEqual(item.fields);
        }
      }),
      { numRuns: 600 },
    );
  });
});
