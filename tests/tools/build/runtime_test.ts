/** The runtime of another machine: what npm says of it, and its checksum. */

import { isIntact, readAnswers } from "../../../src/tools/build/runtime.ts";
import { assertEquals } from "../../assert.ts";

Deno.test("only bytes with the registry's SHA-512 are taken", async () => {
  const bytes = new TextEncoder().encode("deno");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes)).toBase64();
  const table: [integrity: string, intact: boolean][] = [
    [`sha512-${digest}`, true],
    [`sha1-abc sha512-${digest}`, true],
    [`sha512-${digest.replace(/^./, digest.startsWith("A") ? "B" : "A")}`, false],
    [`sha256-${digest}`, false],
    ["sha1-abc", false],
    ["", false],
  ];
  for (const [integrity, intact] of table) {
    assertEquals(await isIntact(bytes, integrity), intact, integrity);
  }
});

Deno.test("what npm answers", () => {
  const good = { filename: "deno-linux-arm64-glibc-1.2.3.tgz", integrity: "sha512-x" };
  const table: [what: string, view: string, pack: string, want: unknown][] = [
    ["npm 9 and later", '"sha512-x"', `[{"filename":"${good.filename}"}]`, good],
    ["npm 8", '"sha512-x"', '[{"filename":"@deno/linux-arm64-glibc-1.2.3.tgz"}]', good],
    ["several checksums", '["sha512-x"]', `[{"filename":"${good.filename}"}]`, undefined],
    ["no package", '"sha512-x"', "[]", undefined],
    ["no list", '"sha512-x"', "{}", undefined],
    ["nothing", "", "", undefined],
    ["a path", '"sha512-x"', '[{"filename":"..\\/a b"}]', undefined],
  ];
  for (const [what, view, pack, want] of table) assertEquals(readAnswers(view, pack), want, what);
});
