/** Mode tap broken on purpose: what a bridge does in silence, the doctor tells. */

import { assertEquals, assertMatch } from "../assert.ts";
import { ask, breakAndFix, type Broken, fails, idsOf, shell, wrong } from "./doctor.ts";
import { Bed, until } from "./harness.ts";

const RUNNING: readonly Broken[] = [
  {
    name: "the bridge is down",
    by: "ip link set br0 down",
    ids: ["bridge"],
    fix: /^ip link set dev br0 up$/,
  },
  {
    name: "a firewall that bridged frames meet drops them",
    by: "modprobe -q br_netfilter || true; sysctl -qw net.bridge.bridge-nf-call-iptables=1; " +
      "iptables -P FORWARD DROP",
    ids: ["bridge_firewall"],
    fix: /^sysctl -w net\.bridge\.bridge-nf-call-iptables=0$/,
    after: "iptables -P FORWARD ACCEPT",
  },
];

Deno.test("doctor in mode tap: faults of the bridge under a running node", async (t) => {
  await using bed = await Bed.create({ mode: "tap" });
  await bed.start(0);
  await bed.start(1);
  const { path, sha256 } = await bed.randomFile(5_000_000);
  await t.step("nothing is found on a healthy node whose pods have an MTU of 1,500", async () => {
    await until("the peers are up", 15_000, async () => wrong(await ask(bed, 0)).length === 0);
    assertEquals((await ask(bed, 0)).checks.filter(({ status }) => status !== "ok"), []);
    assertEquals(await bed.transfer(0, 1, path), sha256);
  });
  const filtered =
    (await bed.onNode(0, "test", "-e", "/proc/sys/net/bridge/bridge-nf-call-iptables")).code === 0;
  for (const broken of RUNNING.filter(({ ids }) => filtered || ids[0] === "bridge")) {
    await t.step(broken.name, () => breakAndFix(bed, broken));
  }
  await t.step("pods with jumbo frames: TCP stalls, and moves after the fix", async () => {
    for (const i of [0, 1]) {
      assertEquals((await bed.onNode(i, "ip", "link", "set", "pod", "mtu", "9000")).code, 0);
      assertEquals((await bed.inPod(i, "ip", "link", "set", "eth0", "mtu", "9000")).code, 0);
    }
    const words = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "4000"];
    const large = async () => {
      // What was learned of the path before is forgotten.
      await bed.inPod(0, "ip", "route", "flush", "cache");
      return (await bed.inPod(0, ...words, bed.podAddress(1))).stdout;
    };
    // In silence: nobody says that it is too large.
    assertMatch(await large(), /, 0 received, 100% packet loss/);
    for (const i of [0, 1]) {
      const found = fails(await ask(bed, i));
      assertEquals(idsOf(found), ["bridge_mtu"]);
      assertEquals(found.map(({ fix }) => fix), ["ip link set dev tunnet0 mtu 9000"]);
      await shell(bed, i, found[0]!.fix!);
      assertEquals(wrong(await ask(bed, i)), []);
    }
    assertMatch(await large(), /mtu ?= ?1458/);
    assertEquals(await bed.transfer(0, 1, path), sha256);
  });
});

Deno.test("doctor in mode tap: a bridge that is not there before the start", async () => {
  await using bed = await Bed.create({ mode: "tap" });
  await shell(bed, 0, "ip link del br0");
  await bed.start(1);
  await breakAndFix(bed, {
    name: "no bridge",
    by: "true",
    ids: ["bridge"],
    fix: /^ip link add name br0 type bridge && ip link set dev br0 up$/,
  });
  await bed.start(0);
});
