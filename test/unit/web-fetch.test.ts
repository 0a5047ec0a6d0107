import { generateKeyPairSync, sign } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { openWeb, type Target, type WebOptions } from "@reelq/web";
import { describe, expect, onTestFinished, test } from "vitest";

const publicAddress = "93.184.215.14";
const otherPublic = "93.184.215.15";
const silentAddress = "93.184.215.16";
const picture = Buffer.from("a picture");
const limits = { maxBytes: 1000, timeoutMs: 5000 };
// For what is sure to take for ever.
const briefly = { maxBytes: 1000, timeoutMs: 100 };
const message = { headers: { "content-type": "application/json" }, body: "{}", timeoutMs: 5000 };
const trusted = certificateFor("images.example");
const givesPicture: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": "image/png" });
  response.end(picture);
};

describe("a name", () => {
  test("is resolved once, and its judged address is what is connected to, with the name kept", async () => {
    const bench = await aBench(givesPicture, { "images.example": [[publicAddress], ["10.0.0.1"], ["10.0.0.1"]] });
    const got = await bench.web.get("https://images.example:8443/a.png?b=c#d", limits);
    expect(got).toEqual({
      bytes: picture,
      contentType: "image/png",
      url: "https://images.example:8443/a.png?b=c",
    });
    expect(bench.asked).toEqual(["images.example"]);
    expect(bench.dialled).toEqual([{ address: publicAddress, family: 4, port: 8443 }]);
    expect(bench.seen[0]?.headers.host).toBe("images.example:8443");
    expect(bench.serverNames).toEqual(["images.example"]);
  });

  test("is asked for anew by the next call, which a name bound elsewhere meanwhile does not pass", async () => {
    const bench = await aBench(givesPicture, { "images.example": [[publicAddress], ["10.0.0.1"]] });
    await bench.web.get("https://images.example/", limits);
    await expect(bench.web.get("https://images.example/", limits)).rejects.toMatchObject({ code: "private_address" });
    await expect(bench.web.post("https://images.example/", message)).rejects.toMatchObject({ code: "private_address" });
    expect(bench.dialled).toHaveLength(1);
    expect(bench.connections()).toBe(1);
  });

  test("gets a connection of its own in every call", async () => {
    const bench = await aBench(givesPicture, { "images.example": [[publicAddress]] });
    for (let call = 0; call < 3; call += 1) await bench.web.get("https://images.example/", limits);
    expect(bench.connections()).toBe(3);
    expect(bench.seen.map(({ headers }) => headers.connection)).toEqual(["close", "close", "close"]);
  });

  test.each([
    [["10.0.0.1"]],
    [["::1"]],
    [["fe80::1%eth0"]],
    [["::ffff:169.254.169.254"]],
    [["64:ff9b::a00:1"]],
    [["0.0.0.0"]],
    [["not an address"]],
    [[publicAddress, "10.0.0.1"]],
    [["10.0.0.1", publicAddress]],
    [["2606:4700::1111", publicAddress, otherPublic, "93.184.215.18", "93.184.215.17", "fd00::1"]],
  ])("with the addresses %j is refused before any connection, and they are not told", async (addresses) => {
    const bench = await aBench(givesPicture, { "images.example": [addresses] });
    for (const refused of [
      await errorOf(bench.web.get("https://images.example/", limits)),
      await errorOf(bench.web.post("https://images.example/", message)),
    ]) {
      expect(refused).toMatchObject({ name: "WebError", code: "private_address", host: "images.example" });
      expect(refused.message).toBe(
        "images.example resolves to an address that is not public; use one that is, or let the operator allow it with REELQ_ALLOW_ADDRESSES.",
      );
    }
    expect(bench.dialled).toEqual([]);
  });

  test("whose socket is led to another address gets no byte", async () => {
    const received: Buffer[] = [];
    const server = createTcpServer((socket) => socket.on("data", (chunk) => received.push(chunk)));
    const port = await listening(server);
    const web = openWeb({
      resolve: async () => [{ address: publicAddress, family: 4 }],
      connect: () => connect(port, "127.0.0.1"),
    });
    expect(await errorOf(web.get("https://images.example/", limits))).toMatchObject({ code: "private_address" });
    expect(await errorOf(web.post("https://images.example/", message))).toMatchObject({ code: "private_address" });
    await closed(server);
    expect(received).toEqual([]);
  });

  test("without addresses is told so", async () => {
    const bench = await aBench(givesPicture, { "empty.example": [[]] });
    for (const host of ["empty.example", "unknown.example"]) {
      expect(await errorOf(bench.web.get(`https://${host}/`, limits))).toMatchObject({ code: "unresolvable", host });
    }
  });

  test("whose resolver is silent ends with the deadline", async () => {
    const web = openWeb({ resolve: () => new Promise(() => undefined), connect: refuses });
    expect(await errorOf(web.get("https://images.example/", briefly))).toMatchObject({ code: "timeout" });
  });

  test("is tried at its next address where one takes no connection", async () => {
    const bench = await aBench(givesPicture, { "images.example": [["93.184.215.99", "2606:4700::99", publicAddress]] });
    expect((await bench.web.get("https://images.example/", limits)).bytes).toEqual(picture);
    expect(bench.dialled.map(({ address, family }) => [address, family])).toEqual([
      ["93.184.215.99", 4],
      ["2606:4700::99", 6],
      [publicAddress, 4],
    ]);
  });

  test("is tried at its next address where one is silent for three seconds, and no longer than the deadline", async () => {
    const bench = await aBench(givesPicture, { "images.example": [[silentAddress, publicAddress], [silentAddress]] });
    expect((await bench.web.get("https://images.example/", limits)).bytes).toEqual(picture);
    expect(await errorOf(bench.web.get("https://images.example/", briefly))).toMatchObject({ code: "timeout" });
    expect(bench.dialled.map(({ address }) => address)).toEqual([silentAddress, publicAddress, silentAddress]);
  });

  test("is tried at four addresses and no more", async () => {
    const many = Array.from({ length: 200 }, (_, index) => `93.184.216.${index}`);
    const bench = await aBench(givesPicture, { "images.example": [many] });
    const refused = await errorOf(bench.web.get("https://images.example/", limits));
    expect(refused).toMatchObject({ code: "unreachable", host: "images.example" });
    expect(refused.message).toContain("(ECONNREFUSED)");
    expect(refused.message).not.toContain("93.184");
    expect(bench.dialled).toHaveLength(4);
  });

  test("is resolved by the system where nothing else is said", async () => {
    const port = await aTcpServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    const url = `http://localhost:${port}/`;
    const web = openWeb({ allow: ["127.0.0.0/8", "::1"] });
    expect(await web.get(url, limits)).toMatchObject({ url, contentType: undefined });
    const other = openWeb({ allow: ["10.0.0.0/8"] });
    expect(await errorOf(other.get(url, limits))).toMatchObject({ code: "private_address" });
  });

  test("is no way around https, also where an address is allowed", async () => {
    const bench = await aBench(
      givesPicture,
      {
        "images.example": [[publicAddress]],
        "mixed.example": [["127.0.0.1", publicAddress]],
        "here.example": [["127.0.0.1"]],
      },
      { allow: ["127.0.0.1"] },
    );
    expect(await errorOf(bench.web.get("http://images.example/", limits))).toMatchObject({ code: "not_https" });
    expect(await errorOf(bench.web.get("http://mixed.example/", limits))).toMatchObject({ code: "not_https" });
    expect(bench.dialled).toEqual([]);
    expect((await bench.web.get("http://here.example/", limits)).bytes).toEqual(picture);
    expect(bench.seen[0]?.headers.host).toBe("here.example");
  });
});

