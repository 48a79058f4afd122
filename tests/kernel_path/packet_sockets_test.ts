import { assertEquals } from "../assert.ts";
import { isWatched } from "../../src/kernel_path/packet_sockets.ts";

const HEAD = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";
const line = (protocol: string, device: number) =>
  `00000000d1b3a4c5 3      3    ${protocol}   ${device}     1 0      0      31337\n`;

const CASES: readonly (readonly [what: string, text: string, watched: boolean])[] = [
  ["nobody", HEAD, false],
  ["an empty file", "", false],
  ["tcpdump on the device", HEAD + line("0003", 7), true],
  ["tcpdump on another device", HEAD + line("0003", 77), false],
  ["tcpdump on all devices", HEAD + line("0003", 0), true],
  ["a DHCP client there, which sees IPv4 only", HEAD + line("0800", 7), false],
  ["several", HEAD + line("0800", 0) + line("0003", 2) + line("0003", 7), true],
  ["cut within a line", HEAD + line("0003", 7).slice(0, 24), false],
];

for (const [what, text, watched] of CASES) {
  Deno.test(`packet sockets: ${what}`, () => assertEquals(isWatched(text, 7), watched));
}
