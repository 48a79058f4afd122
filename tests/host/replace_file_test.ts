import { assert, assertEquals, assertThrows } from "../assert.ts";
import { RunError } from "../../src/base/errors.ts";
import { replaceFile } from "../../src/host/replace_file.ts";

Deno.test("replace file: whole, with its mode, and its folder if there is none", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const path = `${dir}/new/state.json`;
    replaceFile(path, "one", 0o600, 0o700);
    assertEquals(Deno.statSync(`${dir}/new`).mode! & 0o777, 0o700);
    // What a killed process has left half done.
    Deno.writeTextFileSync(`${path}.new`, "half");
    using reader = Deno.openSync(path);
    replaceFile(path, "two", 0o644, 0o700);
    assertEquals(Deno.readTextFileSync(path), "two");
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o644);
    assertEquals([...Deno.readDirSync(`${dir}/new`)].map(({ name }) => name), ["state.json"]);
    const bytes = new Uint8Array(9);
    const length = reader.readSync(bytes)!;
    assertEquals(new TextDecoder().decode(bytes.subarray(0, length)), "one");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("replace file: a link beside it is not followed, and a folder that is none is told", () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dir}/other`, "untouched");
    Deno.symlinkSync(`${dir}/other`, `${dir}/state.new`);
    replaceFile(`${dir}/state`, "text", 0o600, 0o700);
    assertEquals(Deno.readTextFileSync(`${dir}/other`), "untouched");
    assert(Deno.lstatSync(`${dir}/state`).isFile);
    const error = assertThrows(() => replaceFile(`${dir}/state/x`, "", 0o600, 0o700), RunError);
    assert(error.message.startsWith(`${dir}/state/x cannot be written (`), error.message);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
