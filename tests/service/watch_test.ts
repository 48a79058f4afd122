import { assertEquals } from "../assert.ts";
import { until } from "../e2e/harness.ts";
import { FileWatch } from "../../src/service/watch.ts";

/** A watched file in a directory of its own. */
function setup() {
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-watch-" });
  const path = `${dir}/f.yaml`;
  Deno.writeTextFileSync(path, "0");
  const seen: string[] = [];
  const watch = new FileWatch(
    path,
    () => seen.push(Deno.readTextFileSync(path)),
    (why) => seen.push(`ended: ${why}`),
  );
  return {
    dir,
    path,
    seen,
    [Symbol.dispose]() {
      watch.close();
      Deno.removeSync(dir, { recursive: true });
    },
  };
}

Deno.test("watch: a busy directory neither hides a change nor makes one up", async () => {
  using file = setup();
  const { dir, path, seen } = file;
  let others = 0;
  const busy = setInterval(() => Deno.writeTextFileSync(`${dir}/other`, `${others++}`), 10);
  try {
    await until("the directory is busy", 5_000, () => others > 50);
    assertEquals(seen, []);
    Deno.writeTextFileSync(path, "first");
    await until("the change is seen", 10_000, () => seen.length > 0);
    const before = others;
    await until("the directory is still busy", 10_000, () => others > before + 50);
    assertEquals(seen, ["first"]);
  } finally {
    clearInterval(busy);
  }
});

Deno.test("watch: many writes are one change, seen when they are over", async () => {
  using file = setup();
  const { path, seen } = file;
  let writes = 0;
  // Each write is well within the time that a file has to be left alone.
  const writing = setInterval(() => Deno.writeTextFileSync(path, `${"x".repeat(++writes)}`), 20);
  await until("it is written for a second", 10_000, () => writes >= 50);
  assertEquals(seen, [], "not while it is written");
  clearInterval(writing);
  await until("the change is seen", 10_000, () => seen.length > 0);
  assertEquals(seen, ["x".repeat(writes)]);
});

Deno.test("watch: removed, put back, replaced by a link, and the link led elsewhere", async () => {
  using file = setup();
  const { dir, path, seen } = file;
  Deno.removeSync(path);
  Deno.writeTextFileSync(path, "back");
  await until("put back", 10_000, () => seen.includes("back"));
  // As Kubernetes does it: a link to a directory that is exchanged as a whole.
  for (const version of ["1", "2"]) {
    Deno.mkdirSync(`${dir}/v${version}`);
    Deno.writeTextFileSync(`${dir}/v${version}/f.yaml`, `version ${version}`);
  }
  const link = (target: string, at: string) => {
    Deno.symlinkSync(target, `${at}.new`);
    Deno.renameSync(`${at}.new`, at);
  };
  link("v1", `${dir}/data`);
  link("data/f.yaml", path);
  await until("a link", 10_000, () => seen.includes("version 1"));
  link("v2", `${dir}/data`);
  await until("led elsewhere", 10_000, () => seen.includes("version 2"));
  assertEquals(seen, ["back", "version 1", "version 2"]);
});
