/** Ethernet frames and the text that they must give. */

import { assertEquals } from "../../assert.ts";
import { textOf } from "./packets.ts";

const MACS = "ffffffffffff 020000000001";
const ENDS = "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff";
const ARP = "0001 0800 06 04 0001 020000000001 c0a8020a 000000000000 c0a8020c";
const ECHO = "4500001c 00000000 4001hhhh c0a8010ac0a8010c 0800iiii0007 0001";
const ECHO_TEXT =
  "IPv4 hdrlen 20 total 28 ttl 64 ICMP echo request id 7 seq 1 192.168.1.10 > 192.168.1.12";

const FRAMES: readonly (readonly [name: string, hex: string, text: string])[] = [
  ["ARP", `${MACS} 0806 ${ARP}`, `${ENDS} ARP who-has 192.168.2.12 tell 192.168.2.10`],
  [
    "an ARP reply",
    `${MACS} 0806 0001 0800 06 04 0002 020000000001 c0a8020a 020000000002 c0a8020c`,
    `${ENDS} ARP 192.168.2.10 is-at 02:00:00:00:00:01`,
  ],
  [
    "IPv4, filled up to the least frame",
    `${MACS} 0800 ${ECHO} ${"00".repeat(18)}`,
    `${ENDS} ${ECHO_TEXT}`,
  ],
  [
    "IPv4 with more behind it than filling",
    `${MACS} 0800 ${ECHO} ${"00".repeat(40)}`,
    `${ENDS} ${ECHO_TEXT} [lying: total length 28, but 68 B came]`,
  ],
  ["a VLAN tag", `${MACS} 8100 000a 0800 ${ECHO}`, `${ENDS} vlan 10 ${ECHO_TEXT}`],
  [
    "two VLAN tags, and a priority",
    `${MACS} 88a8 0014 8100 600a 0806 ${ARP}`,
    `${ENDS} vlan 20 vlan 10 prio 3 ARP who-has 192.168.2.12 tell 192.168.2.10`,
  ],
  [
    "five VLAN tags",
    `${MACS} ${"8100 0001 ".repeat(5)} 0800`,
    `${ENDS} vlan 1 vlan 1 vlan 1 vlan 1 VLAN data 4 B 00010800 [lying: more than 4 VLAN tags]`,
  ],
  ["a known EtherType", `${MACS} 88cc 0207`, `${ENDS} LLDP data 2 B 0207`],
  ["an unknown EtherType", `${MACS} 1234 0207`, `${ENDS} EtherType 0x1234 data 2 B 0207`],
  ["802.3", `${MACS} 0003 424203 000000`, `${ENDS} 802.3 length 3 data 3 B 424203`],
  [
    "802.3 with a length that lies",
    `${MACS} 0030 424203`,
    `${ENDS} 802.3 length 48 data 3 B 424203 [lying: 802.3 length 48, only 3 B follow]`,
  ],
  [
    "cut in its header",
    "ffffffffffff 0200",
    "data 8 B ffffffffffff0200 [cut: Ethernet header of 14 B, only 8 B came]",
  ],
  [
    "cut in its ARP",
    `${MACS} 0806 0001 0800 06 04 0001 0200`,
    `${ENDS} ARP data 10 B 00010800060400010200 [cut: ARP header of 28 B, only 10 B came]`,
  ],
  [
    "ARP with other address lengths",
    `${MACS} 0806 0001 0800 08 04 0001`,
    `${ENDS} ARP data 8 B 0001080008040001 [lying: ARP addresses of 8 and 4 B, not 6 and 4]`,
  ],
  [
    "an EtherType that lies",
    `${MACS} 86dd ${ECHO}${"00".repeat(20)}`,
    `${ENDS} IPv6 data 48 B 4500001c000000004001f77ac0a8010ac0a8010c0800f7f70007000100000000.. ` +
    "[lying: EtherType says IPv6, the packet version 4]",
  ],
];

for (const [name, hex, text] of FRAMES) {
  Deno.test(`decode frame: ${name}`, () => assertEquals(textOf(hex, "ethernet"), text));
}