describe("TLS", () => {
  test.each([
    ["is for another name", certificateFor("other.example"), true],
    ["is for the address and not the name", certificateFor(undefined, [93, 184, 215, 14]), true],
    ["nobody has signed", trusted, false],
    ["is out of date", certificateFor("images.example", undefined, "200101000000Z"), true],
  ])("ends where the certificate %s", async (_what, certificate, isTrusted) => {
    const bench = await aBench(
      givesPicture,
      { "images.example": [[publicAddress]] },
      { ca: isTrusted ? certificate.cert : certificateFor("root.example").cert },
      certificate,
    );
    const refused = await errorOf(bench.web.get("https://images.example/", limits));
    expect(refused).toMatchObject({ code: "tls", host: "images.example" });
    expect(refused.message).not.toContain("93.184");
    expect(bench.seen).toEqual([]);
  });

  test("is asked of an address by its own certificate", async () => {
    const certificate = certificateFor(undefined, [93, 184, 215, 14]);
    const bench = await aBench(givesPicture, {}, { ca: certificate.cert }, certificate);
    expect((await bench.web.get(`https://${publicAddress}/`, limits)).bytes).toEqual(picture);
    expect(bench.asked).toEqual([]);
    expect(await errorOf(bench.web.get(`https://${otherPublic}/`, limits))).toMatchObject({ code: "tls" });
  });

  test("that never comes ends with the deadline", async () => {
    const port = await aTcpServer(() => undefined);
    const web = openWeb({ allow: ["127.0.0.1"] });
    expect(await errorOf(web.get(`https://127.0.0.1:${port}/`, briefly))).toMatchObject({ code: "timeout" });
  });

  test("is not spoken by a server of another kind", async () => {
    const port = await aTcpServer((socket) => socket.end("220 mail.example ESMTP\r\n"));
    const web = openWeb({ allow: ["127.0.0.1"] });
    expect(await errorOf(web.get(`https://127.0.0.1:${port}/`, limits))).toMatchObject({ code: "tls" });
  });
});

