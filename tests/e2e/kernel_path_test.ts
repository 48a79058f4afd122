/** The kernel path: what it carries, who sees it, what takes it away, and what it leaves behind. */

import { ERRNO } from "../../ffi/errno.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "../assert.ts";
import { ipv4 } from "../fakes/packets.ts";
import { runProgram } from "../../src/base/run_program.ts";
import type { LabProcess } from "../../src/tools/lab/process.ts";
import { ip } from "./ip.ts";
import { Bed, repoPath, stopped, until } from "./harness.ts";
import { picture } from "./picture.ts";
import { kernelTest } from "../kernel_path/possible.ts";

const BYTES = 40_000_000;
const HELPER = "tunnet0-in";

/** A line of a node's log: what its engine is. */
function engineOf({ log }: LabProcess): string {
  const line = log.split("\n").find((one) => one.includes('"event":"engine"'));
  return JSON.parse(line!).message;
}

const inUse = (process: LabProcess) => / kernel[ ,]/.test(engineOf(process).split(" (")[0]!);

/** The log line with an event of the kernel path that contains a text. */
const said = ({ log }: LabProcess, text: string) =>
  log.split("\n").some((line) => line.includes('"kernel_path"') && line.includes(text));

async function bothUp(processes: readonly LabProcess[]): Promise<void> {
  const known = () => processes.every(({ log }) => log.includes('"event":"peer_up"'));
  await until("the nodes know each other", 5_000, known);
}

async function statistic(bed: Bed, node: number, device: string, name: string): Promise<number> {
  const file = `/sys/class/net/${device}/statistics/${name}`;
  return Number((await bed.onNode(node, "cat", file)).stdout);
}

