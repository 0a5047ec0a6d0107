import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { maxPromptLength, type Video, type VideoId, type VideoListBody } from "@reelq/contract";
import { maxReferenceBytes } from "@reelq/engine";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { errorOf, startTestApi, type TestApi, videoOf } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const picture = (path: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../apps/${path}`, import.meta.url)));
const png = picture("cli/demo/dusk.png");
const jpeg = picture("simulator/clips/64x64.jpg");
const webp = picture("simulator/clips/64x64.webp");

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
});

afterEach(() => {
  if (api.surprises.length > 0) throw new AggregateError(api.surprises, "The API was surprised.");
});

afterAll(async () => {
  await api.close();
  await redis.stop();
});

describe("a create call that cannot be done is refused, says why, and leaves nothing behind", () => {
  interface Refusal {
    readonly what: string;
    readonly send: RequestInit;
    readonly status?: number;
    readonly code: string;
    readonly param?: string;
    readonly says?: readonly string[];
  }

  const models: Refusal[] = [
    {
      what: "a model with a slip in its name",
      send: json({ prompt: "a cat", model: "sora2" }),
      code: "unknown_model",
      param: "model",
      says: ['"sora2"', "sora-2, sora-2-pro, veo-3.1", 'Did you mean "sora-2"?'],
    },
    {
      what: "a model that nobody knows",
      send: json({ prompt: "a cat", model: "kling-9" }),
      code: "unknown_model",
      param: "model",
      says: ['"kling-9"', "sora-2, sora-2-pro, veo-3.1"],
    },
    ...["__proto__", "constructor", "toString", ""].map((model) => ({
      what: `the model ${JSON.stringify(model)}`,
      send: json({ prompt: "a cat", model }),
      code: "unknown_model",
      param: "model",
      says: [JSON.stringify(model)],
    })),
    ...[7, true, ["sora-2"], { name: "sora-2" }].map((model) => ({
      what: `a model that is ${JSON.stringify(model)}`,
      send: json({ prompt: "a cat", model }),
      code: "unknown_model",
      param: "model",
      says: [JSON.stringify(model)],
    })),
  ];

  const lengths: Refusal[] = [
    ...[25, "25", 0, -10, 10.5, "10s", "", " ", true, [10], { n: 10 }, "1e1", "0x0a"].map((seconds) => ({
      what: `seconds ${JSON.stringify(seconds)} of sora-2`,
      send: json({ prompt: "a cat", seconds }),
      code: "invalid_value",
      param: "seconds",
      says: ["for sora-2", "allowed: 10, 15"],
    })),
    {
      what: "seconds that no double can hold",
      send: jsonText('{"prompt": "a cat", "seconds": 1e999}'),
      code: "invalid_value",
      param: "seconds",
    },
    {
      what: "seconds that only another model allows",
      send: form({ prompt: "a cat", model: "veo-3.1", seconds: "15" }),
      code: "invalid_value",
      param: "seconds",
      says: ['"15"', "for veo-3.1", "allowed: 4, 8, 12"],
    },
  ];

  const sizes: Refusal[] = ["1920x1080", "720X1280", "720x1280x1", "", 720].map((size) => ({
    what: `size ${JSON.stringify(size)}`,
    send: json({ prompt: "a cat", size }),
    code: "invalid_value",
    param: "size",
    says: [JSON.stringify(size), "allowed: 720x1280, 1280x720, 1024x1792, 1792x1024"],
  }));

  const prompts: Refusal[] = [
    { what: "no prompt", send: json({}), code: "missing_value", param: "prompt", says: ["prompt is required"] },
    { what: "a null prompt", send: json({ prompt: null }), code: "missing_value", param: "prompt" },
    { what: "an empty prompt", send: json({ prompt: "" }), code: "missing_value", param: "prompt", says: ["is empty"] },
    { what: "a prompt of spaces", send: form({ prompt: " \n\t " }), code: "missing_value", param: "prompt" },
    {
      what: "a prompt that is too long",
      send: json({ prompt: "x".repeat(maxPromptLength + 1) }),
      code: "invalid_value",
      param: "prompt",
      says: ["32001 characters", "at most 32000"],
    },
    {
      what: "a prompt larger than any field",
      send: form({ prompt: "x".repeat(300_000) }),
      code: "invalid_value",
      param: "prompt",
    },
    ...[7, false, ["a cat"], { text: "a cat" }].map((prompt) => ({
      what: `a prompt that is ${JSON.stringify(prompt)}`,
      send: json({ prompt }),
      code: "invalid_value",
      param: "prompt",
      says: ["must be text", JSON.stringify(prompt)],
    })),
    {
      what: "half of a surrogate pair",
      send: jsonText(String.raw`{"prompt": "a \ud83d cat"}`),
      code: "invalid_value",
      param: "prompt",
      says: ["surrogate"],
    },
  ];

  const storyboards: Refusal[] = [
    ["Shot 1:\nduration: 5sec\nScene: a cat\nShot 2:\nScene: a dog", "Shot 2: has no duration"],
    ["Shot 1:\nduration: 5sec", "Shot 1: has no scene"],
    ["Shot 1:\nduration: soon\nScene: a cat", 'Shot 1: "soon" is not a duration'],
    ["Shot 1:\nduration: 0sec\nScene: a cat", 'Shot 1: "0sec" is not a duration'],
    ["Shot 1:\nduration: 5sec\nduration: 6sec\nScene: a cat", "Shot 1: has more than one duration"],
    ["Shot 1:\nduration: 5sec\nScene: a cat\nScene: a dog", "Shot 1: has more than one scene"],
    ["Shot 2:\nduration: 5sec\nScene: a cat", "Shot 2: shots are numbered from 1"],
    ["Shot 1:\nduration: 5sec\nScene: a cat\nShot 1:\nduration: 5sec\nScene: a dog", "this is the 2nd shot"],
    [
      "Shot 1:\nduration: 9sec\nScene: a cat\nShot 2:\nduration: 9sec\nScene: a dog",
      "Shot 2: the shots add up to 18 s, longer than the clip's 15 s",
    ],
  ].map(([prompt = "", says = ""]) => ({
    what: `the storyboard ${JSON.stringify(prompt)}`,
    send: form({ prompt }),
    code: "invalid_storyboard",
    param: "prompt",
    says: [says],
  }));

  const fields: Refusal[] = [
    {
      what: "a field with a slip in its name",
      send: json({ prompt: "a cat", secnds: 10 }),
      code: "unknown_field",
      param: "secnds",
      says: ['"secnds"', 'did you mean "seconds"?'],
    },
    {
      what: "a field that nobody knows",
      send: form({ prompt: "a cat", mood: "dark" }),
      code: "unknown_field",
      param: "mood",
      says: ["prompt, model, seconds, size, input_reference"],
    },
    ...["__proto__", "constructor", "hasOwnProperty"].flatMap((name) => [
      {
        what: `the JSON field ${name}`,
        send: jsonText(`{"prompt": "a cat", "${name}": {"model": "sora-2"}}`),
        code: "unknown_field",
        param: name,
      },
      {
        what: `the form field ${name}`,
        send: form({ prompt: "a cat" }, [name, "x"]),
        code: "unknown_field",
        param: name,
      },
    ]),
    {
      what: "a field given twenty times",
      send: form({}, ...Array.from({ length: 20 }, (): [string, string] => ["prompt", "a cat"])),
      code: "invalid_value",
      param: "prompt",
    },
    {
      what: "a form of too many fields",
      send: form({ prompt: "a cat" }, ...Array.from({ length: 20 }, (_, n): [string, string] => [`f${n}`, "x"])),
      code: "malformed_body",
      says: ["more than 16 parts"],
    },
    {
      what: "a field given twice",
      send: form({ prompt: "a cat" }, ["prompt", "a dog"]),
      code: "invalid_value",
      param: "prompt",
      says: ["given twice"],
    },
  ];

  const references: Refusal[] = [
    {
      what: "a reference that is text",
      send: form({ prompt: "a cat" }, ["input_reference", new Blob(["hello"], { type: "image/png" })]),
      code: "invalid_image",
      param: "input_reference",
      says: ["not an image", "PNG, JPEG or WebP"],
    },
    {
      what: "a reference of another image format",
      send: form({ prompt: "a cat" }, [
        "input_reference",
        new Blob([Buffer.from("GIF89a\x01\0\x01\0\0\0\0;", "latin1")]),
      ]),
      code: "invalid_image",
      param: "input_reference",
      says: ["it is gif"],
    },
    {
      what: "an image cut off in its head",
      send: form({ prompt: "a cat" }, ["input_reference", new Blob([png.subarray(0, 12)])]),
      code: "invalid_image",
      param: "input_reference",
    },
    {
      what: "an empty reference",
      send: form({ prompt: "a cat" }, ["input_reference", new Blob([])]),
      code: "invalid_image",
      param: "input_reference",
      says: ["is empty"],
    },
    {
      what: "a reference one byte too large",
      send: form({ prompt: "a cat" }, ["input_reference", padded(png, maxReferenceBytes + 1)]),
      status: 413,
      code: "body_too_large",
      param: "input_reference",
      says: [String(maxReferenceBytes)],
    },
    {
      what: "a reference of 40 MB",
      send: form({ prompt: "a cat" }, ["input_reference", padded(png, 40_000_000)]),
      status: 413,
      code: "body_too_large",
      param: "input_reference",
    },
    {
      what: "a JSON body of 40 MB",
      send: json({ prompt: "a cat", input_reference: dataUrl(new Uint8Array(30_000_000)) }),
      status: 413,
      code: "body_too_large",
    },
    {
      what: "two references",
      send: form({ prompt: "a cat" }, ["input_reference", new Blob([png])], ["input_reference", new Blob([jpeg])]),
      code: "invalid_value",
      param: "input_reference",
      says: ["given twice"],
    },
    {
      what: "a reference as a text field",
      send: form({ prompt: "a cat", input_reference: "cat.png" }),
      code: "invalid_value",
      param: "input_reference",
      says: ["must be a file"],
    },
    {
      what: "a file under another name",
      send: form({ prompt: "a cat" }, ["image", new Blob([png])]),
      code: "unknown_field",
      param: "image",
      says: ["only input_reference"],
    },
    ...[
      "cat.png",
      { image_url: "ftp://example.com/cat.png" },
      { image_url: 7 },
      {},
      "data:image/png;base64,@@@@",
      "data:image/png,abc",
      42,
      [],
    ].map((input_reference) => ({
      what: `the JSON reference ${JSON.stringify(input_reference)}`,
      send: json({ prompt: "a cat", input_reference }),
      code: "invalid_value",
      param: "input_reference",
      says: ["data:image/png;base64"],
    })),
    {
      what: "a data URL without bytes",
      send: json({ prompt: "a cat", input_reference: "data:image/png;base64," }),
      code: "invalid_image",
      param: "input_reference",
    },
  ];

  const bodies: Refusal[] = [
    ...["{", "{'prompt': 'a cat'}", '{"prompt": "a cat"} x', "prompt=a cat", '{"prompt": "a cat"'].map((text) => ({
      what: `the malformed JSON ${text}`,
      send: jsonText(text),
      code: "malformed_body",
      says: ["not valid JSON"],
    })),
    ...['[{"prompt": "a cat"}]', '"a cat"', "7", "null", "true"].map((text) => ({
      what: `JSON that is no object: ${text}`,
      send: jsonText(text),
      code: "malformed_body",
      says: ["JSON object"],
    })),
    ...["prompt", "model", "seconds", "size", "input_reference", "other"].map((name) => ({
      what: `${name} nested 100,000 levels deep`,
      send: jsonText(`{"prompt": "a cat", "${name}": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
      code: "malformed_body",
      says: ["levels deep"],
    })),
    { what: "a form without a boundary", send: multipart("", "multipart/form-data"), code: "malformed_body" },
    ...(
      [
        ["that is empty", ""],
        ["cut off in a header", "--XX\r\nContent-Disposition: form-da"],
        ["cut off in a field", '--XX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na ca'],
        [
          "cut off in a file",
          '--XX\r\nContent-Disposition: form-data; name="input_reference"; filename="a.png"\r\n\r\n\x89PNG',
        ],
        ["without its last boundary", '--XX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n'],
        ["with a header that is none", "--XX\r\nContent-Disposition\x01 form-data\r\n\r\na cat\r\n--XX--\r\n"],
        ["whose field has no name", "--XX\r\nContent-Disposition: form-data\r\n\r\na cat\r\n--XX--\r\n"],
        [
          "whose file has no name",
          '--XX\r\nContent-Disposition: form-data; filename="a.png"\r\n\r\na cat\r\n--XX--\r\n',
        ],
        [
          "in a charset that nobody knows",
          '--XX\r\nContent-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=klingon\r\n\r\na cat\r\n--XX--\r\n',
        ],
      ] as const
    ).map(([how, text]) => ({
      what: `a form ${how}`,
      send: multipart(text),
      code: "malformed_body",
    })),
    ...["text/plain", "application/x-www-form-urlencoded", "image/png", "application/jsonp", "application"].map(
      (type) => ({
        what: `the content type ${type}`,
        send: { method: "POST", body: '{"prompt": "a cat"}', headers: { "Content-Type": type } },
        status: 415,
        code: "unsupported_media_type",
        param: "Content-Type",
        says: [`"${type}"`, "multipart/form-data or application/json"],
      }),
    ),
    {
      what: "no content type",
      send: { method: "POST", body: new Uint8Array(Buffer.from('{"prompt": "a cat"}')) },
      status: 415,
      code: "unsupported_media_type",
      param: "Content-Type",
      says: ["is missing"],
    },
    {
      what: "no body at all",
      send: { method: "POST" },
      status: 415,
      code: "unsupported_media_type",
      param: "Content-Type",
    },
    ...["two words", "x".repeat(256), "", "clé"].map((key) => ({
      what: `the idempotency key ${JSON.stringify(key.slice(0, 20))} of ${key.length} characters`,
      send: withKey(json({ prompt: "a cat" }), key),
      code: "invalid_value",
      param: "Idempotency-Key",
      says: ["1 to 255 printable ASCII"],
    })),
  ];

  const all = [...models, ...lengths, ...sizes, ...prompts, ...storyboards, ...fields, ...references, ...bodies];

  test.each(all)("$what", async ({ send, status = 400, code, param = null, says = [] }) => {
    const response = await create(send);
    const error = await errorOf(response);
    expect(error).toEqual({ message: expect.any(String), type: "invalid_request_error", code, param });
    for (const words of says) expect(error.message).toContain(words);
    expect(error.message).toMatch(/[^.][.?]$/);
    expect(response.status).toBe(status);
    expect(await api.traces()).toEqual([]);
  });

  test("every mistake of a call is named at once, the first one leading", async () => {
    const response = await create(json({ prompt: "", seconds: 7, size: "1x1", colour: "red" }));
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "unknown_field", param: "colour" });
    for (const words of ['"colour"', "prompt is empty", "seconds 7", 'size "1x1"'])
      expect(error.message).toContain(words);
    expect(await api.traces()).toEqual([]);
  });

  test("a caller that goes away in the middle of its body", async () => {
    const calling = request(`${api.url}/v1/videos`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Content-Length": 100 },
    });
    const ended = once(calling, "error");
    await new Promise<void>((sent) => void calling.write('{"prompt": "a c', () => sent()));
    calling.destroy(new Error("gone"));
    await ended;
    expect((await create(json({}))).status).toBe(400);
    expect(await api.traces()).toEqual([]);
  });
});

