/** Underlays wide and narrow, and a path that narrows on the way: TCP goes through at once. */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { runProgram } from "../../src/base/run_program.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { ip } from "./ip.ts";
import { Bed, repoPath, stopped, until } from "./harness.ts";
import { seedText, startSeed } from "./seed.ts";
import { carries, deviceMtu, setPods, setUnderlay } from "./underlay.ts";

const BYTES = 1_000_000;
/** Far more than it takes, far less than a black hole would. */
const AT_ONCE_MS = 10_000;

const words = (text: string) => text.split(" ");

/** Sends a file over TCP each way, in turn; fails if either takes long. */
async function tcpAtOnce(bed: Bed, what: string, version: 4 | 6, port: number): Promise<void> {
  const { path, sha256 } = await bed.randomFile(BYTES);
  for (const [from, to] of [[0, 1], [1, 0]] as const) {
    const start_ms = performance.now();
    assertEquals(await bed.transfer(from, to, path, version, port + from), sha256);
    const took_ms = Math.round(performance.now() - start_ms);
    console.log(`${what}: 1 MB of TCP over IPv${version} from ${from} to ${to}: ${took_ms} ms`);
    assert(took_ms < AT_ONCE_MS, `${what}: ${took_ms} ms`);
  }
}

const UNDERLAYS = [
  { underlay6: false, mtu_bytes: 9000, inner: 8972 },
  { underlay6: true, mtu_bytes: 9000, inner: 8952 },
  { underlay6: false, mtu_bytes: 1280, inner: 1252 },
  { underlay6: true, mtu_bytes: 1280, inner: 1232 },
] as const;

for (const { underlay6, mtu_bytes, inner } of UNDERLAYS) {
  const what = `an IPv${underlay6 ? 6 : 4} underlay of ${mtu_bytes} bytes`;
  Deno.test(`${what} gives pods ${inner}`, async () => {
    await using bed = await Bed.create({ underlay6 });
    await setUnderlay(bed, mtu_bytes);
    if (mtu_bytes > 1500) await setPods(bed, mtu_bytes);
    await Promise.all([bed.start(0), bed.start(1)]);
    assertEquals(await deviceMtu(bed, 0), inner);
    await bed.reachable(0, 1, 5_000);
    assertEquals([await carries(bed, inner), await carries(bed, inner + 1)], [true, false]);
    await tcpAtOnce(bed, what, 4, 5301);
  });
}

for (const underlay6 of [false, true]) {
  const what = `IPv6 pods over an IPv${underlay6 ? 6 : 4} underlay of 1280 bytes`;
  // IPv6 does without no path of less than 1,280 bytes: the underlay has to carry fragments.
  Deno.test(`${what} still have 1280`, async () => {
    await using bed = await Bed.create({ underlay6, ipv6: true, nodes: 3, configured: 2 });
    await setUnderlay(bed, 1280);
    const [a] = await Promise.all([bed.start(0), bed.start(1)]);
    assertEquals(await deviceMtu(bed, 0), 1280);
    await bed.reachable(0, 1, 5_000);
    // The first packet waits up to a second until the pods' neighbours are found.
    await bed.ping(0, 1, bed.podAddress(1, 6));
    const inner = underlay6 ? 1232 : 1252;
    const sizes = [[inner, 4], [inner + 1, 4], [1280, 6], [1281, 6]] as const;
    const passed: boolean[] = [];
    for (const [size, version] of sizes) passed.push(await carries(bed, size, version));
    assertEquals(passed, [true, false, true, false]);
    // An outsider can tell the kernel nothing that makes it worse.
    for (const mtu_bytes of [1280, 576]) {
      await forge(bed, mtu_bytes);
      assertEquals([await carries(bed, inner), await carries(bed, 1280, 6)], [true, true]);
    }
    await tcpAtOnce(bed, what, 4, 5311);
    await tcpAtOnce(bed, what, 6, 5321);
    const { outbound } = await bed.counters(a);
    assertEquals(outbound["send_failed"], 0);
  });
}

/**
 * Puts two routers between the nodes instead of the switch; `mid0` and `mid1`
 * are the link between them.
 */
