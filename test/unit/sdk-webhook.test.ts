import { createHmac, randomBytes } from "node:crypto";
import { verifyWebhook, type WebhookHeaders, WebhookVerificationError } from "@reelq/sdk";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";

const aSecret = (bytes = 32): string => `whsec_${randomBytes(bytes).toString("base64")}`;
const secret = aSecret();
const sentAt = 1_800_000_000;
const now = () => sentAt * 1000;
const id = "evt_1732_0";
const body = JSON.stringify({ id, object: "event", type: "video.completed", data: { prompt: "a naïve cat 🐈" } });

/** Signs by Node's own means: what the SDK is held against. */
const sign = (signed: string | Uint8Array, by = secret, at = String(sentAt)): string => {
  const hmac = createHmac("sha256", Buffer.from(by.replace("whsec_", ""), "base64"));
  return `v1,${hmac.update(`${id}.${at}.`).update(signed).digest("base64")}`;
};

const headersOf = (signature: string, at = String(sentAt)) => ({
  "webhook-id": id,
  "webhook-timestamp": at,
  "webhook-signature": signature,
});
const headers = headersOf(sign(body));

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`It was believed: ${JSON.stringify(value)}`)),
    (error: unknown) => {
      expect(error).toBeInstanceOf(WebhookVerificationError);
      return (error as WebhookVerificationError).code;
    },
  );

describe("a message that is signed as it should be", () => {
  test("is its event, as text and as bytes", async () => {
    const event = await verifyWebhook(body, headers, secret, { now });
    expect(event).toEqual(JSON.parse(body));
    expect(await verifyWebhook(new TextEncoder().encode(body), headers, secret, { now })).toEqual(event);
    // A server's buffers are parts of larger ones.
    expect(await verifyWebhook(Buffer.from(`--${body}`).subarray(2), headers, secret, { now })).toEqual(event);
  });

  test("by the library of Standard Webhooks is believed", async () => {
    const at = new Date();
    const signature = new Webhook(secret).sign(id, at, body);
    const told = headersOf(signature, String(Math.floor(at.getTime() / 1000)));
    expect(await verifyWebhook(body, told, secret)).toMatchObject({ type: "video.completed" });
  });

  test.each<[string, WebhookHeaders]>([
    ["Headers", new Headers(headers)],
    ["a Map", new Map(Object.entries(headers))],
    ["names in capitals", { "Webhook-Id": id, "WEBHOOK-TIMESTAMP": String(sentAt), "Webhook-Signature": sign(body) }],
    ["arrays", { ...headers, "webhook-signature": [sign(body)], "webhook-id": [id] }],
    ["others between them", { host: "here", "set-cookie": ["a", "b"], nothing: undefined, ...headers }],
    ["two signatures, the first an old secret's", headersOf(`${sign(body, aSecret())} ${sign(body)}`)],
    ["two signatures in two headers", { ...headers, "webhook-signature": [sign(body, aSecret()), sign(body)] }],
    ["signatures of other versions", headersOf(`v1a,${"A".repeat(88)} ${sign(body)} v2,?`)],
  ])("is believed with %s", async (_, given) => {
    expect(await verifyWebhook(body, given, secret, { now })).toMatchObject({ id });
  });

  test("is believed with two headers that were joined to one", async () => {
    const joined = new Headers(headersOf(sign(body, aSecret())));
    joined.append("webhook-signature", sign(body));
    expect(joined.get("webhook-signature")).toContain(", ");
    expect(await verifyWebhook(body, joined, secret, { now })).toMatchObject({ id });
  });

  test("is believed with any of several secrets, with or without its beginning", async () => {
    expect(await verifyWebhook(body, headers, [aSecret(), secret], { now })).toMatchObject({ id });
    expect(await verifyWebhook(body, headers, secret.replace("whsec_", ""), { now })).toMatchObject({ id });
  });

  test.each([-300, 300])("is believed up to the tolerance: %i s", async (seconds) => {
    const clock = () => (sentAt + seconds) * 1000;
    expect(await verifyWebhook(body, headers, secret, { now: clock })).toMatchObject({ id });
  });
});

describe("a message is not believed", () => {
  test.each(["webhook-id", "webhook-timestamp", "webhook-signature"])("without %s", async (name) => {
    const { [name as keyof typeof headers]: _, ...rest } = headers;
    expect(await codeOf(verifyWebhook(body, rest, secret, { now }))).toBe("missing_header");
    expect(await codeOf(verifyWebhook(body, { ...headers, [name]: "" }, secret, { now }))).toBe("missing_header");
    expect(await codeOf(verifyWebhook(body, new Headers(rest), secret, { now }))).toBe("missing_header");
  });

  test.each(["yesterday", "1.5", "-1", "0x10", "1e9", "9".repeat(40)])("with the timestamp %s", async (at) => {
    const told = headersOf(sign(body, secret, at), at);
    expect(await codeOf(verifyWebhook(body, told, secret, { now }))).toBe("bad_timestamp");
  });

  test("too late or too early, by its own measure", async () => {
    const at = (seconds: number, toleranceSeconds?: number) =>
      codeOf(verifyWebhook(body, headers, secret, { now: () => (sentAt + seconds) * 1000, toleranceSeconds }));
    expect(await at(301)).toBe("too_old");
    expect(await at(-301)).toBe("too_new");
    expect(await at(11, 10)).toBe("too_old");
  });

  test.each([
    ["another body", body.replace("completed", "cancelled"), headers, secret],
    ["one blank more", `${body} `, headers, secret],
    ["another secret", body, headers, aSecret()],
    ["another id", body, { ...headers, "webhook-id": "evt_1_0" }, secret],
    ["another time", body, { ...headers, "webhook-timestamp": String(sentAt + 1) }, secret],
    ["a signature cut short", body, headersOf(sign(body).slice(0, -8)), secret],
    ["a signature that goes on", body, headersOf(`${sign(body).slice(0, -1)}A`), secret],
    ["an empty signature", body, headersOf("v1,"), secret],
    ["a signature that is no base64", body, headersOf("v1,?*?"), secret],
    ["a signature of another version only", body, headersOf(sign(body).replace("v1", "v1a")), secret],
  ])("with %s", async (_, given, told, by) => {
    expect(await codeOf(verifyWebhook(given, told, by, { now }))).toBe("bad_signature");
  });

  test.each([["whsec_"], [""], ["whsec_?*?"], [[]], [[secret, ""]]])("by the secret %j", async (by) => {
    expect(await codeOf(verifyWebhook(body, headers, by, { now }))).toBe("bad_secret");
  });

  test.each<[string, string | Uint8Array]>([
    ["text", "hello"],
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["an object of another kind", '{"id":"evt_1_0"}'],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ])("where what is signed is %s", async (_, given) => {
    expect(await codeOf(verifyWebhook(given, headersOf(sign(given)), secret, { now }))).toBe("bad_body");
  });
});