/** What was carried since `before`, once both sides say the same. */
async function carriedAlike(bed: Bed, a: LabProcess, b: LabProcess): Promise<void> {
  let all: unknown;
  const alike = async () => {
    const [one, other] = await Promise.all([bed.counters(a), bed.counters(b)]);
    all = [one, other];
    return one.outbound["packets"] === other.inbound["packets"] &&
      one.outbound["bytes"] === other.inbound["bytes"] &&
      one.inbound["packets"] === other.outbound["packets"] &&
      one.inbound["bytes"] === other.outbound["bytes"];
  };
  await until("both count the same", 5_000, alike).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(all)}`);
  });
}

for (const underlay of [4, 6] as const) {
  const what = `the kernel path over IPv${underlay} carries while both programs are stopped`;
  kernelTest(what, (t) => carriesFrozen(t, underlay === 6));
}

async function carriesFrozen(t: Deno.TestContext, underlay6: boolean): Promise<void> {
  await using bed = await Bed.create({ ipv6: true, underlay6 });
  // They are stopped for less than it takes to miss a peer, and to look for it from another port.
  bed.helloInterval = "5s";
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  assert(inUse(a) && inUse(b), engineOf(a));
  // The next hop becomes known by the hellos, the pods' neighbours by the first pings.
  for (const version of [4, 6] as const) await bed.ping(0, 1, bed.podAddress(1, version));
  const file = await bed.randomFile(BYTES);
  const before = (await bed.counters(a)).outbound;
  const entered = await statistic(bed, 1, HELPER, "rx_packets");
  await stopped([a, b], async () => {
    for (const version of [4, 6] as const) {
      await t.step(`IPv${version}: ping, fragments, TCP both ways`, async () => {
        const to = bed.podAddress(1, version);
        await bed.ping(0, 1, to);
        if (version === 4) await bed.ping(0, 1, to, "-s", "4000");
        await bed.ping(1, 0, bed.podAddress(0, version), "-s", "1400");
        assertEquals(await bed.transfer(0, 1, file.path, version), file.sha256);
        assertEquals(await bed.transfer(1, 0, file.path, version, 5002), file.sha256);
      });
    }
  });
  await t.step("each packet is counted, as the segments that a path would carry", async () => {
    await carriedAlike(bed, a, b);
    const { packets, bytes } = (await bed.counters(a)).outbound;
    // Two files, and the acknowledgements of two others.
    assert(bytes! - before["bytes"]! > 2 * BYTES);
    assert(packets! - before["packets"]! > 2 * BYTES / 1472);
  });
  await t.step("super-packets cross the underlay whole", async () => {
    const came = await statistic(bed, 1, HELPER, "rx_packets") - entered;
    assert(came < BYTES / 1472, `${came} packets for ${2 * BYTES} bytes and acknowledgements`);
  });
  await t.step("nothing was dropped", async () => {
    for (const process of [a, b]) {
      const { outbound, inbound } = await bed.counters(process);
      const {
        packets: _out,
        bytes: _sent,
        no_route: _scans,
        icmp_errors: _told,
        link_local: _groups,
        ...out
      } = outbound;
      const {
        packets: _in,
        bytes: _received,
        control: _hellos,
        control_replaced: _older,
        ...rest
      } = inbound;
      assertEquals([...Object.entries(out), ...Object.entries(rest)].filter(([, n]) => n > 0), []);
    }
  });
}

kernelTest("on the wire: plain datagrams, as lanes send them but for the checksum", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  await until("the path carries", 5_000, () => bed.reachesFrozen(0, 1, [a, b]));
  const capture = await bed.capture(bed.node(1).namespace, "eth0");
  await stopped([a, b], async () => void await bed.ping(0, 1, "-s", "500"));
  await capture.stop();
  const fields = ["ip.src", "ip.dst", "ip.ttl", "ip.dsfield", "ip.flags.df", "ip.checksum.status"]
    .concat("udp.srcport", "udp.dstport", "udp.length", "udp.checksum", "frame.len");
  const { stdout, stderr } = await runProgram("tshark", [
    ...["-r", capture.file, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "occurrence=f"],
    ...["-Y", "udp.port == 3009 && frame.len == 570", ...fields.flatMap((one) => ["-e", one])],
  ]);
  // tshark 4.0 shows what is set, or right, as 1, later ones as words.
  const lines = stdout.trim().replaceAll(/True|Good/g, "1").split("\n");
  const line = (from: number, to: number) =>
    [bed.node(from).address, bed.node(to).address, "64", "0x00", "1", "1"]
      .concat("3009", "3009", "536", "0x0000", "570").join("\t");
  // 500 + 28 bytes, three times there and back.
  const expected = [0, 0, 0, 1, 1, 1].map((i) => line(i, 1 - i));
  assertEquals(lines.toSorted(), expected.toSorted(), stderr);
});

kernelTest("UDP of every size goes by the kernel path as it is", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  // Senders learn what the device carries, as behind any router: UDP is not sent again.
  for (const [from, to] of [[0, 1], [1, 0]] as const) {
    const ping = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1472"];
    assertMatch((await bed.inPod(from, ...ping, bed.podAddress(to))).stdout, /Frag needed/);
  }
  for (const [from, to] of [[0, 1], [1, 0]] as const) {
    await until("the path carries", 5_000, () => bed.reachesFrozen(from, to, [a, b]));
  }
  await stopped([a, b], () => bed.udpEcho(0, 1, [1, 64, 1443, 1444, 1445, 4000, 8000]));
  await carriedAlike(bed, a, b);
});

kernelTest("who captures on the device sees both ways, and packets go on", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  const capture = await bed.capture(bed.node(0).namespace, "tunnet0");
  await until("it is noticed", 5_000, () => said(a, "somebody captures"));
  await bed.ping(0, 1, "-s", "1000");
  const shown = async () => (await runProgram("tcpdump", ["-nr", capture.file])).stdout;
  const seen = async () => {
    const text = await shown();
    return text.includes("echo request") && text.includes("echo reply");
  };
  await until("request and reply are seen", 5_000, seen);
  await capture.stop();
  await until("nobody is left", 5_000, () => said(a, "nobody captures"));
  await stopped([a, b], async () => void await bed.ping(0, 1));
});

kernelTest("neither a firewall on lo nor strict source checks are in the way", async () => {
  await using bed = await Bed.create();
  const strict = ["-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.lo.rp_filter=1"];
  for (const i of [0, 1]) {
    assertEquals((await bed.onNode(i, "sysctl", ...strict)).code, 0);
    for (const version of ["iptables", "ip6tables"]) {
      const { code, stderr } = await bed.onNode(
        i,
        version,
        "-A",
        "INPUT",
        "-i",
        "lo",
        "-j",
        "DROP",
      );
      assertEquals(code, 0, stderr);
    }
  }
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  assert(inUse(a) && inUse(b), engineOf(a));
  await bed.ping(0, 1);
  const file = await bed.randomFile(4_000_000);
  await stopped([a, b], async () => {
    assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
  });
});

kernelTest(
  "IPsec policies, from the start or later: packets go by the lanes, which obey them",
  async (t) => {
    await using bed = await Bed.create();
    const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
    await bothUp([a, b]);
    await bed.ping(0, 1);
    const policy = (i: number, action: string) => [
      ...["ip", "xfrm", "policy", action, "dir", "out"],
      ...["src", bed.node(i).address, "dst", bed.node(1 - i).address],
    ];
    await t.step("later: what is blocked stays blocked", async () => {
      assertEquals((await bed.onNode(0, ...policy(0, "add"), "action", "block")).code, 0);
      await until("the path is given up", 5_000, () => said(a, "IPsec policies"));
      const words = ["ping", "-c", "1", "-W", "0.5", bed.podAddress(1)];
      assertEquals((await bed.inPod(0, ...words)).code, 1);
    });
    await t.step("from the start", async () => {
      await a.stop();
      assertEquals((await bed.onNode(0, ...policy(0, "del"))).code, 0);
      assertEquals((await bed.onNode(0, ...policy(1, "add"), "action", "block")).code, 0);
      const again = await bed.start(0);
      assert(!inUse(again), engineOf(again));
      await bed.reachable(0, 1, 5_000);
    });
  },
);

kernelTest("who is not heard is not sent to in the kernel: a firewall is obeyed", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  await until("the path carries", 5_000, () => bed.reachesFrozen(0, 1, [a, b]));
  // The programs pass this rule by, the hellos do not.
  const rule = ["iptables", "-A", "OUTPUT", "-p", "udp", "--dport", "3009", "-j", "DROP"];
  assertEquals((await bed.onNode(0, ...rule)).code, 0);
  const words = ["ping", "-c", "1", "-W", "0.2", bed.podAddress(1)];
  const blocked = async () => (await bed.inPod(0, ...words)).code !== 0;
  await until("nothing gets through", 30_000, blocked);
});

for (const underlay of [4, 6] as const) {
  kernelTest(
    `over IPv${underlay}, SIGKILL leaves nothing behind, and the next start works`,
    async () => {
      await using bed = await Bed.create({ ipv6: true, underlay6: underlay === 6 });
      const { namespace } = bed.node(0);
      // A first start leaves forwarding on.
      await (await bed.start(0)).stop();
      const before = await picture(namespace);
      const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
      await bothUp([a, b]);
      assert(inUse(a), engineOf(a));
      await bed.ping(0, 1);
      await until("the path carries", 5_000, () => bed.reachesFrozen(0, 1, [a, b]));
      const lo = (text: string) => text.split("\n").filter((line) => line.includes("conf/lo/"));
      const running = await picture(namespace);
      assertNotEquals(running, before);
      assertEquals(lo(running), lo(before), "lo's settings are as they were while it runs");

      Deno.kill(a.pid, "SIGKILL");
      await a.status;
      // The next start finds what the kernel has not got round to removing, and waits for it.
      const again = await bed.start(0);
      assert(inUse(again), again.log);
      await until("the path carries again", 30_000, () => bed.reachesFrozen(0, 1, [again, b]));
      Deno.kill(again.pid, "SIGKILL");
      await again.status;
      const links = async () => (await bed.onNode(0, "ip", "-br", "link")).stdout;
      await until("the helper is gone", 5_000, async () => !(await links()).includes(HELPER));
      const rules = async () => (await bed.onNode(0, "nft", "list", "ruleset")).stdout;
      await until("the packet filter is gone", 5_000, async () => await rules() === "");
      // This end of the pair goes when the namespace of the other end does, which has no name.
      assertEquals(await picture(namespace), before);
    },
  );
}

kernelTest(
  "whoever removes the helper, takes it away or down: it is back within seconds",
  async (t) => {
    await using bed = await Bed.create();
    const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
    await bothUp([a, b]);
    await bed.ping(0, 1);
    const file = await bed.randomFile(4_000_000);
    const { podNamespace } = bed.node(1);
    for (const change of ["del HELPER", "set HELPER down", `set HELPER netns ${podNamespace}`]) {
      await t.step(change, async () => {
        const words = `link ${change.replace("HELPER", HELPER)}`.split(" ");
        const times = b.log.split("it is back").length;
        assertEquals((await bed.onNode(1, "ip", ...words)).code, 0);
        const back = () => b.log.split("it is back").length > times;
        await until("it is back", 5_000, back);
        await stopped([a, b], async () => {
          assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
        });
        assert(!said(b, "given up"), b.log);
        const elsewhere = await runProgram("ip", ["-n", podNamespace, "-br", "link"]);
        assert(!elsewhere.stdout.includes(HELPER), elsewhere.stdout);
      });
    }
  },
);

kernelTest("nobody on the host sends anything through the helper", async () => {
  await using bed = await Bed.create();
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  const capture = await bed.capture(bed.node(0).podNamespace, "eth0");
  // VXLAN-GPE with an IPv4 packet inside, as the programs write it.
  const packet = Uint8Array.of(0x0c, 0, 0, 1, 0, 0, 0, 0, ...ipv4("172.2.0.2", "172.1.0.2"));
  await Deno.writeFile(`${bed.dir}/forged`, packet);
  // Nobody there answers ARP.
  const neighbour = ["192.0.2.1", "lladdr", "ff:ff:ff:ff:ff:ff", "dev", HELPER];
  await ip(["-n", bed.node(0).namespace, "neigh", "add", ...neighbour]);
  const before = (await bed.counters(a)).inbound["unknown_peer"]!;
  const script = `for i in $(seq 50); do socat -u FILE:${bed.dir}/forged ` +
    `UDP4-DATAGRAM:192.0.2.1:4790,so-bindtodevice=${HELPER}; done`;
  assertEquals((await bed.onNode(0, "sh", "-c", script)).code, 0);
  const counted = async () => (await bed.counters(a)).inbound["unknown_peer"]! - before;
  await until("all are counted", 5_000, async () => await counted() >= 50);
  await capture.stop();
  const { stdout } = await runProgram("tcpdump", ["-nr", capture.file, "udp"]);
  assertEquals(stdout, "", "no forged packet reached the pod");
  assert(inUse(a), engineOf(a));
});

/** Becomes a program for which bpf(2) fails with this error. */
const refusingBpf = (errno: number) => [
  ...[Deno.execPath(), "run", "-A", "--no-prompt", repoPath("tests/e2e/refuse_bpf.ts")],
  `${errno}`,
];

/** What prevents a kernel path, how it comes about, and what the node says. */
const OBSTACLES: readonly {
  readonly what: string;
  readonly prepare?: readonly string[];
  readonly args?: readonly string[];
  readonly wrap?: readonly string[];
  readonly says: RegExp;
}[] = [
  {
    what: "a long device name",
    args: ["--device", "tunnet-device"],
    says: /no helper for tunnet-device \(the device's name is too long\)/,
  },
  {
    what: "another device of the helper's name",
    prepare: ["ip", "link", "add", HELPER, "type", "bridge"],
    says: /no helper tunnet0-in \(there is another device of this name\)/,
  },
  {
    what: "no right to load programs",
    wrap: ["setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin"],
    says:
      /no kernel path \(it takes root, or CAP_BPF, CAP_NET_ADMIN and, at the start, CAP_SYS_ADMIN\)/,
  },
  {
    what: "bpf(2) refused by seccomp",
    wrap: refusingBpf(ERRNO.EPERM),
    says:
      /no kernel path \(bpf\(BPF_PROG_LOAD\) is refused to a process with all rights for it: by /,
  },
  {
    what: "no bpf(2)",
    wrap: refusingBpf(ERRNO.ENOSYS),
    says:
      /no kernel path \(bpf\(BPF_PROG_LOAD\): this kernel has no such call, or seccomp hides it/,
  },
  {
    what: "no right to make a network namespace",
    wrap: ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"],
    says:
      /no kernel path \(it takes root, or CAP_BPF, CAP_NET_ADMIN and, at the start, CAP_SYS_ADMIN\)/,
  },
];

for (const { what, prepare, args = [], wrap, says } of OBSTACLES) {
  kernelTest(`no kernel path, and the lanes carry: ${what}`, async () => {
    await using bed = await Bed.create();
    if (prepare) assertEquals((await bed.onNode(0, ...prepare)).code, 0);
    const a = bed.launch(0, ["-c", `${bed.dir}/tunnet.yaml`, ...args], wrap);
    await Promise.all([a.ready(), bed.start(1)]);
    assert(!inUse(a), engineOf(a));
    assertMatch(a.log, says);
    await bed.ping(0, 1);
    await bed.ping(1, 0, "-s", "4000");
  });
}

kernelTest("the path follows when a peer is reached by another device", async () => {
  await using bed = await Bed.create();
  // Nodes that are stopped for a try must not take each other for deaf.
  bed.helloInterval = "2s";
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  // A second wire between the nodes; the route to the peer's address leads over it.
  const [one, other] = [bed.node(0), bed.node(1)];
  const words =
    `link add wire netns ${one.namespace} type veth peer name wire netns ${other.namespace}`;
  await ip(words.split(" "));
  for (const [self, peer] of [[one, other], [other, one]] as const) {
    await ip(["-n", self.namespace, "link", "set", "wire", "up"]);
    await ip(["-n", self.namespace, "route", "replace", `${peer.address}/32`, "dev", "wire"]);
  }
  const carries = async () => {
    let there = false;
    const before = await statistic(bed, 1, "wire", "rx_packets");
    await stopped([a, b], async () => {
      const words = ["ping", "-q", "-c", "5", "-i", "0.1", "-W", "1", bed.podAddress(1)];
      there = (await bed.inPod(0, ...words)).stdout.includes("5 received");
    });
    return there && await statistic(bed, 1, "wire", "rx_packets") >= before + 5;
  };
  await until("it carries by the new wire", 15_000, carries);
});

kernelTest(
  "a device that cuts TCP up itself: TCP goes by the lanes, all else by the kernel",
  async () => {
    await using bed = await Bed.create();
    for (const i of [0, 1]) {
      const words = ["ethtool", "-K", "eth0", "tx", "off", "gro", "on"];
      assertEquals((await bed.onNode(i, ...words)).code, 0);
    }
    const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
    await bothUp([a, b]);
    await bed.ping(0, 1);
    await until("pings go by the kernel", 5_000, () => bed.reachesFrozen(0, 1, [a, b]));
    const entered = await statistic(bed, 1, HELPER, "rx_packets");
    const file = await bed.randomFile(BYTES);
    const arrived = [await bed.transfer(0, 1, file.path), await bed.transfer(1, 0, file.path)];
    assertEquals(arrived, [file.sha256, file.sha256]);
    assertEquals(await statistic(bed, 1, HELPER, "rx_packets"), entered, "none by the helper");
    await carriedAlike(bed, a, b);
  },
);

kernelTest(
  "pods that tunnel themselves: what is in a tunnel already goes by the lanes",
  async () => {
    await using bed = await Bed.create();
    const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
    await bothUp([a, b]);
    await bed.ping(0, 1);
    for (const i of [0, 1]) {
      const { podNamespace } = bed.node(i);
      const link = ["link", "add", "inner", "type", "vxlan", "id", "9", "dstport", "4789"];
      await ip(["-n", podNamespace, ...link, "remote", bed.podAddress(1 - i), "dev", "eth0"]);
      await ip(["-n", podNamespace, "link", "set", "inner", "mtu", "1400", "up"]);
      await ip(["-n", podNamespace, "addr", "add", `10.9.0.${i + 1}/24`, "dev", "inner"]);
    }
    await bed.ping(0, 1, "10.9.0.2");
    await bed.ping(0, 1, "10.9.0.2", "-s", "1300");
    const file = await bed.randomFile(4_000_000);
    assertEquals(await bed.transfer(0, 1, file.path, 4, 7000, "10.9.0.2"), file.sha256);
  },
);

kernelTest("a router is between the nodes", async () => {
  // c joins a's and b's way; it knows nothing of the tunnel.
  await using bed = await Bed.create({ nodes: 3, configured: 2 });
  const [one, other, router] = [bed.node(0), bed.node(1), bed.node(2)];
  const quiet = ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"];
  const { code } = await bed.onNode(
    2,
    "sysctl",
    "-qw",
    ...quiet,
    "net.ipv4.conf.eth0.send_redirects=0",
  );
  assertEquals(code, 0);
  for (const [self, peer] of [[one, other], [other, one]] as const) {
    const route = ["route", "replace", `${peer.address}/32`, "via", router.address];
    await ip(["-n", self.namespace, ...route]);
  }
  const [a, b] = await Promise.all([bed.start(0), bed.start(1)]);
  await bothUp([a, b]);
  await bed.ping(0, 1);
  const before = await statistic(bed, 2, "eth0", "rx_packets");
  await until("it carries", 10_000, () => bed.reachesFrozen(0, 1, [a, b]));
  const file = await bed.randomFile(BYTES);
  await stopped([a, b], async () => {
    assertEquals(await bed.transfer(0, 1, file.path), file.sha256);
  });
  assert(await statistic(bed, 2, "eth0", "rx_packets") > before, "by the router");
});
