import { AllowError, isPublic, judgeUrl, openWeb, WebError } from "@reelq/web";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

/** The code with which a URL is refused; undefined where it is not. */
function refusal(url: string, allow?: readonly string[]): string | undefined {
  try {
    judgeUrl(url, allow);
    return undefined;
  } catch (error) {
    if (error instanceof WebError) return error.code;
    throw error;
  }
}

const loopback = [
  "127.0.0.1",
  "127.1",
  "127.0.1",
  "127.0.0.1.",
  "2130706433",
  "0x7f000001",
  "0X7F.1",
  "0x7f.0.0.0x1",
  "0177.0.0.1",
  "017700000001",
  "0177.0x1",
  "127.255.255.254",
  "１２７.０.０.１",
  "①②⑦.⓪.⓪.①",
  "127。0。0。1",
  "127%2e0%2e0%2e1",
  "%31%32%37.0.0.1",
  "[::1]",
  "[0:0:0:0:0:0:0:1]",
  "[0000::0001]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::FFFF:7F00:0001]",
  "[0:0:0:0:0:ffff:127.0.0.1]",
  "[::127.0.0.1]",
  "[::ffff:0:127.0.0.1]",
  "[64:ff9b::127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b:1::7f00:1]",
  "[2002:7f00:1::]",
  "[2001:0:7f00:1::80ff:fffe]",
];

const elsewhere = [
  "0",
  "0.0.0.0",
  "0.1.2.3",
  "10.0.0.1",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "169.254.169.254",
  "2852039166",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.19.255.255",
  "198.51.100.7",
  "203.0.113.9",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "[::]",
  "[::8.8.8.8]",
  "[100::1]",
  "[100:0:0:1::1]",
  "[2001:1::1]",
  "[2001:2::1]",
  "[2001:20::1]",
  "[2001:db8::1]",
  "[2002:808:808::1]",
  "[2620:4f:8000::1]",
  "[3fff::1]",
  "[5f00::1]",
  "[64:ff9b:1::808:808]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[fe80::1]",
  "[fec0::1]",
  "[ff02::1]",
  "[4000::1]",
];

describe("an address that is not public is refused", () => {
  test.each([...loopback, ...elsewhere])("%s", (host) => {
    expect(refusal(`https://${host}/a.png`)).toBe("private_address");
    expect(refusal(`https://${host}:8443/a.png`)).toBe("private_address");
    expect(refusal(`http://${host}/a.png`)).toBe("private_address");
    expect(refusal(` https:\\\\${host}\t/a.png`)).toBe("private_address");
  });
});

test.each([
  "8.8.8.8",
  "1.1.1.1",
  "172.32.0.1",
  "134744072",
  "[2606:4700::1111]",
  "[::ffff:8.8.8.8]",
  "[64:ff9b::808:808]",
])("a public address may be named: %s", (host) => {
  expect(refusal(`https://${host}/`)).toBeUndefined();
  expect(refusal(`http://${host}/`)).toBe("not_https");
});

