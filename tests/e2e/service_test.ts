/** The node as a service: what a fake of the service manager hears, and who may run it. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { askStatus } from "../../src/status/client.ts";
import { socketName } from "../../src/status/socket.ts";
import { KERNEL_PATH, kernelTest } from "../kernel_path/possible.ts";
import { Bed, repoPath, tunnetCommand, until } from "./harness.ts";

/** A service manager's notify socket: keeps the datagrams that come. */
class Manager implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly #socket: Deno.DatagramConn;
  readonly #ended: Promise<void>;

  constructor(path: string) {
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path });
    this.#ended = this.#listen();
  }

  async #listen(): Promise<void> {
    for await (const [bytes] of this.#socket) this.heard.push(new TextDecoder().decode(bytes));
  }

  /** Waits for one more datagram with this line than `after` of them; the datagram. */
  async next(line: string, after: number): Promise<string> {
    const found = () => this.heard.filter((one) => one.split("\n").includes(line));
    await until(`the manager hears ${line}`, 15_000, () => found().length > after);
    return found()[after]!;
  }

  count(line: string): number {
    return this.heard.filter((one) => one.split("\n").includes(line)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#ended;
  }
}

/** µs since boot, to compare with CLOCK_MONOTONIC (the same unless the machine has slept). */
async function uptime_us(bed: Bed): Promise<number> {
  const { stdout } = await bed.onNode(0, "cat", "/proc/uptime");
  return Number(stdout.split(" ")[0]) * 1e6;
}

Deno.test("service manager: ready, alive, reloading, ready again, stopping", async (t) => {
  await using bed = await Bed.create();
  const path = `${bed.dir}/notify`;
  await using manager = new Manager(path);
  const a = bed.launch(0, undefined, [], [`NOTIFY_SOCKET=${path}`, "WATCHDOG_USEC=400000"]);
  await t.step("ready, with a status", async () => {
    assertEquals(manager.count("READY=1"), 0);
    assertMatch(
      await manager.next("READY=1", 0),
      /^READY=1\nSTATUS=node-a: 0 of 1 peers up, MTU \d+$/,
    );
    assert(a.log.includes('"event":"ready"'));
  });
  await t.step("alive, as long as it runs", async () => {
    await manager.next("WATCHDOG=1", 5);
    Deno.kill(a.pid, "SIGSTOP");
    try {
      // What was sent before the stop may still arrive; a second later nothing can.
      let last = -1;
      await until("nothing more comes", 10_000, async () => {
        const before = last;
        last = manager.heard.length;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return before === manager.heard.length;
      });
    } finally {
      Deno.kill(a.pid, "SIGCONT");
    }
    await manager.next("WATCHDOG=1", manager.count("WATCHDOG=1"));
    assert(!a.log.includes('"event":"watchdog"'), "idle lanes are alive");
  });
  await t.step("a new status when a peer comes", async () => {
    await bed.start(1);
    const { mtu_bytes } = JSON.parse(a.log.split("\n").find((line) => line.includes('"ready"'))!);
    await manager.next(`STATUS=node-a: 1 of 1 peers up, MTU ${mtu_bytes}`, 0);
  });
  for (const [name, file] of [["a good file", bed.yaml], ["a bad file", "nodes: 1"]] as const) {
    await t.step(`reloading and ready again: ${name}`, async () => {
      const ready = manager.count("READY=1");
      const reloading = manager.count("RELOADING=1");
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, file);
      const from_us = await uptime_us(bed);
      Deno.kill(a.pid, "SIGHUP");
      const text = await manager.next("RELOADING=1", reloading);
      const at_us = Number(/\nMONOTONIC_USEC=(\d+)\n/.exec(text)?.[1]);
      await manager.next("READY=1", ready);
      const slack_us = 20_000; // /proc/uptime counts in hundredths of a second
      assert(at_us > from_us - slack_us && at_us < await uptime_us(bed) + slack_us, text);
      const order = manager.heard.map((one) => one.split("\n")[0]!);
      assert(order.lastIndexOf("RELOADING=1") < order.lastIndexOf("READY=1"));
    });
  }
  await t.step("stopping, and then no sign of life", async () => {
    Deno.kill(a.pid, "SIGTERM");
    await manager.next("STOPPING=1", 0);
    assertEquals((await a.status).code, 0);
    const lines = manager.heard.map((one) => one.split("\n")[0]!);
    const rest = lines.slice(lines.indexOf("STOPPING=1") + 1);
    assertEquals(rest.filter((line) => line !== ""), []);
  });
});

