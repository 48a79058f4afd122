/** The portable executable: one build of a tiny program, started in every way. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../assert.ts";
import { buildPortable, run, type Start, start, writeProgram } from "./program.ts";

const YAML = `nodes:
  - { name: node-a, address: 192.168.0.8, subnets: [172.1.0.0/16] }
  - { name: node-b, address: 192.168.0.7, subnets: [172.2.0.0/16] }
`;
/** nobody */
const OTHER_UID = 65534;
const DAY_S = 86_400;

const isRoot = Deno.uid() === 0;

/** The only directory of a cache whose name starts so. */
function entry(cache: string, prefix: string): string {
  const names = [...Deno.readDirSync(cache)].map(({ name }) => name);
  const found = names.filter((name) => name.startsWith(prefix));
  assertEquals(found.length, 1, `${prefix}* in ${cache}: ${names}`);
  return `${cache}/${found[0]}`;
}

function leftovers(cache: string): string[] {
  return [...Deno.readDirSync(cache)].map(({ name }) => name).filter((name) => /^new\./.test(name));
}

async function until(what: string, done: () => boolean): Promise<void> {
  const end_ms = performance.now() + 10_000;
  while (!done()) {
    assert(performance.now() < end_ms, `${what}: not within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

Deno.test("the portable executable", async (t) => {
  const base = await Deno.makeTempDir({ prefix: "tunnet-portable-" });
  // Another user must get at the file.
  await Deno.chmod(base, 0o755);
  const exe = `${base}/tunnet`;
  const cache = `${base}/cache`;
  let caches = 0;
  const freshCache = () => `${base}/cache-${++caches}`;
  const here = (options: Start = {}): Start => ({
    ...options,
    env: { TUNNET_CACHE: cache, ...options.env },
  });

  try {
    await Deno.writeTextFile(`${base}/lab.yaml`, YAML);
    const root = await writeProgram(base);
    await buildPortable(root, exe, `${base}/lab.yaml`);

    await t.step("the checkout stays as it is", async () => {
      const text = await Deno.readTextFile(`${root}/src/config/embedded.ts`);
      assertStringIncludes(text, "= undefined;");
      assertEquals((await Deno.stat(exe)).mode! & 0o777, 0o755);
    });

    await t.step("arguments come through unchanged", async () => {
      const args = [
        "",
        " ",
        "two words",
        "new\nline\n",
        "'\"$HOME`id`\\",
        "--help",
        "-A",
        "--",
        "ü",
      ];
      const { code, stdout, stderr } = await run(exe, ["args", ...args], here());
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), args);
    });

    await t.step("standard input and exit status", async () => {
      const { stdout } = await run(exe, ["stdin"], here({ stdin: "a\0b\nc" }));
      assertEquals(stdout, "a\0b\nc\n");
      for (const code of [0, 1, 2, 42, 255]) {
        assertEquals((await run(exe, ["exit", `${code}`], here())).code, code);
      }
    });

    await t.step("the config inside", async () => {
      assertEquals((await run(exe, ["config"], here())).stdout, `${YAML}\n`);
    });

    await t.step("Workers, and FFI in them", async () => {
      const { stdout, stderr } = await run(exe, ["worker"], here());
      assertEquals([stdout, stderr], ["ping pong true\n", ""]);
    });

    await t.step(
      "the process of the file is the program: SIGTERM reaches its handler",
      async () => {
        const child = start(exe, ["wait"], here());
        const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
        assertEquals((await reader.read()).value, `ready ${child.pid}\n`);
        child.kill("SIGTERM");
        assertEquals((await reader.read()).value, "stopped\n");
        assertEquals((await child.status).code, 7);
        await reader.cancel();
        await child.stderr.cancel();
      },
    );

    await t.step("started by relative path, by link, by name and through sh", async () => {
      await Deno.mkdir(`${base}/odd dir\n`);
      await Deno.symlink(exe, `${base}/odd dir\n/li nk`);
      const odd = here({ cwd: `${base}/odd dir\n` });
      const self = async (program: string, args: string[], options: Start) => {
        const { stdout, stderr } = await run(program, [...args, "self"], options);
        assertEquals(stderr, "");
        return JSON.parse(stdout).slice(0, 2);
      };
      assertEquals(await self("/usr/bin/env", ["./li nk"], odd), [
        `${base}/odd dir\n/li nk`,
        `${base}/odd dir\n`,
      ]);
      assertEquals(await self("/bin/sh", [exe], odd), [exe, `${base}/odd dir\n`]);
      assertEquals(await self("/bin/sh", ["tunnet"], here({ cwd: base })), [exe, base]);
      assertEquals(await self("/bin/bash", ["./tunnet"], here({ cwd: base })), [
        `${base}/tunnet`,
        base,
      ]);
      const named = here({ cwd: base, env: { PATH: `${base}:/usr/bin:/bin` } });
      assertEquals(await self("/usr/bin/env", ["tunnet"], named), [exe, base]);
    });

    await t.step("the environment cannot steer the runtime", async () => {
      const env = {
        TUNNET_X: "kept",
        PATH: "/usr/bin:/nowhere",
        MULTI: "line\nexport DENO_FAKE=1\nDENO_OTHER=2",
        DENO_DIR: "/nonexistent",
        DENO_V8_FLAGS: "--no-such-flag",
        DENO_AUDIT_PERMISSIONS: `${base}/audit`,
        DENO_CERT: "/nonexistent",
        NODE_OPTIONS: "--require=/nonexistent.js",
        OTEL_DENO: "true",
        RUST_LOG: "trace",
      };
      const { code, stdout, stderr } = await run(exe, ["env"], here({ env }));
      assertEquals([code, stderr], [0, ""]);
      assertStringIncludes(stdout, "\nPATH=/usr/bin:/nowhere\n");
      assertStringIncludes(stdout, "TUNNET_X=kept\n");
      assert(!/^(DENO_V8|DENO_AUD|DENO_CERT|NODE_|OTEL_|RUST_)/m.test(stdout), stdout);
      assert(!stdout.includes("/nonexistent"), stdout);
      assert(![...Deno.readDirSync(base)].some(({ name }) => name === "audit"));
    });

    await t.step("it may only ask the system for what it must", async () => {
      const { code, stderr } = await run(exe, ["load"], here());
      assertEquals(code, 1);
      assertStringIncludes(stderr, 'Requires sys access to "loadavg"');
    });

    await t.step("the cache is private", () => {
      const mode = (path: string) => Deno.lstatSync(path).mode! & 0o7777;
      const program = entry(cache, "program-");
      assertEquals(mode(cache), 0o700);
      assertEquals(mode(program), 0o700);
      assertEquals(mode(`${program}/main.js`), 0o400);
      assertEquals(mode(`${entry(cache, "runtime-")}/tunnet`), 0o500);
      assertEquals(leftovers(cache), []);
    });

    await t.step("a file changed in the cache is put right", async () => {
      const program = entry(cache, "program-");
      const runtime = `${entry(cache, "runtime-")}/tunnet`;
      for (const path of [`${program}/main.js`, `${program}/worker.js`, runtime]) {
        const before = await Deno.readFile(path);
        const { mtime } = await Deno.stat(path);
        await Deno.chmod(path, 0o700);
        const bad = before.slice();
        bad.fill(0x2a, 64, 128);
        await Deno.writeFile(path, bad);
        // Same length, same mode, same time: only the content tells.
        await Deno.utime(path, mtime!, mtime!);
        await Deno.chmod(path, path === runtime ? 0o500 : 0o400);
        const { code, stdout, stderr } = await run(exe, ["worker"], here());
        assertEquals([code, stdout, stderr], [0, "ping pong true\n", ""], path);
        assertEquals(await Deno.readFile(path), before, path);
      }
    });

    await t.step("odd things in the cache are put right", async () => {
      const program = entry(cache, "program-");
      const runtime = `${entry(cache, "runtime-")}/tunnet`;
      const checks: [string, () => Promise<void>][] = [
        ["no stamp", () => Deno.remove(`${program}/stamp`)],
        ["a link", async () => {
          await Deno.rename(`${program}/main.js`, `${base}/elsewhere.js`);
          await Deno.symlink(`${base}/elsewhere.js`, `${program}/main.js`);
        }],
        ["a directory", async () => {
          await Deno.remove(`${program}/main.js`);
          await Deno.mkdir(`${program}/main.js/deep`, { recursive: true });
        }],
        ["a script", async () => {
          await Deno.remove(runtime);
          await Deno.writeTextFile(runtime, "#!/bin/sh\necho evil\n", { mode: 0o500 });
        }],
        ["an empty stamp", () => Deno.writeTextFile(`${program}/stamp`, "")],
        ["no program", () => Deno.remove(program, { recursive: true })],
      ];
      for (const [name, change] of checks) {
        await change();
        const { code, stdout, stderr } = await run(exe, ["args", name], here());
        assertEquals([code, stdout, stderr], [0, `["${name}"]\n`, ""], name);
        assert(Deno.lstatSync(`${program}/main.js`).isFile, name);
        assertEquals(leftovers(cache), [], name);
      }
    });

    await t.step("five first starts at once", async () => {
      const env = { TUNNET_CACHE: freshCache() };
      const all = await Promise.all(
        [1, 2, 3, 4, 5].map((n) => run(exe, ["args", `${n}`], { env })),
      );
      assertEquals(
        all.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
        [1, 2, 3, 4, 5].map((n) => [0, `["${n}"]\n`, ""]),
      );
      assertEquals(leftovers(env.TUNNET_CACHE), []);
      await Deno.remove(env.TUNNET_CACHE, { recursive: true });
    });

    await t.step("ended while it unpacks: nothing is left", async () => {
      const env = { TUNNET_CACHE: freshCache() };
      const child = start(exe, ["args"], { env });
      await until(
        "unpacking",
        () => isDirectory(env.TUNNET_CACHE) && leftovers(env.TUNNET_CACHE).length > 0,
      );
      child.kill("SIGTERM");
      const { signal, stdout } = await child.output();
      assertEquals([signal, stdout.length], ["SIGTERM", 0]);
      await until("tidying up", () => leftovers(env.TUNNET_CACHE).length === 0);
      await Deno.remove(env.TUNNET_CACHE, { recursive: true });
    });

    await t.step("what other versions left goes after a week", async () => {
      const now_s = Date.now() / 1000;
      const put = async (path: string, age_s: number) => {
        await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
        await Deno.writeTextFile(path, "");
        await Deno.utime(path, now_s - age_s, now_s - age_s);
      };
      const mine = entry(cache, "program-");
      await put(`${cache}/runtime-old/tunnet`, 8 * DAY_S);
      await put(`${cache}/program-old/main.js`, 8 * DAY_S);
      await put(`${cache}/runtime-new/tunnet`, 6 * DAY_S);
      await put(`${cache}/mine/notes`, 900 * DAY_S);
      await put(`${cache}/new.dead/part`, 2 * DAY_S);
      await Deno.utime(`${cache}/new.dead`, now_s - 2 * DAY_S, now_s - 2 * DAY_S);
      // Looking for such things is part of unpacking.
      await Deno.remove(`${mine}/stamp`);
      assertEquals((await run(exe, ["exit", "0"], here())).code, 0);
      const names = [...Deno.readDirSync(cache)].map(({ name }) => name);
      assertEquals(names.filter((name) => /old|dead/.test(name)), []);
      assertEquals(names.filter((name) => /^(runtime-new|mine)$/.test(name)).length, 2);
    });

    await t.step("a damaged file says so", async () => {
      const whole = await Deno.readFile(exe);
      const bad = `${base}/damaged`;
      const cases: [string, Uint8Array][] = [
        ["cut", whole.subarray(0, whole.length - 1_000_000)],
        ["changed", whole.slice().fill(0, whole.length - 2_000_000, whole.length - 1_999_900)],
      ];
      for (const [name, bytes] of cases) {
        await Deno.writeFile(bad, bytes, { mode: 0o755 });
        const env = { TUNNET_CACHE: freshCache() };
        const { code, stdout, stderr } = await run(bad, ["args"], { env });
        assertEquals([code, stdout], [1, ""], name);
        assertMatch(
          stderr,
          /^tunnet: error: this file is damaged \([^\n]+\); try: copy it here again\n$/,
          name,
        );
        assertEquals(leftovers(env.TUNNET_CACHE), [], name);
      }
    });

    await t.step("a cache directory that cannot be made", async () => {
      await Deno.writeTextFile(`${base}/file`, "");
      const cases = ["/proc/tunnet", `${base}/file`, `${base}/file/below`, "relative", "/"];
      for (const TUNNET_CACHE of cases) {
        const { code, stdout, stderr } = await run(exe, ["args"], { env: { TUNNET_CACHE } });
        assertEquals([code, stdout], [1, ""], TUNNET_CACHE);
        assertMatch(
          stderr,
          /^tunnet: error: cannot unpack into a cache directory \(.+: .+\); try: TUNNET_CACHE=DIR, .+\n$/,
          TUNNET_CACHE,
        );
      }
    });

    if (!isRoot) {
      console.warn("SKIPPED, not root: other users, full disks and noexec mounts");
      return;
    }

    await t.step("no environment at all: root's cache is the machine's own", async () => {
      const script = 'mount -t tmpfs none /var/cache && env -i "$1" self && ls -A /var/cache';
      const args = ["-m", "sh", "-c", script, "sh", exe];
      const { code, stdout, stderr } = await run("/usr/bin/unshare", args, {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        cwd: base,
      });
      assertEquals([code, stderr], [0, ""]);
      const [self, ...names] = stdout.trimEnd().split("\n");
      assertEquals([JSON.parse(self!).slice(0, 2), names], [[exe, base], ["tunnet"]]);
      assertMatch(JSON.parse(self!)[2], /^\/var\/cache\/tunnet\/runtime-[0-9a-f]{64}\/tunnet$/);
    });

    await t.step("another user, no HOME or one that cannot be written", async () => {
      const TMPDIR = `${base}/tmp`;
      await Deno.mkdir(TMPDIR);
      await Deno.chmod(TMPDIR, 0o1777);
      const homes: Record<string, string>[] = [{}, { HOME: "/nonexistent" }, { HOME: base }];
      for (const home of homes) {
        const env = { TMPDIR, ...home };
        const { code, stdout, stderr } = await run(exe, ["args"], { env, uid: OTHER_UID });
        assertEquals([code, stdout, stderr], [0, "[]\n", ""], JSON.stringify(env));
        const info = Deno.lstatSync(`${TMPDIR}/tunnet-${OTHER_UID}`);
        assertEquals([info.uid, info.mode! & 0o7777], [OTHER_UID, 0o700]);
      }
      const HOME = `${base}/home`;
      await Deno.mkdir(HOME);
      await Deno.chown(HOME, OTHER_UID, OTHER_UID);
      await run(exe, ["args"], { env: { HOME }, uid: OTHER_UID });
      assert(isDirectory(`${HOME}/.cache/tunnet`));
    });

    await t.step("a cache directory laid out by somebody else is refused", async () => {
      const real = `${base}/real`;
      await Deno.mkdir(real, { mode: 0o700 });
      await Deno.chown(real, OTHER_UID, OTHER_UID);
      const open = `${base}/open`;
      await Deno.mkdir(open);
      await Deno.chmod(open, 0o777);
      await Deno.mkdir(`${open}/tunnet`, { mode: 0o700 });
      await Deno.chown(`${open}/tunnet`, OTHER_UID, OTHER_UID);
      const cases: [string, (path: string) => Promise<void>, RegExp][] = [
        ["link", (path) => Deno.symlink(real, path), /symbolic link/],
        ["dangling", (path) => Deno.symlink(`${base}/none`, path), /symbolic link/],
        ["root's", (path) => Deno.mkdir(path, { mode: 0o700 }), /not a directory of our own/],
        ["open", async (path) => {
          await Deno.mkdir(path);
          await Deno.chmod(path, 0o755);
          await Deno.chown(path, OTHER_UID, OTHER_UID);
        }, /open to others/],
      ];
      for (const [name, lay, why] of cases) {
        const TMPDIR = `${base}/tmp-${name}`;
        await Deno.mkdir(TMPDIR);
        await Deno.chmod(TMPDIR, 0o1777);
        await lay(`${TMPDIR}/tunnet-${OTHER_UID}`);
        const { code, stdout, stderr } = await run(exe, ["args"], {
          env: { TMPDIR },
          uid: OTHER_UID,
        });
        assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2], name);
        assertMatch(stderr, why, name);
      }
      assertEquals([...Deno.readDirSync(real)], []);
      const { stderr } = await run(exe, ["args"], {
        env: { TUNNET_CACHE: `${open}/tunnet` },
        uid: OTHER_UID,
      });
      assertMatch(stderr, /somebody else can exchange it: [^ ]*\/open is open to others/);
    });

    await t.step("root unpacks nothing below what another user could exchange", async () => {
      const theirs = `${base}/theirs`;
      await Deno.mkdir(`${theirs}/roots/deep`, { recursive: true });
      await Deno.chown(theirs, OTHER_UID, OTHER_UID);
      const group = `${base}/group`;
      await Deno.mkdir(group);
      await Deno.chown(group, 0, OTHER_UID);
      await Deno.chmod(group, 0o775);
      await Deno.symlink(`${theirs}/roots`, `${base}/link`);
      const sticky = `${base}/sticky`;
      await Deno.mkdir(sticky);
      await Deno.chmod(sticky, 0o1777);
      await Deno.mkdir(`${sticky}/theirs`);
      await Deno.chown(`${sticky}/theirs`, OTHER_UID, OTHER_UID);
      const belongs = (path: string) => `${path} belongs to user ${OTHER_UID}`;
      const refused: [path: string, why: string][] = [
        [`${theirs}/cache`, belongs(theirs)],
        [`${theirs}/roots/deep/cache`, belongs(theirs)],
        [`${theirs}/new/deep/cache`, belongs(theirs)],
        [`${base}/link/cache`, belongs(theirs)],
        [`${base}/link/../cache`, belongs(theirs)],
        [`${base}/none/../cache`, "a part of the path is missing"],
        [`${sticky}/theirs/cache`, belongs(`${sticky}/theirs`)],
        [`${group}/cache`, `${group} is open to others`],
        [`${group}/a/b/cache`, `${group} is open to others`],
      ];
      for (const [TUNNET_CACHE, why] of refused) {
        const { code, stdout, stderr } = await run(exe, ["args"], { env: { TUNNET_CACHE } });
        assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2], TUNNET_CACHE);
        assertStringIncludes(stderr, why);
      }
      assertEquals([...Deno.readDirSync(theirs)].map(({ name }) => name), ["roots"]);
      assertEquals([...Deno.readDirSync(group)], []);
      // What leads out again by .. has nothing of theirs on its way.
      const good = [`${theirs}/roots/../../out`, `${sticky}/own/cache`, `${base}/a b/\nc/cache`];
      for (const TUNNET_CACHE of good) {
        const { code, stderr } = await run(exe, ["args"], { env: { TUNNET_CACHE } });
        assertEquals([code, stderr], [0, ""], TUNNET_CACHE);
        assertEquals((await run(exe, ["args"], { env: { TUNNET_CACHE } })).code, 0);
      }
    });

    await t.step("root's TMPDIR of another user is passed over", async () => {
      const script = "mount -t tmpfs -o ro none /var/cache" +
        ' && mount -t tmpfs -o mode=1777 none /tmp && TMPDIR=$2 "$1" self';
      // Not below /tmp, which the script covers.
      const dir = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "tunnet-portable-" });
      try {
        await Deno.copyFile(exe, `${dir}/exe`);
        await Deno.mkdir(`${dir}/theirs`);
        await Deno.chown(`${dir}/theirs`, OTHER_UID, OTHER_UID);
        const { code, stdout, stderr } = await run(
          "/usr/bin/unshare",
          ["-m", "sh", "-c", script, "sh", `${dir}/exe`, `${dir}/theirs`],
          { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
        );
        assertEquals([code, stderr], [0, ""]);
        assertMatch(JSON.parse(stdout)[2], /^\/tmp\/tunnet-0\/runtime-/);
        assertEquals([...Deno.readDirSync(`${dir}/theirs`)], []);
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    });

    await t.step("a full disk, a noexec mount and a read-only one", async () => {
      const at = `${base}/mount`;
      await Deno.mkdir(at);
      const script = 'mount -t tmpfs -o "$1" none "$2" && TUNNET_CACHE=$2/cache exec "$3" args';
      const mounted = (options: string) =>
        run("/usr/bin/unshare", ["-m", "sh", "-c", script, "sh", options, at, exe], {
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        });
      const cases: [string, RegExp][] = [
        ["mode=755,size=20m", /no space left/],
        ["mode=755,noexec", /does not start from there: Permission denied/],
        ["mode=755,ro", /Read-only file system/],
      ];
      for (const [options, why] of cases) {
        const { code, stdout, stderr } = await mounted(options);
        assertEquals([code, stdout, stderr.split("\n").length], [1, "", 2], options + stderr);
        assertMatch(stderr, why);
      }
    });
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