describe("a create call that can be done", () => {
  test("has the same prompt, line by line, whether it comes as JSON or as a form", async () => {
    const prompt = "a cat\nand a dog\n\nin the rain";
    const bodies = await Promise.all(
      [create(json({ prompt })), create(form({ prompt }))].map(async (it) => videoOf(await it)),
    );
    expect(bodies.map((body) => body.prompt)).toEqual([prompt, prompt]);
  });

  test.each([
    ["only a prompt, as JSON", json({ prompt: "a cat" }), { model: "sora-2", seconds: "15", size: "720x1280" }],
    ["only a prompt, as a form", form({ prompt: "a cat" }), { model: "sora-2", seconds: "15", size: "720x1280" }],
    ["another model", json({ prompt: "a cat", model: "veo-3.1" }), { seconds: "8" }],
    ["the longest model", json({ prompt: "a cat", model: "sora-2-pro" }), { seconds: "15" }],
    ["seconds as a number", json({ prompt: "a cat", seconds: 10 }), { seconds: "10" }],
    ["seconds as text", json({ prompt: "a cat", seconds: "10" }), { seconds: "10" }],
    ["seconds in a form", form({ prompt: "a cat", seconds: "10" }), { seconds: "10" }],
    [
      "nulls",
      json({ prompt: "a cat", model: null, seconds: null, size: null, input_reference: null }),
      { seconds: "15" },
    ],
    ["a size", form({ prompt: "a cat", size: "1792x1024" }), { size: "1792x1024" }],
    [
      "an odd prompt",
      json({ prompt: 'naïve 猫 🐈 \u0000 "\\ </script>' }),
      { prompt: 'naïve 猫 🐈 \u0000 "\\ </script>' },
    ],
    ["the longest prompt", form({ prompt: "猫".repeat(maxPromptLength) }), { prompt: "猫".repeat(maxPromptLength) }],
    ["a type with a charset", jsonText('{"prompt": "a cat"}', "Application/JSON; charset=utf-8"), { prompt: "a cat" }],
    [
      "a storyboard",
      json({ prompt: "Shot 1:\nduration: 7.5sec\nScene: a cat\n\nShot 2:\nduration: 7.5 sec\nScene: a dog" }),
      { seconds: "15" },
    ],
  ])("with %s is answered with the queued video in the OpenAI shape", async (_, send, expected) => {
    const response = await create(send);
    const body = await videoOf(response);
    expect(response.status).toBe(200);
    expect(body).toMatchObject({
      id: expect.stringMatching(/^video_[0-9a-f-]{36}$/),
      object: "video",
      status: "queued",
      progress: 0,
      completed_at: null,
      expires_at: null,
      error: null,
      remixed_from_video_id: null,
      reelq: { status: "queued", version: 1, lane: `main/${body.model}`, attempts: [], file: null },
      ...expected,
    });
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(60);
    expect(await (await get(`/${body.id}`)).json()).toEqual(body);
  });

  test.each([
    ["a PNG file", form({ prompt: "a cat" }, ["input_reference", new Blob([png])]), png, "image/png"],
    ["a JPEG file", form({ prompt: "a cat" }, ["input_reference", new Blob([jpeg])]), jpeg, "image/jpeg"],
    [
      "a WebP file called a PNG",
      form({ prompt: "a cat" }, ["input_reference", new Blob([webp], { type: "image/png" })]),
      webp,
      "image/webp",
    ],
    ["a data URL", json({ prompt: "a cat", input_reference: dataUrl(png) }), png, "image/png"],
    ["an image_url", json({ prompt: "a cat", input_reference: { image_url: dataUrl(jpeg) } }), jpeg, "image/jpeg"],
  ])("with %s keeps the picture in storage, not in Redis", async (_, send, bytes, contentType) => {
    const { id } = await videoOf(await create(send));
    const video = await record(id);
    const reference = video?.request.reference;
    expect(reference).toMatchObject({ bytes: bytes.length, contentType, width: expect.any(Number) });
    const extension = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp" }[contentType];
    const kept = await api.engine.storage.head(`references/${reference?.sha256}.${extension}`);
    expect(kept?.bytes).toBe(bytes.length);
    expect(await api.engine.redis.strlen(api.engine.keys.video(id as VideoId))).toBeLessThan(2_000);
  });

  test("with a picture of exactly the largest size is accepted", async () => {
    const response = await create(form({ prompt: "a cat" }, ["input_reference", padded(png, maxReferenceBytes)]));
    expect(response.status).toBe(200);
  });

  test("is reminded of in its lane's queue", async () => {
    const { id } = await videoOf(await create(json({ prompt: "a cat in a queue" })));
    const video = await record(id);
    const queue = video && api.engine.queues.queueFor(video);
    expect(queue?.name).toBe("submit main sora-2");
    const job = await queue?.getJob(`${id}.1`);
    expect(job).toMatchObject({ name: "a cat in a queue", data: {} });
  });
});

