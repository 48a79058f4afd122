import { parseConfig } from "../../../src/config/parse.ts";
import { credentialName } from "../../../src/base/credentials.ts";
import { readKeyFile } from "../../../src/host/key_file.ts";
import {
  keyFilesOf,
  secretFilesOf,
  SERVICE,
  systemdScript,
  unitFile,
} from "../../../src/tools/setup/systemd.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../assert.ts";
import { inputFor, shellcheck } from "./scripts.ts";

const { self } = inputFor("both");

/** The values of a setting in a unit file. */
function settings(unit: string, name: string): readonly string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);
}

async function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const command = new Deno.Command(program, { args: [...args], env, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { code, output: text.decode(stdout) + text.decode(stderr) };
}

Deno.test("setup --systemd: the unit's rights, and how it is run", () => {
  const unit = unitFile({ self, embedded: false });
  for (const name of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
    assertEquals(settings(unit, name), ["CAP_NET_ADMIN CAP_BPF CAP_SYS_ADMIN"], name);
  }
  assertEquals(settings(unit, "ExecStart"), [
    "/usr/local/bin/tunnet --peer --config /etc/tunnet/tunnet.yaml --node both",
  ]);
  assertEquals(settings(unit, "Type"), ["notify"]);
  assertEquals(settings(unit, "DynamicUser"), ["yes"]);
  assertEquals(settings(unit, "DeviceAllow"), ["/dev/net/tun rw"]);
  assertEquals(settings(unit, "Restart"), ["on-failure"]);
  assertEquals(settings(unit, "RuntimeDirectory"), ["tunnet"]);
  assertMatch(settings(unit, "WatchdogSec")[0]!, /^\d+$/);
  assertMatch(settings(unit, "ExecReload")[0]!, /kill -HUP \$MAINPID$/);
});

Deno.test("setup --systemd: a port below 1024 and an embedded config change what they must", () => {
  const low = { ...self, endpoint: { ...self.endpoint, port: 53 } };
  const unit = unitFile({ self: low, embedded: true });
  for (const name of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
    const all = "CAP_NET_ADMIN CAP_BPF CAP_SYS_ADMIN CAP_NET_BIND_SERVICE";
    assertEquals(settings(unit, name), [all], name);
    const http = { host: "0.0.0.0", port: 80 };
    assertEquals(settings(unitFile({ self, http, embedded: true }), name), [all], name);
  }
  assertEquals(settings(unit, "ExecStart"), ["/usr/local/bin/tunnet --peer --node both"]);
});

Deno.test("setup --systemd: with etcd, no name, files of its own, and secrets handed over", () => {
  const text = `
private_key_file: /etc/tunnet/my.key
etcd:
  endpoints: [https://10.0.0.5]
  cert_file: /etc/tunnet/etcd.pem
  key_file: /etc/tunnet/etcd-key.pem
  username: me
  password_file: /etc/tunnet/password
`;
  const { config } = parseConfig(text, "t.yaml");
  const keyFiles = secretFilesOf(config, self);
  assertEquals(keyFiles, [
    ...["/etc/tunnet/my.key", "/etc/tunnet/etcd-key.pem", "/etc/tunnet/password"],
  ]);
  const unit = unitFile({ self, embedded: false, keyFiles, etcd: true });
  assertEquals(settings(unit, "ExecStart"), [
    "/usr/local/bin/tunnet --peer --config /etc/tunnet/tunnet.yaml",
  ]);
  assertEquals(settings(unit, "RuntimeDirectory"), ["tunnet flannel"]);
  assertEquals([settings(unit, "StateDirectory"), settings(unit, "LoadCredential").length], [
    ["tunnet"],
    3,
  ]);
});

const KEYED = `
private_key_file: /etc/tunnet/100% mine.key
nodes:
  - name: node-a
    address: 192.168.0.8
    subnets: [172.1.0.0/16]
    public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
    preshared_key_file: /etc/tunnet/a.psk
  - name: node-b
    address: 192.168.0.7
    subnets: [172.2.0.0/16]
    public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
    preshared_key_file: /etc/tunnet/b.psk
`;

Deno.test("setup --systemd: systemd hands over the key files, which the node then reads", async () => {
  const loaded = parseConfig(KEYED, "keyed.yaml");
  const [node] = loaded.config.nodes;
  const keyFiles = keyFilesOf(loaded.config, node!);
  assertEquals(keyFiles, ["/etc/tunnet/100% mine.key", "/etc/tunnet/b.psk"]);
  const unit = unitFile({ self: node!, embedded: false, keyFiles });
  assertEquals(settings(unit, "LoadCredential"), [
    "_2Fetc_2Ftunnet_2F100_25_20mine.key:/etc/tunnet/100%% mine.key",
    "_2Fetc_2Ftunnet_2Fb.psk:/etc/tunnet/b.psk",
  ]);
  await shellcheck(systemdScript({ loaded, self: node!, undo: false }, false));
  const directory = await Deno.makeTempDir();
  try {
    const key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
    const mode = 0o400;
    await Deno.writeTextFile(`${directory}/${credentialName(keyFiles[0]!)}`, `${key}\n`, { mode });
    assertEquals(readKeyFile(keyFiles[0]!, directory).toBase64(), key);
    assertThrows(() => readKeyFile("/nowhere/b.psk", directory), Error, "no such key file");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  for (const path of ["/a b", "/a_2Fb", "/a/b"]) {
    assertMatch(credentialName(path), /^[A-Za-z0-9._-]+$/);
  }
  assert(credentialName("/a_2Fb") !== credentialName("/a/b"));
});

Deno.test("setup --systemd: shellcheck finds nothing, undo included", async () => {
  for (const embedded of [false, true]) {
    for (const undo of [false, true]) {
      await shellcheck(systemdScript(inputFor("both", { undo }), embedded));
    }
  }
});

Deno.test("setup --systemd: the script writes the unit, changes nothing twice, and undoes it", async () => {
  const DESTDIR = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  const sh = async (undo: boolean) => {
    const script = systemdScript(inputFor("both", { undo }), false);
    assertEquals(await run("sh", ["-c", script], { DESTDIR }), { code: 0, output: "" });
  };
  try {
    await sh(false);
    const unit = `${DESTDIR}${SERVICE.unit}`;
    assertEquals(Deno.readTextFileSync(unit), unitFile({ self, embedded: false }));
    assertEquals(
      Deno.readTextFileSync(`${DESTDIR}${SERVICE.sysctl}`),
      "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n",
    );
    const before = Deno.statSync(unit);
    await sh(false);
    assertEquals(Deno.statSync(unit).ino, before.ino, "an unchanged unit is left alone");
    await sh(true);
    await sh(true);
    const left = await run("find", [DESTDIR, "-type", "f"]);
    assertEquals(left.output, "");
  } finally {
    Deno.removeSync(DESTDIR, { recursive: true });
  }
});

Deno.test("setup --systemd: a unit of this name that runs something else is left alone", async () => {
  const DESTDIR = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  const sh = (undo: boolean) =>
    run("sh", ["-c", systemdScript(inputFor("both", { undo }), false)], { DESTDIR });
  try {
    const unit = `${DESTDIR}${SERVICE.unit}`;
    Deno.mkdirSync(unit.slice(0, unit.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(unit, "[Service]\nExecStart=/usr/bin/other\n");
    const refused = await sh(false);
    assertEquals(refused.code, 1);
    assertMatch(refused.output, /^setup: error: .*tunnet\.service runs something else; try: /);
    const undone = await sh(true);
    assertEquals(undone.code, 0);
    assertMatch(
      undone.output,
      /^setup: warning: .* was not made by this script, and is left alone/,
    );
    const found = await run("find", [DESTDIR, "-type", "f"]);
    assertEquals(found.output, `${unit}\n`);
  } finally {
    Deno.removeSync(DESTDIR, { recursive: true });
  }
});

Deno.test("setup --systemd: systemd itself finds the unit right, and little exposed", async () => {
  try {
    await run("systemd-analyze", ["--version"]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("SKIPPED: systemd-analyze is not on this host (apt-get install systemd)");
    return;
  }
  const dir = Deno.makeTempDirSync({ prefix: "tunnet-test-" });
  try {
    const file = `${dir}/tunnet.service`;
    // It looks whether the program is there: any will do.
    const unit = unitFile({ self, embedded: false }).replaceAll(SERVICE.program, "/bin/sh");
    Deno.writeTextFileSync(file, unit);
    assertEquals(await run("systemd-analyze", ["verify", file]), { code: 0, output: "" });
    const { output } = await run("systemd-analyze", ["security", "--offline=true", file]);
    const score = /exposure level for \S+: ([\d.]+)/.exec(output)?.[1];
    assert(score !== undefined, output);
    // 0 is a service that may do nothing, 10 one without any sandbox.
    assertLess(Number(score), 2.5);
    assertStringIncludes(output, "CAP_NET_ADMIN");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