async function putRouters(bed: Bed): Promise<void> {
  const first = bed.plan.switchNamespace;
  const second = first.replace(/switch$/, "router");
  await bed.addNamespace(second);
  await ip(["-n", first, "link", "del", "switch"]);
  await ip(["-n", first, ...words("link set port1 netns"), second]);
  await ip([
    ...["-n", first, ...words("link add mid0 type veth peer name mid1 netns"), second],
  ]);
  const sides = [
    { router: first, port: "port0", mid: "mid0", near: 0, far: 1, own: "1" },
    { router: second, port: "port1", mid: "mid1", near: 1, far: 0, own: "2" },
  ];
  for (const { router, port, mid, near, far, own } of sides) {
    const [here, there] = [bed.node(near).address, bed.node(far).address];
    const six = here.includes(":");
    const self = six ? `fd00:255::${own}` : `10.255.0.${own}`;
    const sysctls = [
      ...["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"],
      ...[`net.ipv4.conf.${port}.proxy_arp=1`, `net.ipv6.conf.${port}.proxy_ndp=1`],
      ...[`net.ipv4.conf.${mid}.proxy_arp=1`, `net.ipv6.conf.${mid}.proxy_ndp=1`],
    ];
    await ip(["netns", "exec", router, "sysctl", "-qw", ...sysctls]);
    const commands = [
      ...["link set lo up", `link set ${port} up`, `link set ${mid} up`],
      `addr add ${self}/${six ? 128 : 32} dev lo`,
      ...[`route add ${here} dev ${port}`, `route add ${there} dev ${mid}`],
      ...(six
        ? [`-6 neigh add proxy ${there} dev ${port}`, `-6 neigh add proxy ${here} dev ${mid}`]
        : []),
    ];
    for (const command of commands) await ip(["-n", router, ...words(command)]);
    // Its ICMP errors come from its own address.
    for (const other of ["1", "2"]) {
      const route = `route add ${self.slice(0, -1)}${other} dev eth0`;
      await ip(["-n", bed.node(near).namespace, ...words(route)]);
    }
  }
}

async function setMiddle(bed: Bed, mtu_bytes: number): Promise<void> {
  const first = bed.plan.switchNamespace;
  for (const [router, mid] of [[first, "mid0"], [first.replace(/switch$/, "router"), "mid1"]]) {
    await ip(["-n", router!, ...words(`link set ${mid} mtu ${mtu_bytes}`)]);
  }
}

/** What nodes and pods have learned of paths is forgotten. */
async function forgetPaths(bed: Bed): Promise<void> {
  for (const { namespace, podNamespace } of bed.plan.nodes) {
    for (const name of [namespace, podNamespace]) {
      await ip(["-n", name, ...words("-4 route flush cache")]);
      await ip(["-n", name, ...words("-6 route flush cache")]);
    }
  }
}

/** The last MTU that a node has logged for its path to the other. */
function learned({ log }: LabProcess): number {
  const events = log.split("\n").filter((line) => line.includes('"event":"path_mtu"'));
  return events.length === 0 ? 0 : JSON.parse(events.pop()!).mtu_bytes;
}

/** Waits until a node has learned that its path carries so much. */
async function learns(process: LabProcess, mtu_bytes: number): Promise<void> {
  await until(
    () => `a path of ${mtu_bytes} is learned, not one of ${learned(process)}`,
    3_000,
    () => learned(process) === mtu_bytes,
  );
}

