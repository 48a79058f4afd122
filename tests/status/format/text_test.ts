import { assert, assertEquals, assertFalse, assertStringIncludes } from "../../assert.ts";
import { encodeHello } from "../../../src/wire/hello.ts";
import { statusText } from "../../../src/status/format/text.ts";
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
