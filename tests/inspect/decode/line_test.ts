import {
  clockText,
  colourPaint,
  packetJson,
  packetLine,
} from "../../../src/inspect/decode/line.ts";
import { assert, assertEquals } from "../../assert.ts";
import { bytesOf, decodeBytes } from "./packets.ts";

const MET = {
  time: new Date(2026, 0, 2, 3, 4, 5, 6),
  device: "tun0",
  direction: "in",
  length_bytes: 28,
} as const;

Deno.test("line: the clock has two digits and milliseconds", () => {
  assertEquals(clockText(MET.time), "03:04:05.006");
});

Deno.test("line: colours wrap words and change nothing else", () => {
  const bytes = bytesOf("45000020 00000000 4001hhhh ac010002 ac020002 0800iiii00070001");
  const decoded = decodeBytes(bytes);
  const plain = packetLine(MET, decoded, (_style, text) => text);
  const coloured = packetLine(MET, decoded, colourPaint);
  assert(coloured.includes("\x1b[31m[cut: total length 32"), coloured);
  // deno-lint-ignore no-control-regex
  assertEquals(coloured.replaceAll(/\x1b\[\d+m/g, ""), plain);
});

Deno.test("line: JSON has every field of every layer", () => {
  const bytes = bytesOf(
    "4500002c 12344000 4006hhhh c0a8010a c0a8010c" +
      "04d20050 0000000a 0000000b 6012faf0 tttt0000 020405b4",
  );
  assertEquals(packetJson({ ...MET, length_bytes: 44 }, decodeBytes(bytes)), {
    time: MET.time.toISOString(),
    device: "tun0",
    direction: "in",
    length_bytes: 44,
    protocol: "TCP",
    layers: [
      {
        kind: "ipv4",
        header_bytes: 20,
        total_bytes: 44,
        tos: 0,
        id: 0x1234,
        dontFragment: true,
        ttl: 64,
        protocol: 6,
        source: "192.168.1.10",
        destination: "192.168.1.12",
      },
      {
        kind: "tcp",
        sourcePort: 1234,
        destinationPort: 80,
        sequence: 10,
        acknowledgment: 11,
        header_bytes: 24,
        flags: 0x12,
        window: 64240,
        mss_bytes: 1460,
        payload_bytes: 0,
      },
    ],
    notes: [],
  });
});