for (const [version, engine] of [[4, "auto"], [6, "auto"], [4, "datagram"]] as const) {
  const underlay6 = version === 6;
  const what = `a path over IPv${version} that narrows on the way, engine ${engine}`;
  Deno.test(what, async (t) => {
    await using bed = await Bed.create({ underlay6, ipv6: true });
    await putRouters(bed);
    await setMiddle(bed, 1400);
    const overhead = underlay6 ? 48 : 28;
    const config = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
    const [a] = await Promise.all([bed.start(0, config), bed.start(1, config)]);
    // The nodes cannot know yet.
    assertMatch(a.log, new RegExp(`"mtu_bytes":${1500 - overhead}`));
    await bed.reachable(0, 1, 5_000);

    await t.step("narrow from the start: the first TCP stream goes through", async () => {
      await tcpAtOnce(bed, what, 4, 5331);
      await tcpAtOnce(bed, what, 6, 5341);
      // The other node's pods have only ever sent what their peers said they take.
      await learns(a, 1400 - overhead);
      const inner = 1400 - overhead;
      await carries(bed, inner + 1);
      assertEquals([await carries(bed, inner), await carries(bed, inner + 1)], [true, false]);
    });
    await t.step("what has no DF is cut, there and back", async () => {
      await bed.ping(0, 1, "-M", "dont", "-s", `${1400 - overhead - 27}`);
      await bed.ping(0, 1, "-M", "dont", "-s", "5000");
    });
    await t.step("narrower while running", async () => {
      await setMiddle(bed, 1320);
      await tcpAtOnce(bed, what, 4, 5351);
      await tcpAtOnce(bed, what, 6, 5361);
      await learns(a, 1320 - overhead);
    });
    await t.step("wide again, when the kernel forgets", async () => {
      await setMiddle(bed, 1500);
      await forgetPaths(bed);
      await learns(a, 1500 - overhead);
      await until("large pings pass", 3_000, () => carries(bed, 1500 - overhead));
      await tcpAtOnce(bed, what, 4, 5371);
    });
  });
}

/** Routers that say nothing of what they do not carry. */
async function silenceRouters(bed: Bed): Promise<void> {
  const first = bed.plan.switchNamespace;
  const rules = "add table inet t; " +
    "add chain inet t out { type filter hook output priority 0; }; " +
    "add rule inet t out icmp type destination-unreachable drop; " +
    "add rule inet t out icmpv6 type packet-too-big drop";
  for (const router of [first, first.replace(/switch$/, "router")]) {
    await ip(["netns", "exec", router, "nft", rules]);
  }
}

for (const [version, engine] of [[4, "auto"], [6, "auto"], [4, "auto,-kernel"]] as const) {
  const underlay6 = version === 6;
  const what = `a path over IPv${version} that swallows large packets, engine ${engine}`;
  Deno.test(what, async (t) => {
    await using bed = await Bed.create({ underlay6 });
    // As users have it.
    bed.helloInterval = "5s";
    await putRouters(bed);
    await silenceRouters(bed);
    await setMiddle(bed, 1500);
    const overhead = underlay6 ? 48 : 28;
    const config = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
    const [a, b] = await Promise.all([bed.start(0, config), bed.start(1, config)]);
    await bed.reachable(0, 1, 5_000);
    await tcpAtOnce(bed, what, 4, 5501);
    for (const mtu_bytes of [1400, 1313]) {
      await t.step(`${mtu_bytes} bytes: TCP moves within 5 s`, async () => {
        await setMiddle(bed, mtu_bytes);
        const { path, sha256 } = await bed.randomFile(BYTES);
        for (const [from, to] of [[0, 1], [1, 0]] as const) {
          const start_ms = performance.now();
          assertEquals(await bed.transfer(from, to, path, 4, 5511 + mtu_bytes + from), sha256);
          const took_ms = Math.round(performance.now() - start_ms);
          console.log(`${what}, ${mtu_bytes} bytes: TCP from ${from} to ${to}: ${took_ms} ms`);
          assert(took_ms < 5_000, `${took_ms} ms`);
        }
        for (const node of [a, b]) {
          await until("the path is known to the byte", 10_000, () => {
            return learned(node) === mtu_bytes - overhead;
          });
        }
      });
    }
    await t.step("wide again: found again", async () => {
      await setMiddle(bed, 1500);
      await until("the path is wide", 8_000, async () => {
        // While packets go to a peer its path is looked at every second, else with each hello.
        await bed.inPod(0, "ping", "-n", "-c", "1", "-W", "1", bed.podAddress(1));
        return learned(a) === 1500 - overhead;
      });
      await forgetPaths(bed);
      await until("large pings pass", 3_000, () => carries(bed, 1500 - overhead));
    });
  });
}

