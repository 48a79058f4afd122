/** Real traffic, captured by the test itself: what we say of each frame is what tshark says. */

import { decodePacket } from "../../../src/inspect/decode/decode.ts";
import { packetLine, plainPaint } from "../../../src/inspect/decode/line.ts";
import { assert, assertEquals } from "../../assert.ts";
import { Bed, until } from "../../e2e/harness.ts";
import { readCapture } from "../pcap/reader.ts";
import { comparable, expectedText, tsharkRows } from "./tshark.ts";

/** What a pod says to its node and beyond: both directions of everything. */
async function talk(bed: Bed): Promise<void> {
  const { podNamespace, namespace } = bed.node(0);
  const [gateway4, gateway6] = ["172.1.0.1", "fd00:172:1::1"];
  const serve = (listen: string) =>
    bed.spawn(namespace, ["socat", `${listen},reuseaddr,fork`, "PIPE"]);
  serve("TCP4-LISTEN:7000");
  serve("TCP6-LISTEN:7001");
  await until("the servers listen", 10_000, async () => {
    const { stdout } = await bed.onNode(0, "ss", "-Hltn");
    return stdout.includes(":7000") && stdout.includes(":7001");
  });
  const echo = (target: string) => `head -c 20000 /dev/zero | timeout 10 socat - ${target} | wc -c`;
  const commands = [
    `ping -n -c 2 -i 0.1 ${gateway4}`,
    `ping -n -c 1 -s 5000 ${gateway4}`,
    `ping -n -c 2 -i 0.1 ${gateway6}`,
    `ping -n -c 1 -s 5000 ${gateway6}`,
    echo(`TCP4:${gateway4}:7000`),
    echo(`TCP6:[${gateway6}]:7001`),
    // Closed ports: a TCP reset, and ICMP errors that quote.
    `timeout 2 socat - TCP4:${gateway4}:7009 </dev/null`,
    `echo x | timeout 2 socat - UDP4:${gateway4}:7009`,
    `echo x | timeout 2 socat - UDP6:[${gateway6}]:7009`,
    // Beyond the node: no route, and paths too narrow for what may not be fragmented.
    "ping -n -c 1 -W 1 203.0.113.1",
    "ping -n -c 1 -W 1 2001:db8:f::1",
    "ping -n -c 1 -W 1 -M do -s 1400 198.51.100.1",
    "ping -n -c 1 -W 1 -s 1400 2001:db8:e::1",
    "ping -n -c 1 -W 1 -t 1 198.51.100.1",
  ];
  for (const command of commands) {
    await bed.spawn(podNamespace, ["sh", "-c", command]).output();
  }
}

Deno.test("decode: real captures of TCP, UDP, ICMP, ARP, ND, fragments and errors agree with tshark", async () => {
  await using bed = await Bed.create({ ipv6: true });
  const { namespace, podNamespace } = bed.node(0);
  const onNode = (words: string) => bed.onNode(0, ...words.split(" "));
  // Checksums as they are on a wire: the veth pair would leave them to nobody.
  for (const [where, device] of [[namespace, "pod"], [namespace, "br0"], [podNamespace, "eth0"]]) {
    const { code, stderr } = await bed.spawn(where!, [
      ...["ethtool", "-K", device!, "tx", "off", "gso", "off", "gro", "off"],
    ]).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  }
  await onNode("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  await onNode("ip route add 198.51.100.0/24 dev eth0 mtu lock 1300");
  await onNode("ip -6 route add 2001:db8:e::/64 dev eth0 mtu lock 1300");
  const { file, stop } = await bed.capture(namespace, "br0");
  await talk(bed);
  await stop();

  const { packets } = readCapture(Deno.readFileSync(file));
  const rows = await tsharkRows(file);
  const said = packets.map(({ bytes, length_bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const decoded = decodePacket(view, 0, bytes.length, length_bytes, "ethernet");
    const met = { time: new Date(0), device: "br0", direction: "in", length_bytes } as const;
    return packetLine(met, decoded, plainPaint);
  });
  assertEquals(said.map(comparable), rows.map(expectedText));
  for (
    const word of [
      ...["ARP who-has", "is-at", "[SYN] ", "[SYN ACK]", "[FIN ACK]", "[RST ACK]", "[PSH ACK]"],
      ...["ICMP echo reply", "ICMPv6 echo reply", "(port unreachable)", "(network unreachable)"],
      ...["(fragmentation needed) mtu 1300", "packet too big mtu 1300", "(no route)"],
      ...["fragment id", "neighbor solicitation", "neighbor advertisement", "time exceeded"],
      ...["about UDP 172.1.0.2:", "about ICMP 172.1.0.2 > 198.51.100.1"],
    ]
  ) {
    assert(said.some((line) => line.includes(word)), `no ${word} in\n${said.join("\n")}`);
  }
  // Nothing was wrong with any of them: whole, honest, and with right checksums.
  const noted = said.filter((line) => line.includes("["))
    .filter((line) => /\[(cut|lying|checksum)/.test(line));
  assertEquals(noted, []);
});