test.each([
  ["not a url", "invalid_url"],
  ["", "invalid_url"],
  ["/a.png", "invalid_url"],
  ["https://", "invalid_url"],
  ["https://256.1.1.1/", "invalid_url"],
  ["https://1.2.3.4.5/", "invalid_url"],
  ["https://[fe80::1%25eth0]/", "invalid_url"],
  ["https://[fe80::1%eth0]/", "invalid_url"],
  ["https://[::1/", "invalid_url"],
  ["https://a..example/", "invalid_url"],
  ["https://images.example../", "invalid_url"],
  ["https://./", "invalid_url"],
  ["https://*.images.example/", "invalid_url"],
  ["https://a(b).images.example/", "invalid_url"],
  [`https://${"a".repeat(64)}.example/`, "invalid_url"],
  [`https://${"a.".repeat(127)}example/`, "invalid_url"],
  [`https://images.example/${"a".repeat(100_000)}`, "invalid_url"],
  [`https://images.example/${"ü".repeat(8000)}`, "invalid_url"],
  ["https://images.example:99999/", "invalid_url"],
  ["https://images.example:0/", "bad_port"],
  ["http://images.example/", "not_https"],
  ["ftp://images.example/", "not_https"],
  ["file:///etc/passwd", "not_https"],
  ["data:image/png;base64,AAAA", "not_https"],
  ["javascript:alert(1)", "not_https"],
  ["gopher://images.example/", "not_https"],
  ["https://me@images.example/", "has_credentials"],
  ["https://me:secret@images.example/", "has_credentials"],
  ["https://:secret@images.example/", "has_credentials"],
  ["https://localhost/", "private_address"],
  ["https://LOCALHOST/", "private_address"],
  ["https://localhost./", "private_address"],
  ["https://ｌｏｃａｌｈｏｓｔ/", "private_address"],
  ["https://a.localhost/", "private_address"],
  ["https://printer.local/", "private_address"],
  ["https://metadata.google.internal/", "private_address"],
  ["https://metadata.google.internal./", "private_address"],
  ["https://nas.home.arpa/", "private_address"],
  ["https://redis/", "private_address"],
  ["https://redis:6379/", "private_address"],
  ["https://redis./", "private_address"],
])("%s is refused as %s %s", (url, code) => {
  expect(refusal(url)).toBe(code);
});

test.each([
  ["https://images.example/a.png", "https://images.example/a.png"],
  ["HTTPS://Images.Example:443/a.png?b=c#d", "https://images.example/a.png?b=c"],
  ["https://images.example.:8443/a b", "https://images.example:8443/a%20b"],
  ["https://bücher.example/", "https://xn--bcher-kva.example/"],
  ["https://ｉｍａｇｅｓ.example/", "https://images.example/"],
  ["https://local.example/", "https://local.example/"],
  ["https://notlocalhost.example:25/", "https://notlocalhost.example:25/"],
])("%s may be named, as %s", (given, normal) => {
  expect(judgeUrl(given).href).toBe(normal);
});

test("a refusal names the host and what to do, and not what was secret", () => {
  expect(() => judgeUrl("https://10.0.0.7:8443/hook")).toThrow(
    "10.0.0.7:8443 is not a public address; use one that is, or let the operator allow it with REELQ_ALLOW_ADDRESSES.",
  );
  let refused: unknown;
  try {
    judgeUrl("https://me:hunter2@images.example/");
  } catch (error) {
    refused = error;
  }
  expect(refused).toMatchObject({ name: "WebError", code: "has_credentials", host: "images.example" });
  expect(String(refused)).toContain("images.example");
  expect(String(refused)).not.toMatch(/hunter2|me:/);
});

describe("what the operator allows", () => {
  const allow = ["127.0.0.1/32", "10.0.0.0/8", "::1"];

  test.each([
    "http://127.0.0.1:9000/",
    "https://127.1/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.9.8.7/",
    "http://[::1]:80/",
    "http://receiver:8080/hook",
    "http://receiver.internal/",
  ])("may be named, with plain http too: %s", (url) => {
    expect(refusal(url)).toBe("private_address");
    expect(refusal(url, allow)).toBeUndefined();
  });

  test.each(["127.0.0.2", "11.0.0.1", "192.168.0.1", "[::2]", "[64:ff9b::a00:1]", "169.254.169.254"])(
    "is not its neighbour: %s",
    (host) => {
      expect(refusal(`http://${host}/`, allow)).toBe(host.startsWith("11.") ? "not_https" : "private_address");
    },
  );

  test("may be written as IPv4 in IPv6", () => {
    expect(refusal("https://10.1.1.1/", ["::ffff:10.0.0.0/104"])).toBeUndefined();
    expect(refusal("https://11.1.1.1/", ["::ffff:10.0.0.0/104"])).toBeUndefined();
    expect(refusal("https://192.168.1.1/", ["::ffff:10.0.0.0/104"])).toBe("private_address");
    expect(refusal("https://10.1.1.1/", ["::ffff:10.1.1.1"])).toBeUndefined();
    expect(refusal("https://10.1.1.2/", ["::ffff:10.1.1.1"])).toBe("private_address");
  });

  test("is IPv6 alone where it says so", () => {
    expect(refusal("https://127.0.0.1/", ["::/0"])).toBe("private_address");
    expect(refusal("https://[::1]/", ["::/0"])).toBeUndefined();
  });

  test("must be readable, and every mistake is told at once", () => {
    const wrong = ["localhost", "10.0.0.0/33", "10/8", "010.0.0.1", "::1/129", "fe80::1%eth0", "", "10.0.0.0/8/8"];
    for (const one of wrong) expect(() => openWeb({ allow: [one] }), one).toThrow(AllowError);
    expect(() => openWeb({ allow: ["127.0.0.1", "10/8", "x"] })).toThrow(
      '"10/8" is not an address or a range of them, like 127.0.0.1, 10.0.0.0/8 or ::1. "x" is not an address',
    );
  });
});

