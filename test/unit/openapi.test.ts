import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  eventTypes,
  llmsText,
  openApiDocument,
  operations,
  type ProblemCode,
  problemCodes,
  problemsOf,
  replySchemas,
  requestSchemas,
  uploadFormSchema,
} from "@reelq/contract";
import { uploadPurposes } from "@reelq/engine";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, onTestFinished, test } from "vitest";
import { openApiText } from "../../scripts/openapi.ts";

const committed = new URL("../../docs/openapi.json", import.meta.url);
const script = fileURLToPath(new URL("../../scripts/openapi.ts", import.meta.url));

const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);

const schemas = { ...requestSchemas, ...replySchemas };
type SchemaName = keyof typeof schemas;

interface Found {
  readonly path: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Every object of a document, with the way to it. */
function* objectsIn(value: unknown, path = ""): Generator<Found> {
  if (typeof value !== "object" || value === null) return;
  yield { path, value: value as Found["value"] };
  for (const [name, part] of Object.entries(value)) yield* objectsIn(part, `${path}/${name}`);
}

/** The objects of the document itself: what stands in an example is data. */
const parts = [...objectsIn(openApiDocument())].filter(({ path }) => !/\/examples?(?:\/|$)/.test(path));

describe("docs/openapi.json", () => {
  test("is what the contract says", async () => {
    const text = await readFile(committed, "utf8");
    expect(JSON.parse(text)).toEqual(JSON.parse(openApiText()));
    await expect(run("--check")).resolves.toMatchObject({ stderr: "" });
  });

  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(await readFile(committed, "utf8"));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(validator.version).toBe("3.1");
  });

  test("the check passes for a file that was just written, and ends with 1 for a stale or missing one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "reelq-openapi-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "openapi.json");
    const refusal = { code: 1, stderr: expect.stringContaining("run `npm run openapi`") as unknown };
    await expect(run("--check", file)).rejects.toMatchObject(refusal);
    await run(file);
    await expect(run("--check", file)).resolves.toMatchObject({ stderr: "" });
    // However it is laid out: a formatter may have its own ways.
    await writeFile(file, JSON.stringify(JSON.parse(openApiText())));
    await expect(run("--check", file)).resolves.toMatchObject({ stderr: "" });
    await writeFile(file, openApiText().replace("createVideo", "createFilm"));
    await expect(run("--check", file)).rejects.toMatchObject(refusal);
  });
});

describe("the document", () => {
  const references = parts.flatMap(({ value }) => (typeof value["$ref"] === "string" ? [value["$ref"]] : []));
  const { components } = openApiDocument();
  const named = Object.entries(components).flatMap(([kind, group]) =>
    Object.keys(group).map((name) => `#/components/${kind}/${name}`),
  );

  test("refers to nothing that is not there", () => {
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter((reference) => !named.includes(reference))).toEqual([]);
  });

  test("has no component that nothing refers to", () => {
    const unused = named.filter((name) => !name.includes("/securitySchemes/") && !references.includes(name));
    expect(unused).toEqual([]);
  });

  test("gives each call an id of its own, and a summary without a full stop", () => {
    const calls = parts.flatMap(({ value }) => (typeof value["operationId"] === "string" ? [value] : []));
    const ids = calls.map(({ operationId }) => operationId);
    expect(ids).toHaveLength(operations.length + Object.keys(eventTypes).length + 1);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { summary } of operations) expect(summary).toMatch(/^[A-Z].*[^.]$/);
  });

  test("has every parameter of a path", () => {
    for (const [path, calls] of Object.entries(openApiDocument().paths)) {
      for (const call of Object.values(calls)) {
        const { parameters: taken = [] } = call as { parameters?: readonly { $ref: string }[] };
        const names = taken
          .map(({ $ref }) => components["parameters"]?.[$ref.split("/").at(-1) ?? ""] as { name: string; in: string })
          .filter((parameter) => parameter.in === "path")
          .map(({ name }) => `{${name}}`);
        expect(names).toEqual(path.match(/\{\w+\}/g) ?? []);
      }
    }
  });

  test("describes a body for every event, and for the test of an endpoint", () => {
    expect(Object.keys(openApiDocument().webhooks)).toEqual([...Object.keys(eventTypes), "webhook.test"]);
  });

  test("names every error code for some call, but the one that means that there is no such call", () => {
    const said = new Set(operations.flatMap(problemsOf));
    expect(Object.keys(problemCodes).filter((code) => !(said as ReadonlySet<string>).has(code))).toEqual([
      "method_not_allowed",
    ]);
  });

  test("closes what is sent and leaves open what is answered", () => {
    const isClosed = (name: string) =>
      [...objectsIn(components["schemas"]?.[name])].some(({ value }) => value["additionalProperties"] === false);
    expect(Object.keys(requestSchemas).filter((name) => !isClosed(name) && name !== "Reference")).toEqual([]);
    expect(Object.keys(replySchemas).filter(isClosed)).toEqual([]);
  });

  test("knows no model of its own", () => {
    const { VideoCreate } = components["schemas"] as { VideoCreate: { properties: { model: object } } };
    expect(VideoCreate.properties.model).toMatchObject({
      type: "string",
      examples: ["sora-2", "sora-2-pro", "veo-3.1"],
    });
    expect(VideoCreate.properties.model).not.toHaveProperty("enum");
  });

  test("lists the purposes that files may have", () => {
    expect(uploadFormSchema.shape.purpose.options).toEqual(uploadPurposes);
  });
});

