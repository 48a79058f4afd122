import { assert, assertEquals, assertMatch } from "../assert.ts";
import { KERNEL_PATH } from "../kernel_path/possible.ts";
import { Bed, until } from "./harness.ts";

/** The one line of error that a start which fails prints, and its exit status. */
async function failure(bed: Bed, wrap: readonly string[] = [], args?: readonly string[]) {
  const started = bed.launch(0, args, wrap);
  const { code } = await started.status;
  const lines = started.log.trim().split("\n");
  const errors = lines.filter((line) => !/"event":"config(_file)?"/.test(line));
  return { code, line: errors.at(-1)!, lines: errors.length };
}

Deno.test("a start that cannot succeed says why in one line and leaves nothing", async (t) => {
  await using bed = await Bed.create();
  const before = await bed.state(0);
  const cases: readonly [string, RegExp, readonly string[]][] = [
    [
      "without CAP_NET_ADMIN",
      /^tunnet: error: .*CAP_NET_ADMIN.*; try: sudo/,
      ["setpriv", "--inh-caps", "-net_admin", "--bounding-set", "-net_admin"],
    ],
    [
      "without /dev/net/tun",
      /^tunnet: error: cannot open \/dev\/net\/tun \(.*no tun driver/,
      [
        ...["unshare", "--mount", "sh", "-c"],
        'mount -t tmpfs none /dev/net && exec "$@"',
        "sh",
      ],
    ],
  ];
  for (const [name, expected, wrap] of cases) {
    await t.step(name, async () => {
      const { code, line, lines } = await failure(bed, wrap);
      assertMatch(line, expected);
      assertEquals([code, lines], [1, 1]);
    });
  }
  await t.step("the port is in use", async () => {
    const listen = `UDP4-LISTEN:3009,bind=${bed.node(0).address}`;
    const other = bed.spawn(bed.node(0).namespace, ["socat", listen, "STDOUT"]);
    const open = async () => (await bed.onNode(0, "ss", "-Hlun")).stdout.includes(":3009");
    await until("the port is taken", 5_000, open);
    const { code, line } = await failure(bed);
    assertMatch(line, /^tunnet: error: cannot open UDP 192\.168\.0\.8:3009 \(another program/);
    assertEquals(code, 1);
    other.kill("SIGKILL");
    await other.status;
  });
  await t.step("the device's name is taken by something else", async () => {
    await bed.onNode(0, ..."ip link add tunnet0 type bridge".split(" "));
    const { code, line } = await failure(bed);
    assertMatch(line, /^tunnet: error: cannot use the device tunnet0 \(.*not a tun device\)/);
    assertEquals(code, 1);
    await bed.onNode(0, ..."ip link del tunnet0".split(" "));
  });
  await t.step("the route is taken by another device", async () => {
    await bed.onNode(0, ..."ip route add 172.0.0.0/8 dev eth0".split(" "));
    const { code, line } = await failure(bed);
    assertMatch(line, /172\.0\.0\.0\/8.*eth0/);
    assertEquals(code, 1);
    await bed.onNode(0, ..."ip route del 172.0.0.0/8 dev eth0".split(" "));
  });
  await t.step("no node matches", async () => {
    const args = ["--peer", "172.9.0.0/16=192.0.2.1", "--listen", "192.0.2.9"];
    const { code, line } = await failure(bed, [], args);
    assertMatch(line, /192\.0\.2\.9.*no local interface/);
    assertEquals(code, 1);
  });
  assertEquals(await bed.state(0), before);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} leaves no device, address or route of ours`, async () => {
    await using bed = await Bed.create({ ipv6: true });
    const before = await bed.state(0);
    const a = await bed.start(0);
    assert(await bed.state(0) !== before);
    Deno.kill(a.pid, signal);
    assertEquals((await a.status).code, 0);
    assertEquals(await bed.state(0), before);
  });
}

const KILLED = [
  ["lanes only, IPv6 underlay", { ipv6: true, underlay6: true }, ["--engine", "batch"]],
  ["mode tap", { mode: "tap" }, []],
] as const;
for (const [what, shape, words] of KILLED) {
  Deno.test(`SIGKILL leaves nothing, and the next start and end leave all as it was (${what})`, async () => {
    await using bed = await Bed.create(shape);
    const args = ["-c", `${bed.dir}/tunnet.yaml`, ...words];
    // A first start leaves forwarding on.
    await (await bed.start(0, args)).stop();
    const before = await bed.state(0);
    const a = await bed.start(0, args);
    Deno.kill(a.pid, "SIGKILL");
    await a.status;
    // What the process cannot undo any more, its root shell does; the kernel does the rest.
    await until("all is gone", 5_000, async () => await bed.state(0) === before);
    const again = await bed.start(0, args);
    Deno.kill(again.pid, "SIGTERM");
    assertEquals((await again.status).code, 0);
    assertEquals(await bed.state(0), before);
  });
}

const RESUME_MS = 2_000;

Deno.test("traffic resumes by itself", async (t) => {
  await using bed = await Bed.create();
  let [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bed.ping(0, 1);
  const onA = (words: string) => bed.onNode(0, ...words.split(" "));
  await t.step("after the device was removed", async () => {
    await onA("ip link del tunnet0");
    await bed.reachable(0, 1, RESUME_MS);
  });
  await t.step("after the device was down", async () => {
    await onA("ip link set tunnet0 down");
    await onA("ip link set tunnet0 up");
    await bed.reachable(0, 1, RESUME_MS);
  });
  await t.step("after the underlay was down", async () => {
    await onA("ip link set eth0 down");
    await bed.inPod(0, ..."ping -c 1 -W 0.2 172.2.0.2".split(" "));
    await onA("ip link set eth0 up");
    // The lab's own routes went with the link.
    await onA(`ip route replace ${bed.node(1).address} dev eth0 src ${bed.node(0).address}`);
    await bed.reachable(0, 1, RESUME_MS);
  });
  await t.step("after the peer was restarted", async () => {
    await b.stop();
    b = await bed.start(1);
    await bed.reachable(0, 1, RESUME_MS);
  });
  await t.step("after kill -9 and a new start", async () => {
    Deno.kill(a.pid, "SIGKILL");
    await a.status;
    a = await bed.start(0);
    await bed.reachable(0, 1, RESUME_MS);
  });
  await t.step("and large packets too", async () => {
    await bed.ping(0, 1, "-s", "8000");
    const { path, sha256 } = await bed.randomFile(10_000_000);
    assertEquals(await bed.transfer(1, 0, path), sha256);
  });
});

Deno.test("forwarding that is switched off under a node is told, and left", async () => {
  await using bed = await Bed.create({ ipv6: true });
  const a = await bed.start(0);
  for (const name of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]) {
    const told = (event: string) =>
      a.log.split("\n").filter((line) => line.includes(event) && line.includes(name)).length;
    await bed.onNode(0, "sysctl", "-qw", `${name}=0`);
    await until("it is told", 5_000, () => told("forwarding_off") === 1);
    assertEquals((await bed.onNode(0, "sysctl", "-n", name)).stdout, "0\n");
    await bed.onNode(0, "sysctl", "-qw", `${name}=1`);
    await until("its return is told", 5_000, () => told("forwarding_on") === 1);
    assertEquals(told("forwarding_off"), 1, "once");
    // It has looked several times meanwhile.
    const hindered = KERNEL_PATH && name === "net.ipv4.ip_forward" ? 1 : 0;
    assertEquals(told("the kernel path needs"), hindered, "once");
  }
});