describe("whatever the address in a private range,", () => {
  const ranges: [start: number, end: number][] = [
    [0x00000000, 0x00ffffff],
    [0x0a000000, 0x0affffff],
    [0x64400000, 0x647fffff],
    [0x7f000000, 0x7fffffff],
    [0xa9fe0000, 0xa9feffff],
    [0xac100000, 0xac1fffff],
    [0xc0000000, 0xc00000ff],
    [0xc0a80000, 0xc0a8ffff],
    [0xc6120000, 0xc613ffff],
    [0xe0000000, 0xffffffff],
  ];
  const anyPrivate = fc.oneof(...ranges.map(([min, max]) => fc.integer({ min, max })));
  const octets = (address: number): number[] => [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);

  /** A number as the parts of a URL's host may write it. */
  const written = (value: number, way: number): string =>
    [`${value}`, `0${value.toString(8)}`, `0x${value.toString(16)}`, `0X000${value.toString(16).toUpperCase()}`][way] ??
    "";
  const fullwidth = (text: string): string =>
    [...text].map((one) => (/\d/.test(one) ? String.fromCodePoint(0xff10 + Number(one)) : one)).join("");
  const percent = (text: string): string => [...text].map((one) => `%${one.charCodeAt(0).toString(16)}`).join("");

  const way = fc.integer({ min: 0, max: 3 });
  const ways = fc.tuple(way, way, way, way);

  test("every spelling of it as IPv4 is refused", () => {
    fc.assert(
      fc.property(anyPrivate, fc.integer({ min: 1, max: 4 }), ways, (address, parts, how) => {
        const head = octets(address).slice(0, parts - 1);
        const tail = parts === 1 ? address : address % 2 ** (8 * (5 - parts));
        const text = [...head, tail].map((value, index) => written(value, how[index] ?? 0)).join(".");
        for (const host of [text, `${text}.`, fullwidth(text), percent(text), text.replaceAll(".", "。")]) {
          expect(refusal(`https://${host}/`), host).toBe("private_address");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("every address of IPv6 that carries it is refused", () => {
    fc.assert(
      fc.property(anyPrivate, fc.boolean(), (address, isUpper) => {
        const dotted = octets(address).join(".");
        const groups = (value: number): string => `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
        const hex = groups(address);
        const texts = [
          ...["::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "0:0:0:0:0:ffff:"].flatMap((prefix) => [
            prefix + dotted,
            prefix + hex,
          ]),
          `2002:${hex}::1`,
          `2001:0:${hex}::`,
          `2001:0:808:808:0:0:${groups(~address >>> 0)}`,
        ];
        for (const text of texts.map((one) => (isUpper ? one.toUpperCase() : one))) {
          expect(isPublic(text), text).toBe(false);
          expect(refusal(`https://[${text}]/`), text).toBe("private_address");
        }
      }),
      { numRuns: 300 },
    );
  });
});

test.each(["", "localhost", "127.1", "0x8080808", "08.8.8.8", "8.8.8.8 ", "8.8.8.8%eth0", "2606:4700::1%eth0", "::g"])(
  "what is no address is not public: %j",
  (text) => {
    expect(isPublic(text)).toBe(false);
  },
);

test.each(["8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"])("%s is public", (text) => {
  expect(isPublic(text)).toBe(true);
});
