import { assert, assertEquals } from "../../assert.ts";
import {
  HTTP_BODY_MAX_BYTES,
  HTTP_HEAD_MAX_BYTES,
  HTTP_HEADERS_MAX,
} from "../../../src/base/limits.ts";
import { headEnd, type HttpRequest, readHead } from "../../../src/status/http/request.ts";
import { random as randomSource } from "../../fuzz/random.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const get = (...lines: string[]) => ["GET / HTTP/1.1", ...lines, "", ""].join("\r\n");

const READ: readonly [name: string, text: string, request: Partial<HttpRequest>, alive: boolean][] =
  [
    ["the least there is", get(), { method: "GET", path: "/", host: null }, true],
    ["a host", get("Host: a:1"), { host: "a:1" }, true],
    ["a host in odd case and space", get("hOsT:\t a \t"), { host: "a" }, true],
    ["an empty host", get("Host:"), { host: "" }, true],
    ["bytes above 127 in a value", get("X: \xff"), {}, true],
    ["the last request", get("Connection: close"), {}, false],
    ["the last request, among others", get("connection: x, Close ,y"), {}, false],
    ["close in a word of its own only", get("connection: closed"), {}, true],
    ["HTTP/1.0 ends", "GET / HTTP/1.0\r\n\r\n", {}, false],
    ["HTTP/1.7 is HTTP/1", "GET / HTTP/1.7\r\n\r\n", {}, true],
    ["a query", "GET /a?b?d#c HTTP/1.1\r\n\r\n", { path: "/a", query: "b?d" }, true],
    ["no query", "GET /a#b?c HTTP/1.1\r\n\r\n", { path: "/a", query: "", ours: false }, true],
    ["a header of ours", get("X-Tunnet: 1"), { ours: true }, true],
    ["nothing is decoded", "GET /%2e%2e/a HTTP/1.1\r\n\r\n", { path: "/%2e%2e/a" }, true],
    ["nothing is normalised", "GET /../a HTTP/1.1\r\n\r\n", { path: "/../a" }, true],
    ["a star", "OPTIONS * HTTP/1.1\r\n\r\n", { method: "OPTIONS", path: "*" }, true],
    [
      "a whole URL says who is meant",
      "GET http://b:2/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
      { path: "/x", host: "b:2" },
      true,
    ],
    ["a whole URL without a path", "GET http://b HTTP/1.1\r\n\r\n", { path: "/", host: "b" }, true],
    ["methods are case-sensitive", "get / HTTP/1.1\r\n\r\n", { method: "get" }, true],
    ["as many fields as may be", get(...Array(HTTP_HEADERS_MAX).fill("X: y")), {}, true],
  ];

for (const [name, text, request, alive] of READ) {
  Deno.test(`http request: ${name}`, () => {
    const head = readHead(bytesOf(text + "GET /next"));
    assert(head.kind === "whole", head.kind);
    assertEquals({ ...head.request, ...request }, head.request);
    assertEquals([head.keepAlive, head.head_bytes, head.body_bytes], [alive, text.length, 0]);
  });
}

