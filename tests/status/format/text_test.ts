import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertStringIncludes,
} from "../../assert.ts";
import { encodeHello } from "../../../src/wire/hello.ts";
import { statusText } from "../../../src/status/format/text.ts";
import type { Status } from "../../../src/status/model/types.ts";
import { HELLO_OF_B, NOW_MS, snapshotParts, statusOf, statusWith } from "../parts.ts";

function status() {
  const hello = encodeHello({ ...HELLO_OF_B, echo_us: 97_999_500, held_us: 0 });
  return statusWith((b, gate) => {
    b.hear(hello, NOW_MS - 2000);
    gate.unreachable("the name gate.example is not known", 40_000);
  });
}

Deno.test("status: the table", () => {
  assertEquals(
    statusText(status(), { colour: false }).split("\n"),
    [
      "a: up 1m 40s, tunnet 1.2.3, process 42, tunnet.yaml",
      "device    tunnet0, tun, MTU 1472",
      "engine    batch, 2 lanes, kernel features: csum, tso4",
      "listens   UDP 192.168.0.8:3009",
      "out       0 bit/s, 3.00 kB in 30 packets",
      "in        0 bit/s, 2.00 kB in 20 packets",
      "dropped   outbound no_route 5, inbound spoofed_source 7",
      "",
      "PEER            STATE  SINCE      RTT  LOSS   SEEN      OUT       IN     SENT  RECEIVED  ADDRESS",
      "b               up        2s  0.50 ms   0 %     2s  0 bit/s  0 bit/s  3.00 kB   2.00 kB  192.168.0.7:3009",
      "gate (default)  down   1m 0s        -     -  never  0 bit/s  0 bit/s      0 B       0 B  gate.example:4000",
      "",
      "! gate down: the name gate.example is not known",
      "",
    ],
  );
});

Deno.test("status: colours are asked for, and change no width", () => {
  const plain = statusText(status(), { colour: false });
  const painted = statusText(status(), { colour: true });
  assertFalse(plain.includes("\x1b"));
  assertStringIncludes(painted, "\x1b[32mup\x1b[0m");
  assertStringIncludes(painted, "\x1b[31mdown\x1b[0m");
  // deno-lint-ignore no-control-regex
  assertEquals(painted.replaceAll(/\x1b\[\d+m/g, ""), plain);
});

Deno.test("status: a sparkline for each peer's past", () => {
  const history = new Map([["b", [0, 1, 2, 4, 8]]]);
  const lines = statusText(status(), { colour: false, history }).split("\n");
  assertStringIncludes(lines[8]!, "TRAFFIC");
  assertStringIncludes(lines[9]!, "▂▃▅█");
  assertFalse(/[▁-█]/.test(lines[10]!), "nothing is known of gate's past");
  assert(lines[8]!.indexOf("TRAFFIC") > lines[8]!.indexOf(" IN"), "beside the rates");
});

/** A status of many peers, those of `down` for one reason, with names of that many letters. */
function many(count: number, down: number, letters = 12): Status {
  const base = status();
  const flow = { packets: 1e9, bytes: 1e12, packets_per_second: 1e5, bits_per_second: 999e6 };
  const [b, gate] = base.peers;
  const peers = Array.from({ length: count }, (_, i) => ({
    ...(i < count - down ? { ...b!, loss: 0.01 } : { ...gate!, is_default: false }),
    ...{ name: `node-${i}`.padEnd(letters, "x"), outbound: flow, inbound: flow },
  }));
  const drops = { ...base.outbound.drops, too_big: 123456789, send_queue_full: 123456789 };
  return { ...base, peers, outbound: { ...base.outbound, drops } };
}

const linesOf = (text: string) => text.trimEnd().split("\n");
const history = new Map([["node-0xxxxxx", Array.from({ length: 30 }, (_, i) => i)]]);

Deno.test("status: columns by width, with the rates and a sparkline at 80", () => {
  const heads = (width: number, letters = 12) => {
    const lines = linesOf(statusText(many(3, 1, letters), { colour: false, history, width }));
    for (const line of lines) assert(line.length <= width, `${width}: ${line}`);
    return lines.find((line) => line.startsWith("PEER"))!.trim().split(/ +/).join(" ");
  };
  assertEquals(heads(80), "PEER STATE SINCE RTT LOSS OUT IN TRAFFIC");
  assertEquals(heads(100), "PEER STATE SINCE RTT LOSS SEEN OUT IN TRAFFIC SENT");
  assertEquals(
    heads(160),
    "PEER STATE SINCE RTT LOSS SEEN OUT IN TRAFFIC SENT RECEIVED ADDRESS",
  );
  assertEquals(heads(80, 40), "PEER STATE OUT IN");
  assertEquals(heads(40, 63), "PEER STATE OUT IN");
  const [, row] = linesOf(statusText(many(3, 1), { colour: false, history, width: 80 }))
    .filter((line) => /^(PEER|node)/.test(line));
  assertMatch(row!, /999 Mbit\/s +999 Mbit\/s +[▁-█]{8,}$/);
});

Deno.test("status: the same trouble of many peers is one line", () => {
  const lines = linesOf(statusText(many(30, 18), { colour: false }));
  assertEquals(lines.filter((line) => line.startsWith("!")), [
    "! node-12xxxxx, node-13xxxxx, node-14xxxxx, node-15xxxxx, node-16xxxxx, node-17xxxxx, " +
    "node-18xxxxx, node-19xxxxx and 10 more: down: the name gate.example is not known",
  ]);
});

Deno.test("status: what does not fit the terminal's height is cut where nothing is wrong", () => {
  for (const [count, down] of [[30, 18], [200, 3], [200, 0], [2, 2], [5, 5]] as const) {
    for (const rows of [24, 40, 60]) {
      const text = statusText(many(count, down), {
        colour: false,
        history,
        width: 80,
        height: rows,
      });
      const lines = linesOf(text);
      assert(lines.length < rows, `${lines.length} lines of ${rows} for ${count} peers`);
      const shown = lines.filter((line) => /^node-/.test(line));
      const hidden = Number(/^\.\.\. (\d+) more peers$/m.exec(text)?.[1] ?? 0);
      assertEquals(shown.length + hidden, count);
      if (hidden > 0) assert(lines.length >= rows - 2, "the room is used");
      if (shown.length > down) {
        assertEquals(shown.filter((line) => / down /.test(line)).length, down);
      }
      if (down > 0) assert(/^! /m.test(text), "and why");
    }
  }
});

Deno.test("status: an IPv6 address has brackets, a device that is down is told", () => {
  const { device } = snapshotParts();
  const base = statusOf({ device: { ...device, state: "down" } });
  const text = statusText(
    { ...base, peers: [{ ...base.peers[0]!, address: "fd00::7" }] },
    { colour: false },
  );
  assertStringIncludes(text, "[fd00::7]:3009");
  assertStringIncludes(text, "device    tunnet0 down, tun");
  assert(text.includes("! the device tunnet0 is down\n"));
});

Deno.test("status: no peers, no drops", () => {
  const base = statusOf();
  const text = statusText(
    {
      ...base,
      peers: [],
      outbound: { ...base.outbound, drops: {} },
      inbound: { ...base.inbound, drops: {} },
    },
    { colour: false },
  );
  assertStringIncludes(text, "dropped   nothing\n");
  assertStringIncludes(text, "PEER  STATE");
});
