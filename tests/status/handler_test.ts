import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { handle, hostOf } from "../../src/status/handler.ts";
import { bodyBytes } from "../../src/status/http/answer.ts";
import { Snapshots } from "../../src/status/snapshots.ts";
import { parseMetrics } from "./format/prometheus.ts";
import { snapshotParts, statusOf } from "./parts.ts";

const EVENTS = [{ time: "t", level: "info", event: "ready", message: "ready" }] as const;

/** What the handler hands on. */
const SHOWN = {
  events: () => EVENTS,
  history: (query: URLSearchParams) =>
    query.get("span") === "1" ? undefined : bodyBytes(`[${query}]`),
  findings: () => bodyBytes("[1]"),
};

const ask = (
  path: string,
  { method = "GET", host = "localhost" }: { method?: string; host?: string | null } = {},
  device = snapshotParts().device,
) => {
  const snapshots = new Snapshots(() => statusOf({ device }), () => 0);
  const isOurs = (name: string) => name === "localhost" || name === "127.0.0.1";
  const [asked, query = ""] = path.split("?");
  const answered = handle(
    { method, path: asked!, query, ours: false, host },
    { ...SHOWN, snapshots, isOurs, packets: undefined },
  );
  if ("start" in answered) throw new Error("a stream");
  const { status, headers, body } = answered;
  return { status, headers, body: new TextDecoder().decode(body) };
};

Deno.test("http: /status.json", () => {
  const { headers, body } = ask("/status.json");
  assertEquals(headers["content-type"], "application/json");
  assertEquals(JSON.parse(body), statusOf());
});

Deno.test("http: /events.json has the last lines of the log", () => {
  assertEquals(JSON.parse(ask("/events.json").body), EVENTS);
});

Deno.test("http: the past and the findings, and which past cannot be asked for", () => {
  assertEquals(ask("/history.json?span=900&peer=b").body, "[span=900&peer=b]");
  assertEquals(ask("/findings.json").body, "[1]");
  const { status, body } = ask("/history.json?span=1");
  assertEquals(status, 400);
  assertMatch(body, /^A span of 300, 900, 3600 seconds/);
});

Deno.test("http: packets are shown where that is asked for, to a page of ours only", () => {
  const asked: string[] = [];
  const stream = { headers: {}, start: () => () => {} };
  const packets = {
    lines: (query: URLSearchParams) => {
      asked.push(query.toString());
      return stream;
    },
  };
  const request = { method: "GET", path: "/trace", query: "filter=icmp", host: "a", ours: true };
  const parts = {
    ...{ ...SHOWN, packets, isOurs: (host: string) => host === "a" },
    snapshots: new Snapshots(() => statusOf(), () => 0),
  };
  assertEquals(handle(request, parts), stream);
  assertEquals(asked, ["filter=icmp"]);
  const refused = [
    handle({ ...request, ours: false }, parts),
    handle({ ...request, method: "HEAD" }, parts),
    handle({ ...request, host: "evil.example" }, parts),
    handle(request, { ...parts, packets: undefined }),
  ].map((answer) => "start" in answer ? 200 : answer.status);
  assertEquals(refused, [403, 403, 421, 403]);
  assertEquals(asked.length, 1);
});

Deno.test("http: /metrics", () => {
  const { headers, body } = ask("/metrics");
  assertEquals(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  parseMetrics(body);
});

Deno.test("http: /healthz tells a healthy node from another", () => {
  const good = ask("/healthz");
  assertEquals([good.status, good.body], [200, "ok\n"]);
  const bad = ask("/healthz", {}, { ...snapshotParts().device, state: "gone" });
  assertEquals(bad.status, 503);
  assertMatch(bad.body, /tunnet0 was removed/);
});

Deno.test("http: the page comes with a policy that lets nothing in or out", () => {
  const { headers } = ask("/");
  assertEquals(headers["content-type"], "text/html; charset=utf-8");
  assertStringIncludes(headers["content-security-policy"] ?? "", "default-src 'none'");
});

Deno.test("http: what is no path, no method or no name of ours", () => {
  for (const path of ["/x", "/status.json/", "//", "/metrics%00", "/../etc/passwd", "*"]) {
    assertEquals(ask(path).status, 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) {
    const { status, headers } = ask("/status.json", { method });
    assertEquals([status, headers.allow], [405, "GET, HEAD"], method);
  }
  const hosts = ["evil.example", "localhost.evil.example", "localhost:80:80", "", "10.0.0.1", null];
  for (const host of hosts) {
    assertEquals(ask("/status.json", { host }).status, 421, `${host}`);
  }
});

Deno.test("http: every answer forbids keeping, guessing and other sites", () => {
  for (const path of ["/", "/status.json", "/history.json", "/findings.json", "/healthz", "/x"]) {
    const { headers } = ask(path);
    assertEquals(headers["cache-control"], "no-store", path);
    assertEquals(headers["x-content-type-options"], "nosniff", path);
    assertEquals(headers["cross-origin-resource-policy"], "same-origin", path);
    assertEquals(headers["access-control-allow-origin"], undefined, path);
  }
});

const HOSTS: readonly [header: string | null, host: string][] = [
  ["localhost", "localhost"],
  ["LocalHost:9309", "localhost"],
  ["127.0.0.1:80", "127.0.0.1"],
  ["[::1]:9309", "::1"],
  ["[FD00::1]", "fd00::1"],
  ["::1", ""],
  ["a:b", ""],
  ["a:123456", ""],
  ["[a]b", ""],
  [null, ""],
];

for (const [header, host] of HOSTS) {
  Deno.test(`http: the host of ${header} is "${host}"`, () => assertEquals(hostOf(header), host));
}
