import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { handle, hostOf } from "../../src/status/handler.ts";
import { parseMetrics } from "./format/prometheus.ts";
import { snapshotParts, statusOf } from "./parts.ts";

const ask = (path: string, init: RequestInit = {}, device = snapshotParts().device) =>
  handle(new Request(`http://localhost:9309${path}`, { headers: { host: "localhost" }, ...init }), {
    status: () => statusOf({ device }),
    isOurs: (host) => host === "localhost" || host === "127.0.0.1",
  });

Deno.test("http: /status.json", async () => {
  const response = ask("/status.json?x=1");
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(await response.json(), statusOf());
});

Deno.test("http: /metrics", async () => {
  const response = ask("/metrics");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  parseMetrics(await response.text());
});

Deno.test("http: /healthz tells a healthy node from another", async () => {
  const good = ask("/healthz");
  assertEquals([good.status, await good.text()], [200, "ok\n"]);
  const bad = ask("/healthz", {}, { ...snapshotParts().device, state: "gone" });
  assertEquals(bad.status, 503);
  assertMatch(await bad.text(), /tunnet0 was removed/);
});

Deno.test("http: the page comes with a policy that lets nothing in or out", () => {
  const response = ask("/");
  assertEquals(response.headers.get("content-type"), "text/html; charset=utf-8");
  assertStringIncludes(response.headers.get("content-security-policy") ?? "", "default-src 'none'");
});

Deno.test("http: what is no path, no method or no name of ours", () => {
  for (const path of ["/x", "/status.json/", "//", "/metrics%00", "/../etc/passwd"]) {
    assertEquals(ask(path).status, 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const response = ask("/status.json", { method });
    assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD"], method);
  }
  for (
    const host of ["evil.example", "localhost.evil.example", "localhost:80:80", "", "10.0.0.1"]
  ) {
    assertEquals(ask("/status.json", { headers: { host } }).status, 421, host);
  }
});

Deno.test("http: every answer forbids keeping, guessing and other sites", () => {
  for (const path of ["/", "/status.json", "/metrics", "/healthz", "/x"]) {
    const { headers } = ask(path);
    assertEquals(headers.get("cache-control"), "no-store", path);
    assertEquals(headers.get("x-content-type-options"), "nosniff", path);
    assertEquals(headers.get("cross-origin-resource-policy"), "same-origin", path);
    assertEquals(headers.get("access-control-allow-origin"), null, path);
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
