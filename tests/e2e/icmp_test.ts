/** What a node answers with, and what it says by itself: nothing. */

import { assertEquals, assertMatch } from "../assert.ts";
import { Bed } from "./harness.ts";

Deno.test("ICMP errors come from nodes' own addresses, and an idle node is silent", async (t) => {
  await using bed = await Bed.create({ ipv6: true });
  // Strict on both: the stricter of the two settings counts.
  for (const i of [0, 1]) await bed.onNode(i, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1");
  const before = await bed.state(0);
  const a = await bed.start(0);
  const capture = await bed.capture(bed.node(0).namespace, "tunnet0");
  const b = await bed.start(1);
  await bed.ping(0, 1);
  const words = (options: readonly string[]) => ["ping", "-n", "-c", "1", "-W", "5", ...options];
  const pod = async (...options: string[]) => (await bed.inPod(0, ...words(options))).stdout;
  const host = async (...options: string[]) => (await bed.onNode(0, ...words(options))).stdout;

  await t.step("an address that nobody has: this node says so", async () => {
    assertMatch(await pod("172.9.9.9"), /From 172\.1\.0\.0 icmp_seq=1 Destination Net Unreachable/);
    assertMatch(await host("172.9.9.9"), /From 172\.1\.0\.0 icmp_seq=1 Destination Net Unreach/);
    assertMatch(await pod("fd00:172:9::9"), /From fd00:172:1:: icmp_seq=1 Destination unreachable/);
    assertMatch(await host("fd00:172:9::9"), /From fd00:172:1:: icmp_seq=1 Destination unreach/);
  });
  await t.step("one that no pod has: the node that owns its subnet says so", async () => {
    assertMatch(await pod("172.2.0.77"), /From 172\.2\.0\.0 icmp_seq=1 Destination Host Unreach/);
    assertMatch(await pod("fd00:172:2::77"), /From fd00:172:2:: icmp_seq=1 Destination unreach/);
  });
  await t.step("the way to a pod shows both nodes", async () => {
    assertMatch(await pod("-t", "1", "172.2.0.2"), /From 172\.1\.0\.1 .*Time to live exceeded/);
    assertMatch(await pod("-t", "2", "172.2.0.2"), /From 172\.2\.0\.0 .*Time to live exceeded/);
    assertMatch(await pod("-t", "2", "fd00:172:2::2"), /From fd00:172:2:: .*Time exceeded/);
  });
  await t.step("a node without its bridge: it answers, not the pod", async () => {
    await bed.onNode(1, "ip", "address", "flush", "dev", "br0");
    assertMatch(await pod("172.2.0.2"), /From 172\.2\.0\.0 .*Destination Net Unreachable/);
  });
  await t.step("too big for the path: this node says what fits", async () => {
    await bed.onNode(0, "ip", "link", "set", "eth0", "mtu", "1400");
    const large = ["-M", "do", "-s", "1440", "172.2.0.2"];
    assertMatch(await pod(...large), /From 172\.1\.0\.[01] icmp_seq=1 Frag needed .*mtu = 1372/);
  });
  await t.step(
    "the device has said nothing by itself, and dropped what was asked for",
    async () => {
      await capture.stop();
      const seen = async (filter: string) =>
        (await bed.onNode(0, "tcpdump", "-n", "-r", capture.file, filter)).stdout;
      assertEquals(await seen("icmp6 and ip6[40] == 133"), "", "router solicitations");
      const lost = await seen("dst host 172.9.9.9 or dst host fd00:172:9::9");
      const dropped = (await bed.counters(a)).outbound["no_route"];
      assertEquals(dropped, lost.trim().split("\n").length, lost + await seen(""));
      assertEquals((await bed.counters(b)).outbound["no_route"], 1);
    },
  );
  await a.stop();
  await bed.onNode(0, "ip", "link", "set", "eth0", "mtu", "1500");
  assertEquals(await bed.state(0), before);
});