describe("an idempotency key", () => {
  test("brings the first video again for the same request, in whatever form it comes", async () => {
    const first = await create(withKey(json({ seconds: 10, prompt: "a cat" }), "one"));
    const again = await create(withKey(form({ prompt: "a cat", seconds: "10", model: "sora-2" }), "one"));
    expect(first.headers.get("Idempotent-Replayed")).toBeNull();
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(await first.json());
  });

  test("with another request is a conflict that names the fields, and makes no video", async () => {
    const { id } = await videoOf(await create(withKey(json({ prompt: "a cat" }), "two")));
    const before = await api.traces();
    const other = withKey(json({ prompt: "a dog", seconds: 10 }), "two");
    const response = await create(other);
    const error = await errorOf(response);
    expect(response.status).toBe(409);
    expect(error).toMatchObject({ code: "idempotency_conflict", param: "Idempotency-Key" });
    expect(error.message).toContain(id);
    expect(error.message).toContain("prompt, seconds");
    expect(await api.traces()).toEqual(before);
  });

  test("used by twenty callers at once makes one video", async () => {
    const calls = Array.from({ length: 20 }, () => create(withKey(json({ prompt: "a cat" }), "three")));
    const responses = await Promise.all(calls);
    const bodies = await Promise.all(responses.map(videoOf));
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(1);
    expect(responses.filter(({ headers }) => headers.has("Idempotent-Replayed"))).toHaveLength(19);
  });

  test("tells two pictures apart", async () => {
    const withPicture = (bytes: Uint8Array<ArrayBuffer>) =>
      withKey(form({ prompt: "a cat" }, ["input_reference", new Blob([bytes])]), "four");
    expect((await create(withPicture(png))).status).toBe(200);
    const error = await errorOf(await create(withPicture(jpeg)));
    expect(error).toMatchObject({ code: "idempotency_conflict", message: expect.stringContaining("input_reference") });
  });

  test("of a remix is bound to its source", async () => {
    const [one, other] = [await api.aVideo("stored"), await api.aVideo("stored")];
    const send = withKey(json({ prompt: "at night" }), "five");
    expect((await post(`/${one.id}/remix`, send)).status).toBe(200);
    const error = await errorOf(await post(`/${other.id}/remix`, send));
    expect(error).toMatchObject({ code: "idempotency_conflict", message: expect.stringContaining("remix_of") });
  });
});