const REFUSED: readonly [name: string, text: string, status: number][] = [
  ["no HTTP", "hello\r\n\r\n", 400],
  ["an empty first line", "\r\n\r\n", 400],
  ["no version", "GET /\r\n\r\n", 400],
  ["two spaces", "GET  / HTTP/1.1\r\n\r\n", 400],
  ["a space in the target", "GET / x HTTP/1.1\r\n\r\n", 400],
  ["a tab for a space", "GET\t/ HTTP/1.1\r\n\r\n", 400],
  ["a control character in the target", "GET /\x01 HTTP/1.1\r\n\r\n", 400],
  ["a method that is no token", "G(T / HTTP/1.1\r\n\r\n", 400],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505],
  ["HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", 505],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400],
  ["a field without a colon", get("X"), 400],
  ["a field without a name", get(": x"), 400],
  ["a space before the colon", get("Host : a"), 400],
  ["a folded line", get("X: a", " b"), 400],
  ["a NUL in a value", get("X: a\0b"), 400],
  ["a bare CR in a value", get("X: a\rb"), 400],
  ["a bare LF in a value", get("X: a\nHost: b"), 400],
  ["two hosts", get("Host: a", "host: a"), 400],
  ["a chunked body", get("Transfer-Encoding: chunked"), 501],
  ["two ways to tell the length", get("Transfer-Encoding: x", "Content-Length: 1"), 501],
  ["two lengths", get("Content-Length: 1", "Content-Length: 1"), 400],
  ["two lengths in one", get("Content-Length: 1, 1"), 400],
  ["a signed length", get("Content-Length: +1"), 400],
  ["a negative length", get("Content-Length: -1"), 400],
  ["a length in hex", get("Content-Length: 0x1"), 400],
  ["no length", get("Content-Length:"), 400],
  ["a length beyond all numbers", get(`Content-Length: ${"9".repeat(40)}`), 400],
  ["a long body", get(`Content-Length: ${HTTP_BODY_MAX_BYTES + 1}`), 413],
  ["too many fields", get(...Array(HTTP_HEADERS_MAX + 1).fill("X: y")), 431],
  ["a head without an end", get().slice(0, -2) + "x".repeat(HTTP_HEAD_MAX_BYTES), 431],
  ["an end that comes too late", get("X: " + "x".repeat(HTTP_HEAD_MAX_BYTES)), 431],
];

for (const [name, text, status] of REFUSED) {
  Deno.test(`http request: refused: ${name}`, () => {
    assertEquals(readHead(bytesOf(text)), { kind: "refused", status });
  });
}

Deno.test("http request: a body's length is told, and is not part of the head", () => {
  const text = get("Content-Length: 5");
  const head = readHead(bytesOf(text + "12345"));
  assert(head.kind === "whole");
  assertEquals([head.head_bytes, head.body_bytes], [text.length, 5]);
});

Deno.test("http request: byte by byte, it is whole with its last byte and not before", () => {
  const bytes = bytesOf(get("Host: a", "X: b"));
  for (let length = 0; length < bytes.length; length++) {
    const searched = Math.max(0, length - 1);
    assertEquals(readHead(bytes.subarray(0, length), searched).kind, "partial", `${length}`);
  }
  assertEquals(readHead(bytes, bytes.length - 1).kind, "whole");
});

/** The end of a head, looked for in the text. */
function naiveEnd(bytes: Uint8Array): number {
  const at = String.fromCharCode(...bytes).indexOf("\r\n\r\n");
  return at < 0 ? -1 : at + 4;
}

Deno.test("fuzz: http heads: any bytes end in one of three ways, the same however they come", () => {
  const random = randomSource(12);
  const seeds = [...READ, ...REFUSED].map(([, text]) => bytesOf(text.slice(0, 400)));
  const alphabet = bytesOf("\r\n\r\n: \tGETHTP/1.0,chunked\0\x7f\xff[]@%");
  for (let round = 0; round < 20_000; round++) {
    const bytes = seeds[random.below(seeds.length)]!.slice();
    for (let edits = random.below(6); edits > 0; edits--) {
      if (bytes.length === 0) break;
      bytes[random.below(bytes.length)] = alphabet[random.below(alphabet.length)]!;
    }
    const whole = bytes.subarray(0, random.below(bytes.length + 1));
    assertEquals(headEnd(whole), naiveEnd(whole));
    const head = readHead(whole);
    assertEquals(head.kind === "partial", naiveEnd(whole) < 0);
    if (head.kind === "whole") {
      const { request: { method, path, host }, body_bytes } = head;
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x20\x7f]/.test(method + path), JSON.stringify(head));
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x08\x0a-\x1f\x7f]/.test(host ?? ""), JSON.stringify(head));
      assert(body_bytes <= HTTP_BODY_MAX_BYTES);
      // What comes in two pieces is the same.
      const cut = random.below(whole.length);
      readHead(whole.subarray(0, cut));
      assertEquals(readHead(whole, Math.min(cut, head.head_bytes - 1)), head);
    }
    if (head.kind === "refused") assert([400, 413, 431, 501, 505].includes(head.status));
  }
});
