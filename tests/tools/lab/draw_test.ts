import { drawLab, drawResults } from "../../../src/tools/lab/draw.ts";
import { assert, assertEquals, assertStringIncludes } from "../../assert.ts";
import { planOf } from "./plan.ts";

Deno.test("the picture: every node is joined to the one switch, however many there are", () => {
  for (const nodes of [2, 3, 4, 5, 8, 16]) {
    const text = drawLab(planOf({ nodes }), "br0");
    const lines = text.trimEnd().split("\n");
    const column = lines[0]!.indexOf("switch") + 2;
    assert(lines.slice(1).every((line) => "║╫╢".includes(line[column]!)), text);
    const joined = lines.flatMap((line) => {
      const names = [...line.matchAll(/(node-[a-p]):/g)].map(([, name]) => name);
      // On a node's line, a wire leads from its frame to the switch.
      if (names.length === 2) assertStringIncludes(line, "├──╫──┤");
      if (names.length === 1) assertStringIncludes(line, "├──╢");
      return names;
    });
    assertEquals(joined.length, nodes);
  }
});

Deno.test("the picture of two nodes", () => {
  assertEquals(
    drawLab(planOf(), "br0"),
    `                                       switch
┌─────────────────────────────────────┐  ║  ┌─────────────────────────────────────┐
│ pod   172.1.0.2                     │  ║  │ pod   172.2.0.2                     │
│   │                                 │  ║  │   │                                 │
│ br0   172.1.0.0/16                  │  ║  │ br0   172.2.0.0/16                  │
│   │                                 │  ║  │   │                                 │
│ node-a: tunnet0 <-> UDP 192.168.0.8 ├──╫──┤ node-b: tunnet0 <-> UDP 192.168.0.7 │
└─────────────────────────────────────┘  ║  └─────────────────────────────────────┘
`,
  );
});

Deno.test("the results: three decimals, speed, way, and what is lost", () => {
  const ends = { from: "node-a", to: "node-b", address: "172.2.0.2" };
  const text = drawResults({
    pings: [
      { ...ends, sent: 3, received: 3, loss_pct: 0, rtt_ms: 0.02 },
      { ...ends, sent: 3, received: 1, loss_pct: 200 / 3, rtt_ms: 12.3456 },
      { ...ends, sent: 3, received: 0, loss_pct: 100, rtt_ms: null },
    ],
    throughput: { ...ends, bytes: 3_870_394_920, seconds: 2.003, bits_per_second: 15.46e9 },
    route: "kernel path",
    why: undefined,
    sealed: false,
  }, false);
  assertEquals(
    text,
    `ok   pod of node-a -> pod of node-b 172.2.0.2: 3/3 replies, 0 % loss, 0.020 ms
FAIL pod of node-a -> pod of node-b 172.2.0.2: 1/3 replies, 67 % loss, 12.346 ms
FAIL pod of node-a -> pod of node-b 172.2.0.2: 0/3 replies, 100 % loss, no reply
ok   pod of node-a -> pod of node-b 172.2.0.2: TCP 15.5 Gbit/s, 3.87 GB in 2.0 s
ok   packets take the kernel path: they never leave the kernel; in the clear: nothing is encrypted (lab --encrypt shows it sealed)
`,
  );
  assertEquals(
    drawResults(
      { pings: [], throughput: undefined, route: undefined, why: undefined, sealed: false },
      true,
    ),
    "",
  );
  const lanes = { pings: [], throughput: undefined, route: "lanes", sealed: true } as const;
  assertEquals(
    drawResults({ ...lanes, why: "every node has a key" }, false),
    "ok   packets take the lanes: through the program (no kernel path: every node has a key); " +
      "sealed: nobody between the nodes can read or forge anything\n",
  );
});