interface Shown {
  readonly schema?: {
    readonly $ref?: string;
    readonly allOf?: readonly [{ readonly $ref?: string }, RefusalSchema?];
  };
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface RefusalSchema {
  readonly properties?: { readonly error?: { readonly properties: { readonly code: { readonly enum: string[] } } } };
}

describe("the examples", () => {
  const bodies = Object.entries(openApiDocument().components["schemas"] ?? {}).flatMap(([name, schema]) =>
    ((schema as { examples?: readonly unknown[] }).examples ?? []).map((example) => [name, example] as const),
  );
  const inPlace = parts.flatMap(({ value }) => {
    const { schema, example, examples } = value as Shown;
    const reference = schema?.$ref ?? schema?.allOf?.[0]?.$ref;
    const shown = [
      ...(example === undefined ? [] : [example]),
      ...Object.values(examples ?? {}).map((one) => one.value),
    ];
    return reference === undefined ? [] : shown.map((one) => [reference.split("/").at(-1) ?? "", one] as const);
  });

  test("there is one of every body but of those that are a part of another, and of a form with a file", () => {
    const without = Object.keys(schemas).filter((name) => !bodies.some(([one]) => one === name));
    expect(without).toEqual(["FileForm", "Reelq", "StoredFile", "Picture"]);
    expect(inPlace.length).toBeGreaterThan(Object.keys(eventTypes).length);
  });

  test.each([...bodies, ...inPlace])("%s is what its schema says, to the last field", (name, example) => {
    // Nothing is dropped without a word: schemas are strict. Defaults may come on top.
    expect(schemas[name as SchemaName].parse(example)).toMatchObject(example as object);
  });

  test("each code of a refusal has its own, with the type that goes with it", () => {
    const refusals = parts.flatMap(({ value }) => {
      const { schema, example, examples } = value as Shown;
      const codes = schema?.allOf?.[1]?.properties?.error?.properties.code.enum;
      return codes ? [{ codes, shown: examples ? Object.values(examples).map((one) => one.value) : [example] }] : [];
    });
    expect(refusals.length).toBeGreaterThan(50);
    for (const { codes, shown } of refusals)
      expect(shown).toMatchObject(codes.map((code) => ({ error: { code, type: typeOf(code as ProblemCode) } })));
  });

  test.each(Object.keys(eventTypes))("the example of %s tells of it", (type) => {
    const call = openApiDocument().webhooks[type] as {
      post: { requestBody: { content: { "application/json": { example: { type: string; data: object } } } } };
    };
    expect(call.post.requestBody.content["application/json"].example).toMatchObject({ type });
  });
});

const typeOf = (code: ProblemCode): string => {
  if (code === "unauthorized") return "authentication_error";
  if (code === "rate_limited") return "rate_limit_error";
  return problemCodes[code] < 500 ? "invalid_request_error" : "server_error";
};

describe("the words", () => {
  test("promise no more than the README: what is in doubt may be paid for twice, where the operator chose so", () => {
    for (const text of [llmsText(), JSON.stringify(openApiDocument())]) {
      expect(text).not.toMatch(/pays? twice|paid for (?:twice|once)/);
      expect(text).toContain("POST is never repeated blindly");
      expect(text).toContain("in your own bucket or folder");
    }
  });

  test("say what the official SDK's types allow for seconds, wherever they are sent", () => {
    const { VideoCreate, VideoCreateForm } = openApiDocument().components["schemas"] as Record<
      "VideoCreate" | "VideoCreateForm",
      { properties: { seconds: { description: string } } }
    >;
    for (const { properties } of [VideoCreate, VideoCreateForm])
      expect(properties.seconds.description).toContain("'4' | '8' | '12'");
  });

  test("name the header that an event is resumed from before its parameter, which names it", () => {
    for (const path of ["/v1/events", "/v1/videos/{id}/events"]) {
      const call = openApiDocument().paths[path]?.["get"] as { parameters: readonly { $ref: string }[] } | undefined;
      const names = call?.parameters.map(({ $ref }) => $ref.split("/").at(-1)).filter((name) => name !== "VideoId");
      expect(names).toEqual(["LastEventId", "LastEventIdQuery", "EventTypes"]);
    }
  });
});

describe("llms.txt", () => {
  const text = llmsText();

  test("begins as llmstxt.org asks: a title, then a quote that sums it up", () => {
    expect(text).toMatch(/^# reelq\n\n> [^\n]+\n\n/);
  });

  test("has every call and every error code once, and leads to the rest", () => {
    for (const { method, path } of operations) {
      const line = `- \`${method.toUpperCase()} ${path}\`: `;
      expect(text.split(line), line).toHaveLength(2);
    }
    for (const [code, status] of Object.entries(problemCodes)) expect(text).toContain(`- \`${code}\` (${status}): `);
    expect(text).toContain("](/openapi.json)");
    expect(text).toContain("](/docs)");
  });

  test("says in ten lines how to call it", () => {
    const [, how = ""] = /```sh\n([^]*?)\n```/.exec(text) ?? [];
    expect(how.split("\n")).toHaveLength(10);
  });
});