/** Tells node 0, from a host off the path, that its path to node 1 is narrow. */
async function forge(bed: Bed, mtu_bytes: number): Promise<void> {
  const { namespace, address } = bed.node(2);
  const script = repoPath("tests/e2e/forge_icmp.ts");
  const words = [Deno.execPath(), "run", "-A", script, address, bed.node(0).address];
  const forged = [...words, bed.node(1).address, "3009", `${mtu_bytes}`];
  const { code, stderr } = await runProgram("ip", ["netns", "exec", namespace, ...forged]);
  assertEquals(code, 0, stderr);
}

/** What node 0's kernel believes of its path to node 1; 0: nothing but what the device says. */
async function believed(bed: Bed): Promise<number> {
  const { stdout } = await bed.onNode(0, "ip", "route", "get", bed.node(1).address);
  return Number(/ mtu (\d+)/.exec(stdout)?.[1] ?? 0);
}

const FORGED = [[4, "auto"], [6, "auto"], [4, "auto,-kernel"], [6, "auto,-kernel"], [
  4,
  "datagram",
]] as const;
for (const [version, engine] of FORGED) {
  const underlay6 = version === 6;
  const what = `an outsider's ICMP over IPv${version}, engine ${engine}`;
  Deno.test(`${what}, changes nothing`, async () => {
    // IPv6 pods, so that IPv6 is forwarded, which the kernel path over IPv6 needs.
    await using bed = await Bed.create({ underlay6, ipv6: underlay6, nodes: 3, configured: 2 });
    const inner = 1500 - (underlay6 ? 48 : 28);
    const config = ["-c", `${bed.dir}/tunnet.yaml`, "--engine", engine];
    const nodes = await Promise.all([bed.start(0, config), bed.start(1, config)]);
    await bed.reachable(0, 1, 5_000);
    const isUp = () => nodes[0]!.log.includes('"event":"peer_up"');
    await until("the peer says hello", 3_000, isUp);
    await until("large pings pass", 3_000, () => carries(bed, inner));
    for (const mtu_bytes of [1280, underlay6 ? 1280 : 576]) {
      await forge(bed, mtu_bytes);
      assert(await believed(bed) > 0, "the kernel believes it");
      for (let i = 0; i < 8; i++) {
        assertEquals(await carries(bed, inner), true, `ping ${i} after ${mtu_bytes}`);
        // Over the time in which the node looks at what its kernel believes.
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      await tcpAtOnce(bed, what, 4, 5600 + mtu_bytes);
    }
    assertEquals(learned(nodes[0]!), 0, "no path has changed");
    if (engine !== "auto") return;
    await until("large pings pass by the kernel path", 8_000, async () => {
      let passed = false;
      await stopped(nodes, async () => void (passed = await carries(bed, inner)));
      return passed;
    });
    assert(await believed(bed) > 0, "the kernel still believes it");
  });
}

Deno.test({
  name: "a plain peer: what ICMP says is believed, down to 1,280 bytes",
  ignore: seedText === undefined,
  async fn() {
    await using bed = await Bed.create({ nodes: 3, configured: 2 });
    await startSeed(bed, seedText!);
    const a = await bed.start(0);
    await bed.reachable(0, 1, 5_000);
    const { path, sha256 } = await bed.randomFile(BYTES);
    await forge(bed, 1400);
    await until("the path is what ICMP says", 3_000, () => learned(a) === 1372);
    assertEquals(await bed.transfer(0, 1, path, 4, 5701), sha256);
    await forge(bed, 576);
    await until("and no less than 1,280", 3_000, () => learned(a) === 1252);
    assertEquals(await bed.transfer(0, 1, path, 4, 5702), sha256);
  },
});

Deno.test("the device follows the underlay's MTU while it runs, with mtu: auto", async () => {
  await using bed = await Bed.create();
  const [a] = await Promise.all([bed.start(0), bed.start(1)]);
  for (const mtu_bytes of [1400, 9000, 1500]) {
    await setUnderlay(bed, mtu_bytes);
    for (const node of [0, 1]) {
      const follows = async () => await deviceMtu(bed, node) === mtu_bytes - 28;
      await until(`the device of node ${node} has ${mtu_bytes - 28}`, 3_000, follows);
    }
    await tcpAtOnce(bed, `an underlay changed to ${mtu_bytes}`, 4, 5400 + mtu_bytes);
  }
  assertMatch(a.log, /"event":"mtu"/);
});