Deno.test("service manager: an abstract socket, and none at all", async (t) => {
  await using bed = await Bed.create();
  await t.step("an abstract name, which is the network namespace's own", async () => {
    const name = `tunnet-${bed.lab.parts.id}`;
    const socat = ["socat", "-u", `ABSTRACT-RECVFROM:${name}`, "STDOUT"];
    const manager = bed.spawn(bed.node(0).namespace, socat);
    await until(
      "socat listens",
      5_000,
      async () => (await bed.onNode(0, ..."ss -Hxl".split(" "))).stdout.includes(`@${name}`),
    );
    const a = bed.launch(0, undefined, [], [`NOTIFY_SOCKET=@${name}`]);
    const { stdout } = await manager.output();
    assertMatch(new TextDecoder().decode(stdout), /^READY=1\nSTATUS=node-a: /);
    await a.stop();
  });
  await t.step("a socket that nobody serves is told once, and no reason to stop", async () => {
    const a = bed.launch(0, undefined, [], [
      `NOTIFY_SOCKET=${bed.dir}/nobody`,
      "WATCHDOG_USEC=20000",
    ]);
    await a.ready();
    await until("it is told", 5_000, () => a.log.includes('"event":"notify"'));
    const { counters } = { counters: await bed.counters(a) };
    assertEquals(counters.outbound.send_failed, 0);
    assertEquals(a.log.match(/"event":"notify"/g)?.length, 1, a.log);
    assertMatch(a.log, /cannot notify .*nobody: ENOENT/);
    await a.stop();
  });
});

Deno.test("logs to the systemd journal carry its priorities, and no time", async () => {
  await using bed = await Bed.create();
  // A socket for standard error, named as systemd names the journal's.
  const command = tunnetCommand(`${bed.dir}/empty`, ['"JOURNAL_STREAM=$stream"']).join(" ");
  Deno.writeTextFileSync(
    `${bed.dir}/start`,
    `stream=$(stat -Lc %d:%i /proc/self/fd/2)\necho $$ >${bed.dir}/pid\n` +
      `exec ${command} --peer -c ${bed.dir}/tunnet.yaml\n`,
  );
  const reader = bed.spawn(bed.node(0).namespace, [
    ...["socat", "-u", `EXEC:sh ${bed.dir}/start,stderr`, "STDOUT"],
  ]);
  let text = "";
  const lines = reader.stdout.pipeThrough(new TextDecoderStream());
  for await (const chunk of lines) {
    text += chunk;
    if (/ready: .*\n/.test(text) && !text.includes("stopping")) {
      Deno.kill(Number(Deno.readTextFileSync(`${bed.dir}/pid`)), "SIGTERM");
    }
  }
  await reader.stderr.cancel();
  assertMatch(text, /^<6>ready: node-a on tunnet0 /m);
  assertMatch(text, /^<6>stopping$/m);
  for (const line of text.trim().split("\n")) assertMatch(line, /^<[3467]>/);
});

Deno.test("a peer with another port than the config says is named, and its datagrams counted", async () => {
  await using bed = await Bed.create();
  const a = await bed.start(0);
  const { address } = bed.node(1);
  // Node b listens elsewhere than node a's config has it.
  await bed.start(1, ["-c", `${bed.dir}/tunnet.yaml`, "--listen", `${address}:4000`]);
  await until("it is named", 15_000, () => a.log.includes('"event":"wrong_port"'));
  assertMatch(
    a.log,
    /node-b is expected at 192\.168\.0\.7:3009, but datagrams come from port 4000/,
  );
  const { inbound } = await bed.counters(a);
  assert(inbound.wrong_port! > 0);
  assertEquals(inbound.unknown_peer, 0);
});

