import { assertEquals } from "../assert.ts";
import { classify, DATAGRAM } from "../../src/wire/classify.ts";

type Kind = keyof typeof DATAGRAM;

/** The kind by first byte as the wire contract lists it, one byte at a time. */
function naiveKind(first: number, mode: "tun" | "tap"): Kind {
  if (first === 0xf1) return "hello";
  if (mode === "tap") return "frame";
  if ((first >= 0x40 && first <= 0x4f) || (first >= 0x60 && first <= 0x6f)) return "packet";
  return [1, 2, 3, 4].includes(first) ? "wireguard" : "unknown";
}

const kindOf = (bytes: readonly number[], mode: "tun" | "tap") => {
  const view = new DataView(Uint8Array.of(0xf1, ...bytes, 0xf1).buffer);
  const kind = classify(view, 1, bytes.length, mode);
  return Object.entries(DATAGRAM).find(([, value]) => value === kind)![0];
};

Deno.test("classify: every first byte in both modes", () => {
  for (const mode of ["tun", "tap"] as const) {
    for (let first = 0; first < 256; first++) {
      assertEquals(kindOf([first], mode), naiveKind(first, mode), `${mode} ${first}`);
      assertEquals(kindOf([first, 0xf1, 0x45], mode), naiveKind(first, mode), "by the first alone");
    }
  }
});

Deno.test("classify: a datagram of no bytes is nothing, whatever is behind it", () => {
  assertEquals([kindOf([], "tun"), kindOf([], "tap")], ["unknown", "unknown"]);
});
