/** Which files root reads a config from, on real files; as root, which the tests run as. */

import { assert, assertEquals, assertThrows } from "../assert.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { pathEntries, readConfigFile, refuseUnread } from "../../src/config/load_file.ts";
import { PERMISSION_FLAGS, UNSTABLE_FLAGS } from "../../src/tools/build/permissions.ts";

const OTHER = 65_534;
const MAX = 1_000_000;
const isRoot = Deno.uid() === 0;

/** A directory that is removed afterwards. */
function temporary(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "tunnet-config-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(program, { args }).output();
  assertEquals(code, 0, `${program} ${args.join(" ")}`);
}

const read = (path: string) => readConfigFile(path, MAX);
const refused = (path: string, why: string) => assertThrows(() => read(path), ConfigError, why);

Deno.test("config file: a plain file is read up to the bound, an absent one is told from others", () => {
  using dir = temporary();
  const path = `${dir.path}/t.yaml`;
  Deno.writeTextFileSync(path, "x".repeat(200_000));
  assertEquals(read(path)?.length, 200_000);
  assertEquals(readConfigFile(path, 150_000)?.length, 150_000);
  Deno.writeTextFileSync(path, "");
  assertEquals(read(path)?.length, 0);
  assertEquals(read(`${path}.no`), undefined);
  refused(`${path}/x`, "a part of the path is no directory");
});

Deno.test("config file: a pipe, a socket, a device and a directory are refused, not opened", async () => {
  using dir = temporary();
  const pipe = `${dir.path}/pipe`;
  await run("mkfifo", pipe);
  refused(pipe, `${pipe}: cannot be read (a pipe, not a file); try: -c - <${pipe}`);
  Deno.symlinkSync(pipe, `${dir.path}/link`);
  refused(`${dir.path}/link`, "a pipe, not a file");
  const socket = `${dir.path}/socket`;
  using _listener = Deno.listen({ transport: "unix", path: socket });
  refused(socket, "a socket, not a file");
  for (const device of ["/dev/zero", "/dev/null"]) refused(device, "a device, not a file");
  refused(dir.path, "a directory, not a file");
});

Deno.test("config file: links that lead in a circle, or to nothing", () => {
  using dir = temporary();
  Deno.symlinkSync("b", `${dir.path}/a`);
  Deno.symlinkSync("a", `${dir.path}/b`);
  assertThrows(() => pathEntries(`${dir.path}/a`), Deno.errors.FilesystemLoop);
  refused(`${dir.path}/a`, "cannot be read");
  Deno.symlinkSync("nothing", `${dir.path}/c`);
  assertEquals(read(`${dir.path}/c`), undefined);
});

Deno.test("config file: the entries of a path are those that the kernel goes by", () => {
  using dir = temporary();
  const base = Deno.realPathSync(dir.path);
  Deno.mkdirSync(`${base}/one/two`, { recursive: true });
  Deno.writeTextFileSync(`${base}/one/file`, "");
  Deno.symlinkSync("../one/two", `${base}/one/near`);
  Deno.symlinkSync(`${base}/one`, `${base}/far`);
  const below = (path: string) =>
    pathEntries(path).map((entry) => entry.path).filter((one) => one.startsWith(`${base}/`))
      .map((one) => one.slice(base.length + 1));
  assertEquals(below(`${base}/one/./file`), ["one", "one/file"]);
  // The parent of what a link leads to, not of the link.
  assertEquals(below(`${base}/far/near/..//file`), [
    ...["far", "one", "one/near", "one", "one/two", "one/file"],
  ]);
  assertEquals(pathEntries("/").map(({ path }) => path), ["/"]);
  assertEquals(pathEntries("/../..//etc").map(({ path }) => path), ["/", "/etc"]);
});

/** Sets variables while `body` runs. */
function withSudo(uid: string | undefined, body: () => void): void {
  const names = ["SUDO_UID", "SUDO_GID"];
  const before = names.map((name) => Deno.env.get(name));
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const name of names) set(name, uid);
  try {
    body();
  } finally {
    names.forEach((name, i) => set(name, before[i]));
  }
}

Deno.test({
  name: "config file: root reads its own and that of who runs sudo, and nobody else's",
  ignore: !isRoot,
  fn() {
    using dir = temporary();
    const path = `${dir.path}/t.yaml`;
    Deno.writeTextFileSync(path, "x");
    withSudo(undefined, () => {
      assert(read(path));
      Deno.chownSync(path, OTHER, OTHER);
      refused(
        path,
        `${path}: not used (${path} belongs to user ${OTHER}, who would decide what root`,
      );
      Deno.chownSync(path, 0, 0);
      Deno.chownSync(dir.path, OTHER, OTHER);
      refused(path, `${dir.path} belongs to user ${OTHER}`);
    });
    withSudo(`${OTHER}`, () => assert(read(path)));
    for (const odd of ["", "root", "-1", "65534x", "999999999999999"]) {
      withSudo(odd, () => refused(path, `${dir.path} belongs to user ${OTHER}`));
    }
  },
});

