/** What the tests need, and what is left out without it. */

import { assert, assertEquals } from "./assert.ts";
import { leftOut, missingFor, NEEDS, packagesOf } from "./setup.ts";

const names = (files: readonly string[], ...there: readonly string[]) =>
  missingFor(files, (program) => there.includes(program)).map(({ program }) => program);

Deno.test("setup: every path of the table exists", () => {
  for (const { tests } of NEEDS) {
    for (const path of tests) {
      const { isDirectory } = Deno.statSync(new URL(`../${path}`, import.meta.url));
      assertEquals(isDirectory, path.endsWith("/"), path);
    }
  }
});

Deno.test("setup: all of it for all tests, and only what a file or folder needs", () => {
  assertEquals(names([]).length, NEEDS.length);
  assertEquals(names([], ...NEEDS.map(({ program }) => program)), []);
  assertEquals(names(["tests/net"]), []);
  assertEquals(names(["tests/tools/setup/netns_test.ts"]), ["iptables", "shellcheck"]);
  assertEquals(names(["./tests/tools/build/"], "gzip"), [
    "qemu-aarch64-static",
    "/usr/aarch64-linux-gnu/lib/libc.so.6",
    "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1",
  ]);
  assert(names(["tests/e2e/tap_test.ts"]).includes("dnsmasq"));
  assert(!names(["tests/e2e/traffic_test.ts"]).includes("dnsmasq"));
  assert(names(["tests"]).includes("chromium"));
});

Deno.test("setup: each package once; what skips itself is not left out as a whole", () => {
  const needs = NEEDS.filter((need) => ["strace", "gcc", "chromium"].includes(need.program));
  assertEquals(packagesOf([...needs, ...needs]), ["strace", "gcc", "chromium"]);
  assertEquals(leftOut(needs), {
    paths: ["tests/e2e/engines_test.ts", "tests/e2e/seed_test.ts"],
    lines: [
      "SKIPPED: tests/e2e/engines_test.ts: there is no strace (strace)",
      "SKIPPED: tests/e2e/seed_test.ts: there is no gcc (gcc)",
      "SKIPPED: tests/e2e/page_test.ts: there is no chromium (chromium)",
    ],
  });
});