describe("a redirect", () => {
  const names = {
    "images.example": [[publicAddress]],
    "cdn.example": [[otherPublic]],
    "inside.example": [["10.0.0.1"]],
  };

  /** Goes from each path to the next. */
  const through =
    (places: Readonly<Record<string, string>>, status = 302): RequestListener =>
    (request, response) => {
      const location = places[request.url ?? ""];
      if (location === undefined) return givesPicture(request, response);
      response.writeHead(status, { location, "set-cookie": "a=b" });
      response.end("moved");
    };

  test.each([301, 302, 303, 307, 308])("with %i is followed, on a new connection to the new name", async (status) => {
    const bench = await aBench(through({ "/a": "/b", "/b": "https://cdn.example/c#d" }, status), names);
    const got = await bench.web.get("https://images.example/a", { ...limits, accept: "image/*" });
    expect(got).toMatchObject({ bytes: picture, url: "https://cdn.example/c" });
    expect(bench.dialled.map(({ address }) => address)).toEqual([publicAddress, publicAddress, otherPublic]);
    expect(bench.serverNames).toEqual(["images.example", "images.example", "cdn.example"]);
    expect(bench.seen.map(({ method, headers }) => [method, headers])).toEqual(
      ["images.example", "images.example", "cdn.example"].map((host) => [
        "GET",
        { host, connection: "close", accept: "image/*", "accept-encoding": "identity", "user-agent": "reelq" },
      ]),
    );
  });

  test.each([
    ["https://127.0.0.1/", "private_address"],
    ["https://2130706433/", "private_address"],
    ["//[::1]/", "private_address"],
    ["https://[::ffff:a9fe:a9fe]/latest/meta-data/", "private_address"],
    ["https://inside.example/", "private_address"],
    ["https://localhost/", "private_address"],
    ["https://unknown.example/", "unresolvable"],
    ["http://images.example/", "not_https"],
    ["file:///etc/passwd", "not_https"],
    ["data:image/png;base64,AAAA", "not_https"],
    ["https://me:secret@cdn.example/", "has_credentials"],
    ["https://cdn.example:0/", "bad_port"],
    ["https://[/", "invalid_url"],
    [`/${"a".repeat(10_000)}`, "invalid_url"],
  ])("to %s is refused as %s, at the first hop and at the third", async (place, code) => {
    const bench = await aBench(through({ "/1": "/2", "/2": "https://cdn.example/3", "/3": place }), names);
    for (const path of ["/3", "/1"]) {
      expect(await errorOf(bench.web.get(`https://images.example${path}`, limits))).toMatchObject({ code });
    }
    expect(bench.seen.map(({ url }) => url)).toEqual(["/3", "/1", "/2", "/3"]);
    expect(bench.connections()).toBe(4);
  });

  test("back to a name that is bound elsewhere meanwhile is refused", async () => {
    const bench = await aBench(through({ "/a": "/b" }), { "images.example": [[publicAddress], ["10.0.0.1"]] });
    const refused = await errorOf(bench.web.get("https://images.example/a", limits));
    expect(refused).toMatchObject({ code: "private_address" });
    expect(bench.asked).toHaveLength(2);
    expect(bench.dialled).toHaveLength(1);
  });

  test("from https to http is refused, also to an address that is allowed", async () => {
    const allowed = { allow: ["127.0.0.1"] };
    const bench = await aBench(through({ "/a": "http://127.0.0.1/b" }), names, allowed);
    expect(await errorOf(bench.web.get("https://images.example/a", limits))).toMatchObject({ code: "not_https" });
    expect(bench.dialled).toHaveLength(1);
  });

  test("that leads in a circle ends after three, or as many as are asked for", async () => {
    const bench = await aBench(through({ "/a": "/b", "/b": "/a" }), names);
    const url = "https://images.example/a";
    expect(await errorOf(bench.web.get(url, limits))).toMatchObject({ code: "too_many_redirects" });
    expect(bench.seen).toHaveLength(4);
    expect(await errorOf(bench.web.get(url, { ...limits, maxRedirects: 0 }))).toMatchObject({
      code: "too_many_redirects",
    });
    expect(bench.seen).toHaveLength(5);
  });

  test("without a place is no answer", async () => {
    const bench = await aBench((_request, response) => response.writeHead(302).end(), names);
    const refused = await errorOf(bench.web.get("https://images.example/a", limits));
    expect(refused).toMatchObject({ code: "bad_status", status: 302 });
  });

  test("with an endless body is followed without reading it", async () => {
    const bench = await aBench((request, response) => {
      if (request.url !== "/a") return givesPicture(request, response);
      response.writeHead(302, { location: "/b" });
      pour(response);
    }, names);
    expect((await bench.web.get("https://images.example/a", limits)).bytes).toEqual(picture);
  });

  test("has no time of its own", async () => {
    const bench = await aBench((request, response) => {
      if (request.url === "/a") response.writeHead(302, { location: "/b" }).end();
    }, names);
    expect(await errorOf(bench.web.get("https://images.example/a", briefly))).toMatchObject({ code: "timeout" });
    expect(bench.seen.map(({ url }) => url)).toEqual(["/a", "/b"]);
  });
});

