import { assertEquals } from "../../assert.ts";
import {
  describeEngine,
  type EngineUse,
  wantedFeatures,
} from "../../../src/dataplane/lanes/features.ts";
import { type EngineChoice, readEngine } from "../../../src/config/engine.ts";
import { type Feature, FEATURES } from "../../../src/base/features.ts";

const READ: readonly (readonly [text: string, engine: string, off: readonly Feature[]])[] = [
  ["auto", "auto", []],
  ["batch", "batch", []],
  ["datagram", "datagram", []],
  ["auto,-gro", "auto", ["gro"]],
  ["batch,-uso,-gso", "batch", ["uso", "gso"]],
  ["batch,-tso", "batch", ["tso4", "tso6"]],
  ["batch,-tso6,-tso6", "batch", ["tso6"]],
  ["batch,-csum", "batch", ["csum", "partial", "tso4", "tso6", "uso"]],
  ["auto,-partial", "auto", ["partial"]],
  ["auto,-libcrypto", "auto", []],
  ["datagram,-libcrypto", "datagram", []],
  ["batch,-vnet", "batch", ["vnet", "csum", "partial", "tso4", "tso6", "uso"]],
];

Deno.test("engine: what --engine takes, and what falls with a feature", () => {
  for (const [text, engine, off] of READ) {
    const { value } = readEngine(text) as { value: EngineChoice };
    assertEquals([value.engine, [...value.off].toSorted()], [engine, off.toSorted()], text);
  }
});

Deno.test("engine: the number of lanes", () => {
  const lanes = (text: string) => (readEngine(text) as { value: EngineChoice }).value.lanes;
  assertEquals(
    ["auto", "auto,lanes=1", "batch,-gro,lanes=16", "batch,lanes=2,-gro"].map(lanes),
    [undefined, 1, 16, 2],
  );
});

Deno.test("engine: what --engine refuses", () => {
  const bad = [
    ...["", "x", "Auto", "batch,", "batch,uso", "batch,+uso", "batch,-", "batch,-x", "batch -uso"],
    ...["-uso", "datagram,-gso", "auto,batch", "batch,-uso-gro", "batch,-constructor"],
    ...["batch,lanes=0", "batch,lanes=17", "batch,lanes=", "batch,lanes=x", "datagram,lanes=1"],
  ];
  for (const text of bad) assertEquals(readEngine(text).problem === undefined, false, text);
});

Deno.test("engine: datagram asks nothing of the kernel, the others all that is not off", () => {
  const wanted = (text: string) => {
    const { value } = readEngine(text) as { value: EngineChoice };
    return [...wantedFeatures(value)];
  };
  assertEquals(wanted("datagram"), []);
  assertEquals(wanted("auto"), [...FEATURES]);
  assertEquals(wanted("batch,-csum,-gro"), ["vnet", "gso"]);
});

Deno.test("engine: one line says what is in use, and what is not and why", () => {
  const line = (
    features: readonly Feature[],
    text: string,
    use: Partial<EngineUse> = {},
    noKernelPath?: string,
  ) => {
    const { value } = readEngine(text) as { value: EngineChoice };
    return describeEngine(
      { engine: "batch", features: new Set(features), lanes: 2, queues: 1, ...use },
      value,
      noKernelPath,
    );
  };
  assertEquals(
    line(FEATURES, "auto"),
    "engine batch: vnet csum partial tso uso gso gro kernel, 2 lanes",
  );
  assertEquals(
    line(["vnet", "csum", "tso4", "gso"], "batch,-tso6"),
    "engine batch: vnet csum tso4 gso, 2 lanes (not available: partial uso gro; switched off: tso6)",
  );
  const key = "every node has a key";
  assertEquals(
    line(["vnet", "csum", "partial", "tso4", "tso6", "gso"], "auto,-gro", {}, key),
    "engine batch: vnet csum partial tso gso, 2 lanes " +
      "(not available: uso; no kernel path: every node has a key; switched off: gro)",
  );
  assertEquals(
    line(["gso"], "auto").endsWith("(not available: vnet csum partial tso uso gro kernel)"),
    true,
  );
  assertEquals(line(["gso"], "auto,-kernel", {}, "switched off").includes("no kernel path"), false);
  assertEquals(
    line([], "batch,-vnet,-gso,-gro", { lanes: 1 }),
    "engine batch: no offloads, 1 lane (switched off: vnet csum partial tso uso gso gro)",
  );
  assertEquals(
    line(["gso"], "batch,-vnet,-gro", { lanes: 4, queues: 3 }),
    "engine batch: gso, 4 lanes on 3 queues (switched off: vnet csum partial tso uso gro)",
  );
  assertEquals(
    line([], "datagram", { engine: "datagram", lanes: 1 }),
    "engine datagram: Deno's receive() and send(), 1 lane",
  );
  assertEquals(
    line([], "datagram", { engine: "datagram", lanes: 1, aead: "wasm and libcrypto 3.0.19" }),
    "engine datagram: Deno's receive() and send(), 1 lane, sealing by wasm and libcrypto 3.0.19",
  );
  assertEquals(
    line(["gso", "gro"], "batch,-vnet,-libcrypto", { aead: "wasm" }),
    "engine batch: gso gro, 2 lanes, sealing by wasm " +
      "(switched off: vnet csum partial tso uso libcrypto)",
  );
  assertEquals(
    line(FEATURES, "auto,-libcrypto").includes("libcrypto"),
    false,
    "there is nothing to seal",
  );
});
