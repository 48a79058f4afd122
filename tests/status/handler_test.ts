import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { handle, hostOf } from "../../src/status/handler.ts";
import { Snapshots } from "../../src/status/snapshots.ts";
import { parseMetrics } from "./format/prometheus.ts";
import { snapshotParts, statusOf } from "./parts.ts";

const ask = (
  path: string,
  { method = "GET", host = "localhost" }: { method?: string; host?: string | null } = {},
  device = snapshotParts().device,
) => {
  const snapshots = new Snapshots(() => statusOf({ device }), () => 0);
  const isOurs = (name: string) => name === "localhost" || name === "127.0.0.1";
  const { status, headers, body } = handle({ method, path, host }, { snapshots, isOurs });
  return { status, headers, body: new TextDecoder().decode(body) };
};

Deno.test("http: /status.json", () => {
  const { headers, body } = ask("/status.json");
  assertEquals(headers["content-type"], "application/json");
  assertEquals(JSON.parse(body), statusOf());
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
  for (const path of ["/", "/status.json", "/metrics", "/healthz", "/x"]) {
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