describe("a call about a video", () => {
  const unknown = "video_0199a000-0000-7000-8000-000000000000";

  test.each(
    [
      unknown,
      "video_1",
      "VIDEO_0199A000-0000-7000-8000-000000000000",
      "..%2f..%2fetc%2fpasswd",
      "%00",
      "__proto__",
      "%F0%9F%90%88",
      "x".repeat(2_000),
    ].flatMap((id) => [
      ["GET", `/${id}`] as const,
      ["GET", `/${id}/content`] as const,
      ["POST", `/${id}/cancel`] as const,
      ["POST", `/${id}/retry`] as const,
      ["POST", `/${id}/remix`] as const,
    ]),
  )("that there is not is answered with 404: %s %s", async (method, path) => {
    const send = path.endsWith("/remix") ? json({ prompt: "a cat" }) : { method };
    const response = await post(path, send);
    const error = await errorOf(response);
    expect(error).toMatchObject({ type: "invalid_request_error", code: "not_found", param: "id" });
    expect(error.message).toContain("There is no video");
    expect(response.status).toBe(404);
  });

  test("whose path cannot be decoded is answered with 400", async () => {
    const response = await get("/%ff");
    expect(await response.json()).toMatchObject({ error: { code: "malformed_body" } });
    expect(response.status).toBe(400);
  });

  test.each([
    ["remix", { prompt: "at night", seconds: 10 }, "seconds"],
    ["remix", { prompt: "at night", promt: "x" }, "promt"],
    ["remix", { prompt: "at night", model: "sora-2" }, "model"],
    ["cancel", { abandon: true, now: true }, "now"],
    ["cancel", JSON.parse('{"__proto__": true}'), "__proto__"],
    ["retry", { force: true }, "force"],
    ["resolve", { task: "x", why: "y" }, "why"],
  ])("with an unknown field is refused and changes nothing: %s %j", async (command, fields, param) => {
    const { id } = await api.aVideo("stored");
    const before = await api.traces();
    const error = await errorOf(await post(`/${id}/${command}`, json(fields)));
    expect(error).toMatchObject({ code: "unknown_field", param });
    expect(await api.traces()).toEqual(before);
  });

  test.each([
    ["cancel", '{"abandon": "yes"}', "abandon"],
    ["cancel", '{"abandon": null}', "abandon"],
    ["retry", '{"insist": 1}', "insist"],
    ["resolve", '{"task": 7}', "task"],
    ["resolve", '{"task": ""}', "task"],
    ["resolve", "{}", null],
    ["resolve", '{"task": "x", "fail": true}', null],
    ["resolve", '{"fail": false}', null],
  ])("with a value of the wrong kind is refused: %s %s", async (command, text, param) => {
    const { id } = await api.aVideo("queued");
    const response = await post(`/${id}/${command}`, jsonText(text));
    expect(await response.json()).toMatchObject({ error: { code: "invalid_value", param } });
    expect(response.status).toBe(400);
  });

  test("that is not stored yet cannot be remixed", async () => {
    for (const status of ["queued", "rendering", "failed", "cancelled"] as const) {
      const { id } = await api.aVideo(status);
      const response = await post(`/${id}/remix`, json({ prompt: "at night" }));
      const error = await errorOf(response);
      expect(error).toMatchObject({ code: "not_ready", param: "id", message: expect.stringContaining(`is ${status}`) });
      expect(response.status).toBe(409);
    }
  });

  test("that is stored is remixed by our id or by its task's, with its source's length and size", async () => {
    const source = await api.aVideo("stored");
    for (const name of [source.id, source.task.id]) {
      const body = await videoOf(await post(`/${name}/remix`, form({ prompt: "at night" })));
      expect(body).toMatchObject({
        prompt: "at night",
        remixed_from_video_id: source.id,
        seconds: "15",
        status: "queued",
      });
    }
  });

  test("takes no picture along into a remix", async () => {
    const { id } = await api.aVideo("stored");
    const send = form({ prompt: "at night" }, ["input_reference", new Blob([png])]);
    const error = await errorOf(await post(`/${id}/remix`, send));
    expect(error).toMatchObject({ code: "unknown_field", param: "input_reference" });
  });

  test("cancels it for nothing while it is queued, and again is the same", async () => {
    const { id } = await api.aVideo("queued");
    for (const send of [{ method: "POST" }, json({}), json({ abandon: false })]) {
      const body = await (await post(`/${id}/cancel`, send)).json();
      expect(body).toMatchObject({ status: "failed", error: { code: "cancelled" }, reelq: { status: "cancelled" } });
    }
  });

  test("throws a paid render away only where it says so", async () => {
    for (const status of ["rendering", "downloading"] as const) {
      const { id } = await api.aVideo(status);
      const refused = await post(`/${id}/cancel`, json({}));
      expect(await refused.json()).toMatchObject({ error: { code: "conflict", param: "abandon" } });
      expect(refused.status).toBe(409);
      expect(await (await get(`/${id}`)).json()).toMatchObject({ reelq: { status } });
      const done = await post(`/${id}/cancel`, json({ abandon: true }));
      expect(await done.json()).toMatchObject({ reelq: { status: "cancelled" } });
    }
  });

  test("cannot cancel what may have been paid for, or has ended", async () => {
    for (const status of ["submitting", "in_doubt", "stored", "failed"] as const) {
      const { id } = await api.aVideo(status);
      const response = await post(`/${id}/cancel`, json({ abandon: true }));
      expect(await response.json()).toMatchObject({ error: { code: "conflict", param: "id" } });
      expect(response.status).toBe(409);
    }
  });

  test("shows each status in the words of the OpenAI shape, with our own beside it", async () => {
    const expected = {
      queued: "queued",
      submitting: "queued",
      in_doubt: "queued",
      rendering: "in_progress",
      downloading: "in_progress",
      stored: "completed",
      failed: "failed",
      cancelled: "failed",
    } as const;
    for (const [status, word] of Object.entries(expected) as [keyof typeof expected, string][]) {
      const { id } = await api.aVideo(status);
      const body = await videoOf(await get(`/${id}`));
      expect(body).toMatchObject({ status: word, progress: status === "stored" ? 100 : 0, reelq: { status } });
      expect(body.error === null).toBe(word !== "failed");
      expect(body.completed_at === null).toBe(status !== "stored");
    }
  });
});