Deno.test({
  name: "config file: what others may write to, or lead elsewhere, is not used",
  ignore: !isRoot,
  fn() {
    using dir = temporary();
    withSudo(undefined, () => {
      const path = `${dir.path}/in/t.yaml`;
      Deno.mkdirSync(`${dir.path}/in`);
      Deno.writeTextFileSync(path, "x");
      Deno.chmodSync(path, 0o666);
      refused(path, `everybody may write to ${path}: its mode is 0666); try: chmod go-w ${path}`);
      Deno.chmodSync(path, 0o644);
      Deno.chmodSync(`${dir.path}/in`, 0o777);
      refused(path, `everybody may write to ${dir.path}/in: its mode is 0777`);
      Deno.chmodSync(`${dir.path}/in`, 0o1777);
      assert(read(path));
    });
  },
});

Deno.test({
  name: "config file: another user's link to root's file is not followed",
  ignore: !isRoot,
  async fn() {
    using dir = temporary();
    Deno.writeTextFileSync(`${dir.path}/t.yaml`, "x");
    Deno.symlinkSync("t.yaml", `${dir.path}/link`);
    await run("chown", "-h", `${OTHER}`, `${dir.path}/link`);
    withSudo(undefined, () => refused(`${dir.path}/link`, `link belongs to user ${OTHER}`));
  },
});

/** Runs `tunnet check` with the executable's own permissions; `null` leaves its input open. */
async function check(cwd: string, stdin: string | null, ...args: string[]) {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const flags = [...PERMISSION_FLAGS, ...UNSTABLE_FLAGS, "--no-check", `--config=${config}`];
  const child = new Deno.Command(Deno.execPath(), {
    ...{ cwd, args: ["run", ...flags, main, "check", ...args] },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  if (stdin !== null) {
    // The program may end before it has read all.
    await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
    await writer.close().catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  if (stdin === null) await writer.close().catch(() => {});
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const GOOD = "nodes: [{name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}]\n";

Deno.test("config file: standard input by all its names, its end and its bounds", async () => {
  using dir = temporary();
  for (const name of ["-", "/dev/stdin", "/proc/self/fd/0"]) {
    const { code, stdout, stderr } = await check(dir.path, GOOD, "-c", name);
    assertEquals([code, stderr, stdout.split("\n")[0]], [
      0,
      "",
      "standard input: good: 1 node, 1 subnet",
    ], name);
  }
  const large = await check(dir.path, "#".repeat(6 * 1024 * 1024), "-c", "-");
  assertEquals([large.code, large.stderr], [
    2,
    "tunnet: error: standard input: the file is too large (at most 5 MiB); try: a tunnet.yaml\n",
  ]);
});

Deno.test("config file: an input that never ends is waited for only so long", async () => {
  using dir = temporary();
  const { code, stderr } = await check(dir.path, null, "-c", "-");
  assertEquals([code, stderr], [
    2,
    "tunnet: error: standard input: cannot be read (it did not end within 10 s); try: -c FILE\n",
  ]);
});

Deno.test("config file: the runtime's words about permissions reach nobody", async () => {
  using dir = temporary();
  for (
    const name of ["/dev/fd/63", "/proc/self/environ", "/proc/kmsg", "/sys/kernel/x", "/dev/mem"]
  ) {
    const { code, stderr } = await check(dir.path, "", "-c", name);
    assertEquals(code, 2, name);
    assert(/^tunnet: error: [^\n]+ \([^\n]+\n$/.test(stderr), stderr);
    assert(!/allow|permission flag|NotCapable|Requires/i.test(stderr), stderr);
  }
});

Deno.test("config file: what the user may not read is for sudo, and for nobody where root may not", () => {
  const denied = new Deno.errors.PermissionDenied("EACCES");
  const line = (error: Error, uid: number) =>
    assertThrows(() => refuseUnread("t.yaml", error, uid), ConfigError).message;
  assertEquals(line(denied, 1000), "t.yaml: cannot be read (permission denied); try: sudo");
  assertEquals(line(denied, 0), "t.yaml: cannot be read (permission denied); try: -c FILE");
  assertEquals(
    line(new Deno.errors.IsADirectory("x"), 1000),
    "t.yaml: cannot be read (a directory); try: -c FILE",
  );
});

Deno.test("config file: what is no path at all", () => {
  assertThrows(() => read("a\0b"), ConfigError);
  assertThrows(() => read(`/${"x".repeat(5_000)}`), ConfigError);
  assertEquals(read(`/${"x/".repeat(1_000)}`), undefined);
});
