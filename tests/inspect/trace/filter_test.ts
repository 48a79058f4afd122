import { EVERYTHING, readTraceFilter } from "../../../src/inspect/trace/filter.ts";
import { assert, assertEquals } from "../../assert.ts";
import { bytesOf, decodeBytes } from "../decode/packets.ts";

const PEERS = ["node-b", "node-c"];
const ECHO = decodeBytes(
  bytesOf("4500001c 00000000 4001hhhh ac010002 ac020002 0800iiii00070001"),
);
const UDP6 = decodeBytes(bytesOf(
  "60000000 00081140 fd000000000000000000000000000001 fd000000000000000000000000000002" +
    "00070009 0008uuuu",
));
const ARP = decodeBytes(
  bytesOf(
    "ffffffffffff 020000000001 0806 0001080006040001 020000000001 0a000001 000000000000 0a000002",
  ),
  "ethernet",
);
/** An error about 172.9.0.1, between 172.1.0.2 and itself. */
const ERROR = decodeBytes(bytesOf(
  "45000038 00000000 4001hhhh ac010001 ac010002 0300iiii 00000000" +
    "4500001c 00000000 40110000 ac010002 ac090001 00070009 00080000",
));

/** Filter, and which of ECHO to node-b, UDP6 from node-c, ARP and ERROR without a peer it lets through. */
const FILTERS: readonly (readonly [string, string])[] = [
  ["icmp", "E  X"],
  ["udp", " U  "],
  ["arp", "  A "],
  ["ipv6", " U  "],
  ["IPv4", "E  X"],
  ["icmp,udp", "EU X"],
  ["172.2.0.0/16", "E   "],
  ["172.2.0.2", "E   "],
  ["172.9.0.1", "    "],
  ["172.2.0.1/16", "E   "],
  ["fd00::/64,10.0.0.2", " UA "],
  ["172.0.0.0/8,icmp", "E  X"],
  ["172.2.0.0/16,udp", "    "],
  ["node-b", "E   "],
  ["node-b,node-c", "EU  "],
  ["node-b, icmp", "E   "],
  ["node-c,icmp", "    "],
  ["dropped", " U  "],
  ["spoofed_source", " U  "],
  ["no_route", "    "],
  ["no_route,dropped", " U  "],
  ["udp,SPOOFED_SOURCE", " U  "],
];

for (const [text, expected] of FILTERS) {
  Deno.test(`trace filter: ${text}`, () => {
    const { value: filter } = readTraceFilter(text, PEERS) as { value: typeof EVERYTHING };
    const packets = [
      { decoded: ECHO, peer: "node-b", drop: undefined },
      { decoded: UDP6, peer: "node-c", drop: "spoofed_source" },
      { decoded: ARP, peer: undefined, drop: undefined },
      { decoded: ERROR, peer: undefined, drop: undefined },
    ];
    const passed = packets.map((packet, i) => filter.accepts(packet) ? "EUAX"[i] : " ").join("");
    assertEquals(passed, expected);
    assert(packets.every((packet) => EVERYTHING.accepts(packet)));
  });
}

const BAD: readonly (readonly [string, string | undefined])[] = [
  ["icpm", 'did you mean "icmp"?'],
  ["node-d", 'did you mean "node-b"?'],
  ["spoofed-source", 'did you mean "spoofed_source"?'],
  ["172.2.0.0/33", undefined],
  ["", undefined],
  ["icmp,,udp", undefined],
  ["x\ny", undefined],
];

for (const [text, why] of BAD) {
  Deno.test(`trace filter: ${JSON.stringify(text)} is none`, () => {
    const result = readTraceFilter(text, PEERS);
    assert(result.problem, "it is refused");
    assertEquals(result.problem.why, why);
    assert(!result.problem.what.includes("\n"));
  });
}

Deno.test("trace filter: not without end", () => {
  assert(readTraceFilter("icmp,".repeat(64) + "udp", PEERS).problem);
  assert(!readTraceFilter("icmp,".repeat(63) + "udp", PEERS).problem);
});