/** Threads of a process: name, effective and permitted capabilities, no_new_privs. */
function threadsOf(pid: number) {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name: tid }) => {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${tid}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
    return {
      main: Number(tid) === pid,
      effective: field("CapEff"),
      permitted: field("CapPrm"),
      inheritable: field("CapInh"),
      ambient: field("CapAmb"),
      locked: field("NoNewPrivs"),
      seccomp: field("Seccomp"),
      uid: field("Uid"),
      gid: field("Gid"),
    };
  });
}

const ROOT = "0\t0\t0\t0";
const NOBODY = "65534\t65534\t65534\t65534";
const NONE = "0".repeat(16);
const NET_ADMIN = "0000000000001000";
const NET_ADMIN_AND_BPF = KERNEL_PATH ? "0000008000001000" : NET_ADMIN;
const NET_ADMIN_BPF_AND_READ = KERNEL_PATH ? "0000008000001004" : "0000000000001004";

/** Waits until the main thread has these capabilities left: it is ready a moment before. */
function dropped(pid: number, left: string): Promise<void> {
  const permitted = () => threadsOf(pid).find(({ main }) => main)?.permitted;
  return until(`only ${left} is left`, 5_000, () => permitted() === left);
}

/** Whether the program leaves root: Deno would have to read its sources again. */
const LEAVES_ROOT = Deno.env.get("TUNNET_EXE") !== undefined;

/** Checks what each thread has: the main one `kept`, the others nothing, all for good. */
function checkThreads(pid: number, kept: string): void {
  const threads = threadsOf(pid);
  for (const { main, locked, uid, gid, seccomp: _, ...sets } of threads) {
    if (!main && !LEAVES_ROOT) continue;
    const one = main ? kept : NONE;
    assertEquals(
      { ...sets, locked, uid, gid },
      {
        ...{ effective: one, permitted: one, inheritable: NONE, ambient: NONE, locked: "1" },
        ...(LEAVES_ROOT ? { uid: NOBODY, gid: NOBODY } : { uid: ROOT, gid: ROOT }),
      },
    );
  }
  const without = threads.filter(({ permitted, locked }) => permitted === NONE && locked === "1");
  assert(without.length >= 1, JSON.stringify(threads));
}

const SHAPES: readonly [string, Parameters<typeof Bed.create>[0], string, string][] = [
  ["by the kernel path", {}, "auto", NET_ADMIN_AND_BPF],
  ["over IPv6, several lanes", { ipv6: true, underlay6: true }, "batch,lanes=3", NET_ADMIN],
  ["mode tap", { mode: "tap" }, "batch", NET_ADMIN],
  ["one datagram at a time", {}, "datagram", NET_ADMIN],
];

for (const [name, shape, engine, kept] of SHAPES) {
  Deno.test(`privileges: started by root, no thread stays root, and that suffices, ${name}`, async (t) => {
    await using bed = await Bed.create(shape);
    Deno.chmodSync(bed.dir, 0o755);
    const before = await bed.state(0);
    const config = ["-c", `${bed.dir}/tunnet.yaml`];
    const a = await bed.start(0, [...config, "--engine", engine]);
    await bed.start(1, config);
    await bed.ping(0, 1);
    if (engine !== "datagram") {
      await dropped(a.pid, kept);
      checkThreads(a.pid, kept);
    }
    await t.step("a lost device is made again, twice", async () => {
      for (let i = 0; i < 2; i++) {
        await bed.onNode(0, ..."ip link del tunnet0".split(" "));
        const back = () => a.log.split('"event":"device_back"').length === i + 2;
        await until("it is back", 5_000, back);
        await bed.reachable(0, 1, 5_000);
      }
      if (engine !== "auto" || !KERNEL_PATH) return;
      await until("its kernel path is made again", 10_000, () => bed.reachesFrozen(0, 1, [a]));
    });
    await t.step("the config is read again", async () => {
      Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, `mtu: 1300\n${bed.yaml}`);
      const { stdout, stderr } = await bed.onNode(0, ...bed.command, "reload");
      assertMatch(stdout, /changed mtu/, stderr);
    });
    await t.step("no program can be started, nor another namespace entered", () => {
      if (!LEAVES_ROOT) return;
      for (const { seccomp } of threadsOf(a.pid)) assertEquals(seccomp, "2");
    });
    await t.step("all is gone at the end", async () => {
      await a.stop();
      assertEquals((await a.status).code, 0);
      assertEquals(await bed.state(0), before);
      assert(!a.log.includes('"level":"error"'), a.log);
      const { stderr } = await bed.onNode(0, ...bed.command, "status");
      assertMatch(stderr, /no node runs here/, "its socket is gone");
    });
  });
}