describe("the list", () => {
  let listed: TestApi;
  const made: string[] = [];

  beforeAll(async () => {
    listed = await startTestApi({ redisUrl: redis.url });
    for (const status of ["queued", "rendering", "stored", "failed", "cancelled", "in_doubt", "queued"] as const)
      made.push((await listed.aVideo(status)).id);
  });
  afterAll(() => listed.close());

  const list = async (query: string): Promise<VideoListBody> =>
    (await fetch(`${listed.url}/v1/videos${query}`)).json() as Promise<VideoListBody>;

  async function walk(order: string): Promise<string[]> {
    const seen: string[] = [];
    for (let after = ""; ; after = `&after=${seen.at(-1)}`) {
      const page = await list(`?limit=3&order=${order}${after}`);
      expect(page).toMatchObject({ object: "list", first_id: page.data[0]?.id, last_id: page.data.at(-1)?.id });
      seen.push(...page.data.map(({ id }) => id));
      if (!page.has_more) return seen;
    }
  }

  test("is walked page by page, the newest first or the oldest first, each video once", async () => {
    expect(await walk("asc")).toEqual(made);
    expect(await walk("desc")).toEqual(made.toReversed());
    expect((await list("")).data.map(({ id }) => id)).toEqual(made.toReversed());
  });

  test("ends with an empty page after the last one", async () => {
    expect(await list(`?after=${made[0]}`)).toEqual({
      object: "list",
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
    });
  });

  test.each([
    ["queued", [6, 5, 0]],
    ["in_progress", [1]],
    ["completed", [2]],
    ["failed", [4, 3]],
    ["cancelled", [4]],
    ["in_doubt", [5]],
    ["submitting", []],
  ])("shows only the %s ones where asked to", async (status, indexes) => {
    const { data } = await list(`?status=${status}`);
    expect(data.map(({ id }) => id)).toEqual(indexes.map((index) => made[index]));
  });

  test.each([
    ["after=video_1", "after", "video_1"],
    ["after=", "after", '""'],
    ["limit=0", "limit", "1 to 100"],
    ["limit=101", "limit", "1 to 100"],
    ["limit=-1", "limit", "1 to 100"],
    ["limit=2.5", "limit", "1 to 100"],
    ["limit=ten", "limit", '"ten"'],
    ["limit=", "limit", '""'],
    ["limit=1e2", "limit", "1 to 100"],
    ["order=newest", "order", "asc or desc"],
    ["order=ASC", "order", "asc or desc"],
    ["status=done", "status", "queued, in_progress, completed, failed"],
    ["status=__proto__", "status", "allowed"],
    ["status=", "status", "allowed"],
    ["limit=1&limit=2", "limit", "given twice"],
    ["status=queued&status=failed", "status", "given twice"],
    ["after=a&after=b", "after", "given twice"],
    ["order=asc&order=asc", "order", "given twice"],
  ])("refuses ?%s", async (query, param, words) => {
    const response = await fetch(`${listed.url}/v1/videos?${query}`);
    const error = await errorOf(response);
    expect(error).toMatchObject({ type: "invalid_request_error", code: "invalid_value", param });
    expect(error.message).toContain(words);
    expect(response.status).toBe(400);
  });
});