describe("a reply", () => {
  const web = openWeb({ allow: ["127.0.0.1"] });

  const refusalOf = async (says: (socket: Socket) => void, options = limits) =>
    errorOf(web.get(`http://127.0.0.1:${await aTcpServer(says)}/`, options));
  const ok = "HTTP/1.1 200 OK\r\n";

  test.each([
    ["whose headers never come", () => undefined],
    ["whose headers trickle", (socket: Socket) => trickle(socket, `${ok}x-a: `)],
    ["whose body trickles", (socket: Socket) => trickle(socket, `${ok}content-length: 900\r\n\r\n`)],
    ["whose body never ends", (socket: Socket) => socket.write(`${ok}\r\nabc`)],
    ["that is only a promise", (socket: Socket) => trickle(socket, "", "HTTP/1.1 102 Processing\r\n\r\n")],
    [
      "that never says how long a chunk is",
      (socket: Socket) => trickle(socket, `${ok}transfer-encoding: chunked\r\n\r\n1;`),
    ],
  ])("%s ends with the deadline", async (_what, says) => {
    expect(await refusalOf(says, briefly)).toMatchObject({ code: "timeout" });
  });

  test("is refused by the length that it says, before its body", async () => {
    const says = (socket: Socket) => socket.write(`${ok}content-length: 1001\r\n\r\n`);
    expect(await refusalOf(says)).toMatchObject({ code: "too_large" });
  });

  test.each([
    ["without a length", `${ok}\r\n`],
    ["in chunks", `${ok}transfer-encoding: chunked\r\n\r\n3e9\r\n`],
  ])("is refused by what is counted, %s", async (_how, head) => {
    expect(await refusalOf((socket) => socket.write(head + "a".repeat(1001)))).toMatchObject({ code: "too_large" });
  });

  test("that is endless is cut", async () => {
    const says = (socket: Socket) => {
      socket.write(`${ok}\r\n`);
      pour(socket);
    };
    expect(await refusalOf(says, { maxBytes: 1_000_000, timeoutMs: 5000 })).toMatchObject({ code: "too_large" });
  });

  test("of just as many bytes as are allowed is taken", async () => {
    const says = (socket: Socket) => socket.end(`${ok}content-length: 1000\r\n\r\n${"a".repeat(1000)}`);
    const got = await web.get(`http://127.0.0.1:${await aTcpServer(says)}/`, limits);
    expect(got).toMatchObject({ contentType: undefined });
    expect(got.bytes).toHaveLength(1000);
  });

  test("is no longer than it says", async () => {
    const says = (socket: Socket) => socket.write(`${ok}content-length: 3\r\n\r\nabcdefHTTP/1.1 200 OK\r\n\r\n`);
    const outcome = await web.get(`http://127.0.0.1:${await aTcpServer(says)}/`, limits).catch(String);
    if (typeof outcome !== "string") expect(Buffer.from(outcome.bytes).toString()).toBe("abc");
    else expect(outcome).toContain("ended the connection");
  });

  test.each([
    ["before a byte", (socket: Socket) => socket.end()],
    ["by a reset", (socket: Socket) => socket.resetAndDestroy()],
    ["within its headers", (socket: Socket) => socket.end(`${ok}content-le`)],
    ["before the length that it says", (socket: Socket) => socket.end(`${ok}content-length: 9\r\n\r\nabc`)],
    ["within a chunk", (socket: Socket) => socket.end(`${ok}transfer-encoding: chunked\r\n\r\n9\r\nabc`)],
    ["before its last chunk", (socket: Socket) => socket.end(`${ok}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`)],
    ["for another language", (socket: Socket) => socket.end("+PONG\r\n-ERR\r\n")],
    ["for two lengths", (socket: Socket) => socket.end(`${ok}content-length: 1\r\ncontent-length: 3\r\n\r\nabc`)],
    [
      "for another protocol",
      (socket: Socket) => socket.write("HTTP/1.1 101 Hi\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ],
  ])("that breaks off %s is no reply", async (_when, says) => {
    let isAnswered = false;
    const refused = await refusalOf((socket) => {
      if (!isAnswered) says(socket);
      isAnswered = true;
    });
    expect(refused).toMatchObject({ code: "unreachable" });
    expect(refused.message).toMatch(/^127\.0\.0\.1:\d+ ended the connection before its reply was whole/);
  });

  test.each([
    ["one", `x-a: ${"a".repeat(20_000)}\r\n`],
    ["many", "x-a: b\r\n".repeat(5000)],
  ])("with %s header of many bytes is refused", async (_how, lines) => {
    const says = (socket: Socket) => socket.write(`${ok}${lines}\r\n`);
    expect(await refusalOf(says)).toMatchObject({ code: "too_large" });
  });

  test.each([
    ["content-encoding", "gzip"],
    ["content-encoding", "br"],
    ["content-encoding", "GZIP, identity"],
    ["transfer-encoding", "gzip, chunked"],
  ])("that is packed is refused and never unpacked: %s: %s", async (name, value) => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const says = (socket: Socket) => socket.write(`${ok}${name}: ${value}\r\n\r\n${bomb.toString("latin1")}`, "latin1");
    expect(await refusalOf(says, { maxBytes: 1_000_000, timeoutMs: 5000 })).toMatchObject({ code: "encoded" });
  });

  test("may say that it is not packed", async () => {
    const says = (socket: Socket) => socket.end(`${ok}content-encoding: identity\r\ncontent-length: 2\r\n\r\nok`);
    const got = await web.get(`http://127.0.0.1:${await aTcpServer(says)}/`, limits);
    expect(Buffer.from(got.bytes).toString()).toBe("ok");
  });

  test.each([304, 400, 401, 404, 429, 500])("of HTTP %i is none", async (status) => {
    const says = (socket: Socket) => socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    expect(await refusalOf(says)).toMatchObject({ code: "bad_status", status });
  });

  test("is not waited for once the caller gives up", async () => {
    let call = new AbortController();
    const url = `http://127.0.0.1:${await aTcpServer(() => call.abort(new Error("given up")))}/`;
    await expect(web.get(url, { ...limits, signal: call.signal })).rejects.toThrow("given up");
    call = new AbortController();
    await expect(web.post(url, { ...message, signal: call.signal })).rejects.toThrow("given up");
    const bench = await aBench(givesPicture, {});
    const again = bench.web.get(`https://${publicAddress}/`, { ...limits, signal: call.signal });
    await expect(again).rejects.toThrow("given up");
    expect(bench.dialled).toEqual([]);
  });

  test("is not there where nothing listens", async () => {
    const server = createTcpServer();
    const port = await listening(server);
    await closed(server);
    const refused = await errorOf(web.get(`http://127.0.0.1:${port}/`, limits));
    expect(refused).toMatchObject({ code: "unreachable", host: `127.0.0.1:${port}` });
  });
});

describe("a POST", () => {
  const web = openWeb({
    allow: ["127.0.0.1"],
    now: () => Date.UTC(2026, 10, 22, 12, 0, 0),
    // Replies name other places here, to which nothing may go whatever is broken.
    connect: ({ address, port }) => (address === "127.0.0.1" ? connect(port, address) : refuses()),
  });
  const answerOf = async (says: (socket: Socket) => void, options: Partial<typeof message> = {}) =>
    web.post(`http://127.0.0.1:${await aTcpServer(says)}/hook`, { ...message, ...options });

  test("sends its body once, with its own headers and nothing else", async () => {
    const bodies: string[] = [];
    const bench = await aBench(
      (request, response) => {
        request.setEncoding("utf8").on("data", (chunk: string) => bodies.push(chunk));
        request.on("end", () => response.writeHead(200, { "set-cookie": "a=b" }).end("thanks"));
      },
      { "hooks.example": [[publicAddress]] },
    );
    const body = '{"type":"video.completed"}';
    const headers = { "content-type": "application/json", "webhook-id": "evt_1-0" };
    for (let time = 0; time < 2; time += 1) {
      expect(await bench.web.post("https://hooks.example/in?a=b", { headers, body, timeoutMs: 5000 })).toEqual({
        status: 200,
        body: "thanks",
      });
    }
    expect(bodies).toEqual([body, body]);
    expect(bench.connections()).toBe(2);
    expect(bench.seen[1]).toMatchObject({ method: "POST", url: "/in?a=b" });
    expect(bench.seen[1]?.headers).toEqual({
      ...headers,
      host: "hooks.example",
      connection: "close",
      "content-length": "26",
      "accept-encoding": "identity",
      "user-agent": "reelq",
    });
  });

  test.each([204, 302, 307, 400, 410, 429, 503])("is answered by any status: %i", async (status) => {
    const says = (socket: Socket) =>
      socket.end(`HTTP/1.1 ${status} Well\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n`);
    expect(await answerOf(says)).toEqual({ status, body: "" });
  });

  test.each([
    ["120", 120_000],
    [" 0 ", 0],
    ["99999999999999999999", 86_400_000],
    ["Sun, 22 Nov 2026 12:00:30 GMT", 30_000],
    ["Sun, 22 Nov 2026 11:00:00 GMT", 0],
    ["Sun, 22 Nov 2099 11:00:00 GMT", 86_400_000],
    ["-5", undefined],
    ["soon", undefined],
    ["2026", 2_026_000],
    ["Sun, 99 Nov 2026 12:00:30 GMT", undefined],
  ])("is told to come back later: %s", async (value, retryAfterMs) => {
    const says = (socket: Socket) =>
      socket.end(`HTTP/1.1 503 Later\r\nretry-after: ${value}\r\ncontent-length: 0\r\n\r\n`);
    expect((await answerOf(says)).retryAfterMs).toBe(retryAfterMs);
  });

  test("is answered with a status, whatever becomes of the body", async () => {
    const ok = "HTTP/1.1 200 OK\r\n";
    const endless = (socket: Socket) => {
      socket.write(`${ok}\r\n`);
      pour(socket);
    };
    expect(await answerOf(endless)).toEqual({ status: 200, body: "x".repeat(1024) });
    const broken = (socket: Socket) => socket.end(`${ok}content-length: 9\r\n\r\nabc`);
    expect(await answerOf(broken)).toEqual({ status: 200, body: "abc" });
    const stuck = (socket: Socket) => socket.write(`${ok}content-length: 9\r\n\r\nabc`);
    expect(await answerOf(stuck, { timeoutMs: 200 })).toEqual({ status: 200, body: "abc" });
    const packed = (socket: Socket) => socket.end(`${ok}content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc`);
    expect(await answerOf(packed)).toEqual({ status: 200, body: "" });
    const cut = (socket: Socket) => socket.end(`${ok}\r\n${"a".repeat(1023)}ü`);
    expect(await answerOf(cut)).toEqual({ status: 200, body: "a".repeat(1023) });
  });

  test("that no HTTP can carry is a mistake of ours, and leaves no connection open", async () => {
    const headers = { "x-a": "b\r\nhost: inside.example" };
    const refused = await errorOf(answerOf(() => undefined, { headers: { ...message.headers, ...headers } }));
    expect(refused).toMatchObject({ code: "UND_ERR_INVALID_ARG" });
  });

  test("without a status has failed", async () => {
    await expect(answerOf((socket) => socket.end())).rejects.toMatchObject({ code: "unreachable" });
    await expect(answerOf(() => undefined, { timeoutMs: 100 })).rejects.toMatchObject({ code: "timeout" });
    await expect(
      answerOf((socket) => trickle(socket, "HTTP/1.1 200 OK\r\n"), { timeoutMs: 100 }),
    ).rejects.toMatchObject({
      code: "timeout",
    });
  });
});

interface Bench {
  readonly web: ReturnType<typeof openWeb>;
  /** The names that were asked for, in order. */
  readonly asked: readonly string[];
  /** Where connections were wanted to. */
  readonly dialled: readonly Target[];
  readonly seen: readonly IncomingMessage[];
  /** The names that TLS was asked for. */
  readonly serverNames: readonly unknown[];
  connections(): number;
}

type Answers = readonly (readonly string[])[];

/**
 * A resolver of these names (each answer in turn, the last for ever), and an internet of two public addresses and
 * 127.0.0.1, where port 80 speaks HTTP and all others HTTPS. Both are servers of this process; one more address is
 * silent, and all else refuses.
 */
async function aBench(
  listener: RequestListener,
  names: Readonly<Record<string, Answers>>,
  options: WebOptions = {},
  certificate?: ReturnType<typeof certificateFor>,
): Promise<Bench> {
  const asked: string[] = [];
  const dialled: Target[] = [];
  const seen: IncomingMessage[] = [];
  const serverNames: unknown[] = [];
  let connections = 0;
  const hear: RequestListener = (request, response) => {
    seen.push(request);
    listener(request, response);
  };
  const own = certificate ?? certificateFor(Object.keys(names));
  const plain = createServer(hear);
  const secure = createTlsServer(own, hear).on("secureConnection", (socket) => serverNames.push(socket.servername));
  for (const server of [plain, secure]) server.on("connection", () => (connections += 1));
  const ports = { plain: await listening(plain), secure: await listening(secure) };
  const web = openWeb({
    ca: own.cert,
    async resolve(hostname) {
      const answers = names[hostname];
      const times = asked.filter((one) => one === hostname).length;
      asked.push(hostname);
      const answer = answers?.[times] ?? answers?.at(-1);
      if (!answer) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND" });
      return answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    },
    connect(target) {
      dialled.push(target);
      if (target.address === silentAddress) return new Socket();
      if (![publicAddress, otherPublic, "127.0.0.1"].includes(target.address)) return refuses();
      const socket = connect(target.port === 80 ? ports.plain : ports.secure, "127.0.0.1");
      return Object.defineProperty(socket, "remoteAddress", { value: target.address });
    },
    ...options,
  });
  return { web, asked, dialled, seen, serverNames, connections: () => connections };
}

/** A socket that goes nowhere. */
function refuses(): Socket {
  return new Socket().destroy(Object.assign(new Error("connect ECONNREFUSED 93.184.0.0"), { code: "ECONNREFUSED" }));
}

async function errorOf(call: Promise<unknown>): Promise<Error> {
  const outcome: unknown = await call.catch((error: unknown) => error);
  if (outcome instanceof Error) return outcome;
  throw new Error(`it was not refused: ${JSON.stringify(outcome)}`);
}

/** Listens on a free port until the test is over, which must leave no connection open. */
async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => closed(server));
  return (server.address() as AddressInfo).port;
}