Deno.test("privileges: the socket goes also when the node is killed", async () => {
  if (!LEAVES_ROOT) return;
  await using bed = await Bed.create({ bare: true });
  const socket = `${bed.dir}/a.sock`;
  const a = await bed.start(0, ["-c", `${bed.dir}/tunnet.yaml`, "--status-socket", socket]);
  assert(Deno.lstatSync(socket).isSocket);
  Deno.kill(a.pid, "SIGKILL");
  await until("it is gone", 5_000, () => {
    try {
      return !Deno.lstatSync(socket);
    } catch {
      return true;
    }
  });
});

Deno.test("privileges: --no-drop keeps them", async () => {
  await using bed = await Bed.create({ bare: true });
  const a = await bed.start(0, ["-c", `${bed.dir}/tunnet.yaml`, "--no-drop"]);
  await bed.start(1);
  const { uid, permitted } = threadsOf(a.pid).find(({ main }) => main)!;
  assertEquals(uid, ROOT);
  assert(permitted !== NONE && permitted !== NET_ADMIN_AND_BPF, permitted);
});

Deno.test("privileges: a config that only root may read can be read again", async () => {
  await using bed = await Bed.create();
  const home = `${bed.dir}/home`;
  Deno.mkdirSync(home, { mode: 0o700 });
  Deno.writeTextFileSync(`${home}/tunnet.yaml`, bed.yaml, { mode: 0o600 });
  Deno.chownSync(`${home}/tunnet.yaml`, SUDOER, SUDOER);
  Deno.chownSync(home, SUDOER, SUDOER);
  // The user who runs sudo.
  const a = bed.launch(0, ["-c", `${home}/tunnet.yaml`], [], [`SUDO_UID=${SUDOER}`]);
  await a.ready();
  await dropped(a.pid, NET_ADMIN_BPF_AND_READ);
  Deno.writeTextFileSync(`${home}/tunnet.yaml`, `mtu: 1300\n${bed.yaml}`);
  const { stdout, stderr } = await bed.onNode(0, ...bed.command, "reload");
  assertMatch(stdout, /changed mtu/, stderr);
});

/** Somebody who runs sudo. */
const SUDOER = 12_345;

/** An ordinary user: nobody in Debian. */
const USER = 65_534;

/**
 * Words that start a command as an ordinary user with these capabilities and no
 * others, who can read Deno, its cache, the checkout and the executable, which may
 * be below a home directory that is root's alone.
 */