const create = (send: RequestInit): Promise<Response> => post("", send);
const post = (path: string, send: RequestInit): Promise<Response> => fetch(`${api.url}/v1/videos${path}`, send);
const record = (id: string): Promise<Video | undefined> => api.engine.ledger.read(id as VideoId);
const get = (path: string): Promise<Response> => fetch(`${api.url}/v1/videos${path}`);

const json = (fields: Readonly<Record<string, unknown>>): RequestInit => jsonText(JSON.stringify(fields));

function jsonText(text: string, type = "application/json"): RequestInit {
  return { method: "POST", body: text, headers: { "Content-Type": type } };
}

function form(fields: Readonly<Record<string, string>>, ...more: (readonly [string, string | Blob])[]): RequestInit {
  const body = new FormData();
  for (const [name, value] of [...Object.entries(fields), ...more]) {
    if (typeof value === "string") body.append(name, value);
    else body.append(name, value, "picture");
  }
  return { method: "POST", body };
}

function multipart(text: string, type = "multipart/form-data; boundary=XX"): RequestInit {
  return { method: "POST", body: new Uint8Array(Buffer.from(text, "latin1")), headers: { "Content-Type": type } };
}

function withKey(send: RequestInit, key: string): RequestInit {
  return { ...send, headers: { ...(send.headers as Record<string, string>), "Idempotency-Key": key } };
}

const dataUrl = (bytes: Uint8Array): string => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;

function padded(bytes: Uint8Array<ArrayBuffer>, length: number): Blob {
  return new Blob([bytes, new Uint8Array(length - bytes.length)]);
}