/** Every connection was closed by the other side. */
async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, "close");
}

/** Says something to whoever has sent a first byte. */
async function aTcpServer(says: (socket: Socket) => void): Promise<number> {
  return listening(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => says(socket));
    }),
  );
}

/** A few bytes at a time, for as long as somebody listens. */
function trickle(socket: Socket, head: string, drop = "a"): void {
  socket.write(head);
  const timer = setInterval(() => socket.write(drop), 5);
  socket.once("close", () => clearInterval(timer));
}

/** As many bytes as are taken, for as long as somebody takes them. */
function pour(stream: NodeJS.WritableStream & EventEmitter): void {
  const chunk = "x".repeat(64 * 1024);
  let isOver = false;
  stream.once("close", () => (isOver = true));
  const more = (): void => {
    if (!isOver) stream.write(chunk, () => setImmediate(more));
  };
  more();
}

/** A certificate in X.509 that has signed itself, for DNS names or one address. */
function certificateFor(
  names: string | readonly string[] | undefined,
  address?: readonly number[],
  until = "491231235959Z",
): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecdsaWithSha256 = der(0x30, Buffer.from("06082a8648ce3d040302", "hex"));
  const commonName = der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from("reelq test")));
  const name = der(0x30, der(0x31, commonName));
  const isFor = [
    ...[names ?? []].flat().map((one) => der(0x82, Buffer.from(one))),
    ...(address ? [der(0x87, Buffer.from(address))] : []),
  ];
  const alternatives = der(0x30, Buffer.from("0603551d11", "hex"), der(0x04, der(0x30, ...isFor)));
  const facts = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    der(0x30, der(0x17, Buffer.from("190101000000Z")), der(0x17, Buffer.from(until))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(0x30, alternatives)),
  );
  const signature = sign("sha256", facts, privateKey);
  const bytes = der(0x30, facts, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  const lines = bytes.toString("base64").replaceAll(/.{64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