function asUser(bed: Bed, capabilities: string, tunMode: string): readonly string[] {
  const capabilityWords = ["--inh-caps", "--ambient-caps", "--bounding-set"].map((one) =>
    `${one}=-all${capabilities}`
  ).join(" ");
  const script = `set -e
    mkdir -p "$1/u/cache" "$1/u/repo" "$1/u/home"
    touch "$1/u/deno" "$1/u/tunnet"
    chmod 0755 "$1" "$1/u"
    chmod 0644 "$1/tunnet.yaml"
    chown ${USER} "$1/u/home"
    mount --bind "$2" "$1/u/deno"
    mount --bind "$3" "$1/u/cache"
    mount --bind "$4" "$1/u/repo"
    [ -z "$5" ] || mount --bind "$5" "$1/u/tunnet"
    mount -t tmpfs none /dev/net
    mknod -m ${tunMode} /dev/net/tun c 10 200
    mkdir -p /run/user
    mount -t tmpfs none /run/user
    install -d -o ${USER} -g ${USER} /run/user/${USER}
    export DENO_DIR="$1/u/cache" HOME="$1/u/home" TUNNET_CACHE="$1/u/home/cache"
    dir=$1
    shift 5
    exec setpriv --reuid=${USER} --regid=${USER} --clear-groups ${capabilityWords} "$@"`;
  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache/deno`;
  return ["unshare", "--mount", "sh", "-c", script, "sh", bed.dir, Deno.execPath(), cache]
    .concat(repoPath("").replace(/\/$/, ""), Deno.env.get("TUNNET_EXE") ?? "");
}

/**
 * Starts node 0 as an ordinary user. udev makes /dev/net/tun so that everybody may open it; a host
 * without udev has it for root alone.
 */
function launchAsUser(bed: Bed, capabilities: string, tunMode = "0666") {
  const command = Deno.env.get("TUNNET_EXE")
    ? ["env", "-i", `HOME=${bed.dir}/u/home`, `${bed.dir}/u/tunnet`]
    : [`${bed.dir}/u/deno`, "run", "-A", "--no-prompt", `${bed.dir}/u/repo/main.ts`];
  return bed.launchWords(0, [
    ...asUser(bed, capabilities, tunMode),
    ...command,
    ...bed.peerWords,
    ...["--json", "-c", `${bed.dir}/tunnet.yaml`],
  ]);
}

kernelTest(
  "an ordinary user with CAP_BPF and CAP_SYS_ADMIN has the kernel path, and gives the latter up",
  async () => {
    await using bed = await Bed.create();
    const a = launchAsUser(bed, ",+net_admin,+bpf,+sys_admin");
    await Promise.all([a.ready(), bed.start(1)]);
    await bed.ping(0, 1);
    await until("it carries while a is stopped", 10_000, () => bed.reachesFrozen(0, 1, [a]));
    await dropped(a.pid, NET_ADMIN_AND_BPF);
    assertEquals((await bed.onNode(0, "ip", "link", "del", "tunnet0-in")).code, 0);
    await until("the helper is made again", 10_000, () => a.log.includes("it is back"));
    await until("it carries again", 10_000, () => bed.reachesFrozen(0, 1, [a]));
  },
);

Deno.test("an ordinary user with only CAP_NET_ADMIN runs a node", async (t) => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const a = launchAsUser(bed, ",+net_admin");
  await a.ready();
  assertMatch(a.log, /no kernel path \(it takes root, or CAP_BPF|no kernel path \(it takes Linux/);
  await bed.start(1);
  await bed.ping(0, 1);
  await t.step("as that user, with that capability", () => {
    const { stdout } = new Deno.Command("ps", { args: ["-o", "uid=", "-p", `${a.pid}`] })
      .outputSync();
    assertEquals(Number(new TextDecoder().decode(stdout)), USER);
    assertEquals(threadsOf(a.pid).find(({ main }) => main)!.permitted, NET_ADMIN);
    for (const { permitted } of threadsOf(a.pid)) assert([NONE, NET_ADMIN].includes(permitted));
  });
  await t.step("its status, in the folder of that user", async () => {
    const socket = `/run/user/${USER}/tunnet/${socketName("tunnet0", bed.node(0).namespace)}`;
    assertMatch(a.log, new RegExp(`"status_socket":"${socket}"`));
    // The folder is in the mount namespace of the node.
    const { node } = await askStatus(`/proc/${a.pid}/root${socket}`);
    assertEquals(node.name, "node-a");
  });
  await t.step("a lost device is made again, and TCP is whole", async () => {
    await bed.onNode(0, ..."ip link del tunnet0".split(" "));
    await bed.reachable(0, 1, 5_000);
    const { path, sha256 } = await bed.randomFile(10_000_000);
    assertEquals(await bed.transfer(0, 1, path), sha256);
  });
  await t.step("SIGHUP", async () => {
    Deno.writeTextFileSync(`${bed.dir}/tunnet.yaml`, `mtu: 1300\n${bed.yaml}`);
    Deno.kill(a.pid, "SIGHUP");
    await until("it has reloaded", 10_000, () => a.log.includes("changed mtu"));
  });
  await t.step("and leaves nothing", async () => {
    await a.stop();
    assertEquals(await bed.state(0), before);
  });
});

Deno.test("an ordinary user without it gets one clear line", async () => {
  await using bed = await Bed.create();
  const a = launchAsUser(bed, "");
  assertEquals((await a.status).code, 1);
  const lines = a.log.trim().split("\n");
  const [error, ...more] = lines.filter((line) => !/"event":"config(_file)?"/.test(line));
  assertMatch(error!, /^tunnet: error: .*CAP_NET_ADMIN.*; try: sudo/);
  assertEquals(more, []);
});

Deno.test("an ordinary user who may not open /dev/net/tun is told so", async () => {
  await using bed = await Bed.create();
  const a = launchAsUser(bed, ",+net_admin", "0600");
  assertEquals((await a.status).code, 1);
  assertMatch(
    a.log,
    /^tunnet: error: cannot open \/dev\/net\/tun \(this user may not read and write it\); try: sudo, or chmod 0666 \/dev\/net\/tun$/m,
  );
});

/** What node a knows of node b, as `tunnet status` tells it. */
async function peerOf(bed: Bed): Promise<{ state: string; address: string }> {
  const { stdout, stderr } = await bed.onNode(0, ...bed.command, "status", "--json");
  assert(stdout !== "", stderr);
  const { state, address } = JSON.parse(stdout).peers[0];
  return { state, address };
}

/** What `status` has to have noticed within. */
const TRUTH_MS = 15_000;

async function knows(
  bed: Bed,
  state: string,
  address: string,
  within_ms = TRUTH_MS,
): Promise<void> {
  await until(`node-b is ${state} at ${address}`, within_ms, async () => {
    const peer = await peerOf(bed);
    return peer.state === state && (peer.address ?? "").startsWith(address);
  });
}

/** Gives node b another address that node a has a way to. */
async function addAddress(bed: Bed, address: string): Promise<void> {
  await bed.onNode(1, ..."ip addr add dev eth0".split(" "), `${address}/32`);
  await bed.onNode(0, ..."ip route add dev eth0".split(" "), address);
  const { address: a } = bed.node(0);
  await bed.onNode(1, ..."ip route replace dev eth0".split(" "), a, "src", address);
}

Deno.test("a peer known by name is followed when the name means another address", async () => {
  await using bed = await Bed.create();
  // ip-netns(8) puts files from there in place of those in /etc.
  const etc = `/etc/netns/${bed.node(0).namespace}`;
  const hosts = (address: string) =>
    Deno.writeTextFileSync(`${etc}/hosts`, `127.0.0.1 localhost\n${address} b.test\n`);
  Deno.mkdirSync(etc, { recursive: true });
  try {
    hosts("192.168.0.7");
    const named = bed.yaml.replace('"192.168.0.7"', "b.test");
    Deno.writeTextFileSync(`${bed.dir}/named.yaml`, named);
    const a = await bed.start(0, ["-c", `${bed.dir}/named.yaml`]);
    const b = await bed.start(1, ["-c", `${bed.dir}/tunnet.yaml`]);
    await knows(bed, "up", "192.168.0.7");
    await addAddress(bed, "192.168.0.77");
    await b.stop();
    hosts("192.168.0.77");
    const there = bed.yaml.replace('192.168.0.7"', '192.168.0.77"');
    Deno.writeTextFileSync(`${bed.dir}/there.yaml`, there);
    await bed.start(1, ["-c", `${bed.dir}/there.yaml`]);
    await knows(bed, "up", "192.168.0.77", TRUTH_MS / 10);
    await bed.ping(0, 1);
    assertMatch(a.log, /node-b \(b\.test\) is at 192\.168\.0\.77 now/);
  } finally {
    Deno.removeSync(etc, { recursive: true });
  }
});
