import { assert, assertEquals, assertThrows } from "../assert.ts";
import { macBytes } from "../fakes/frames.ts";
import { random } from "../fuzz/random.ts";
import { MAC_AGEING_S, MAC_LEARNED_MAX, MACS_MAX } from "../../src/base/limits.ts";
import { formatMac } from "../../src/net/ethernet.ts";
import {
  FIXED,
  LEARN,
  MAC_TABLE_BYTES,
  MacTable,
  NOBODY,
  SELF,
} from "../../src/forwarding/macs.ts";
import { MacOracle } from "./macs_oracle.ts";

const view = (mac: string) => new DataView(macBytes(mac).buffer);
const number = (n: number) => formatMac(Uint8Array.of(2, 0, n >> 24, n >> 16, n >> 8, n));

function fresh(seed = 1): MacTable {
  const table = new MacTable(new SharedArrayBuffer(MAC_TABLE_BYTES));
  table.reset(seed);
  return table;
}

const A = "02:00:00:00:00:0a";
const B = "02:00:00:00:00:0b";

Deno.test("a learned address ages unless it is seen again", () => {
  const table = fresh();
  assertEquals(table.lookup(view(A), 0), NOBODY);
  assertEquals(table.learn(view(A), 0, 3), LEARN.learned);
  assertEquals(table.learn(view(A), 0, 3), LEARN.known);
  assertEquals(table.learn(view(B), 0, 4), LEARN.learned);
  table.tick(MAC_AGEING_S - 1);
  assertEquals(table.lookup(view(B), 0), 4);
  assertEquals(table.lookup(view(A), 0), 3);
  table.touch();
  table.tick(MAC_AGEING_S);
  assertEquals([table.lookup(view(A), 0), table.lookup(view(B), 0)], [3, NOBODY]);
  assertEquals(table.entries().map(({ mac, age_s }) => [formatMac(mac), age_s]), [[A, 1]]);
  assertEquals(table.learn(view(B), 0, 5), LEARN.moved);
  assertEquals(table.lookup(view(B), 0), 5);
});

Deno.test("an address moves at once, and is forgotten when asked to", () => {
  const table = fresh();
  table.learn(view(A), 0, 0);
  assertEquals(table.learn(view(A), 0, 1), LEARN.moved);
  assertEquals(table.lookup(view(A), 0), 1);
  assertEquals(table.learned, 1);
  assertEquals(table.forget(view(A), 0), true);
  assertEquals([table.lookup(view(A), 0), table.learned], [NOBODY, 0]);
  assertEquals(table.forget(view(A), 0), false);
});

Deno.test("fixed addresses are not learned, moved, forgotten or aged", () => {
  const table = fresh();
  table.setFixed([{ mac: macBytes(A), owner: 2 }, { mac: macBytes(B), owner: SELF }]);
  assertEquals(table.lookup(view(A), 0), 2 | FIXED);
  assertEquals(table.lookup(view(B), 0), SELF | FIXED);
  assertEquals(table.learn(view(A), 0, 2), LEARN.known);
  assertEquals(table.learn(view(A), 0, 3), LEARN.elsewhere);
  assertEquals(table.forget(view(A), 0), false);
  table.tick(10 * MAC_AGEING_S);
  assertEquals(table.lookup(view(A), 0), 2 | FIXED);
  assertEquals(table.learned, 0);
});

Deno.test("as many fixed addresses as a config may have find room beside as many learned ones", () => {
  const table = fresh();
  const dice = random(5);
  const mac = () => {
    const bytes = dice.bytes(6);
    bytes[0]! &= 0xfe;
    return bytes;
  };
  const fixed = Array.from({ length: MACS_MAX }, (_, i) => ({ mac: mac(), owner: i }));
  table.setFixed(fixed);
  for (const one of fixed) {
    assertEquals(table.lookup(new DataView(one.mac.buffer), 0), one.owner | FIXED);
  }
  const refused = Array.from(
    { length: MAC_LEARNED_MAX },
    (_, i) => table.learn(new DataView(mac().buffer), 0, i % 1000),
  ).filter((result) => result !== LEARN.learned).length;
  assert(refused < MAC_LEARNED_MAX / 100, `${refused} found no slot`);
  assertThrows(() => table.setFixed([...fixed, { mac: mac(), owner: 0 }]), RangeError);
});

Deno.test("a peer that floods the table fills half of it, and the others still find room", () => {
  const table = fresh();
  table.learn(view(A), 0, 1);
  let learned = 0;
  for (let n = 1_000; n < 101_000; n++) {
    if (table.learn(view(number(n)), 0, 0) === LEARN.learned) learned++;
  }
  assertEquals(learned, Math.floor(MAC_LEARNED_MAX / 2));
  assertEquals(table.lookup(view(A), 0), 1, "what was learned before stays");
  let others = 0;
  for (let n = 200_000; n < 201_000; n++) {
    if (table.learn(view(number(n)), 0, 1) === LEARN.learned) others++;
  }
  assertEquals(others, 1000);
  table.tick(MAC_AGEING_S);
  assertEquals(table.learn(view(number(300_000)), 0, 0), LEARN.learned, "aged ones make room");
  assertEquals(table.learned, 1);
});

Deno.test("a new list of fixed addresses: learned ones become fixed, others owners', dropped ones go", () => {
  const table = fresh();
  const C = "02:00:00:00:00:0c";
  table.learn(view(A), 0, 0);
  table.learn(view(C), 0, 0);
  table.setFixed([{ mac: macBytes(A), owner: 1 }, { mac: macBytes(B), owner: 1 }]);
  assertEquals([table.lookup(view(A), 0), table.lookup(view(B), 0)], [1 | FIXED, 1 | FIXED]);
  assertEquals([table.lookup(view(C), 0), table.learned], [0, 1]);
  table.setFixed([{ mac: macBytes(B), owner: 2 }]);
  assertEquals([table.lookup(view(A), 0), table.lookup(view(B), 0)], [NOBODY, 2 | FIXED]);
  assertEquals(table.learn(view(A), 0, 0), LEARN.learned);
});

Deno.test("what a peer has told is forgotten when it leaves, and nothing else", () => {
  const table = fresh();
  table.setFixed([{ mac: macBytes(B), owner: 1 }]);
  for (let n = 1_000; n < 1_200; n++) table.learn(view(number(n)), 0, n % 2);
  table.forgetPeer(1);
  assertEquals(table.learned, 100);
  assertEquals(table.lookup(view(number(1_001)), 0), NOBODY);
  assertEquals(table.lookup(view(number(1_002)), 0), 0);
  assertEquals(table.lookup(view(B), 0), 1 | FIXED);
});

Deno.test("200,000 random steps agree with the oracle", () => {
  const dice = random(0x3ac);
  const reached: Record<string, number> = {};
  for (const [addresses, peers, fast] of [[40, 3, false], [6000, 4, true], [9000, 1, true]]) {
    const table = fresh(dice.u32());
    const oracle = new MacOracle();
    const fixed = [1, 2, 3].map((n) => ({ mac: macBytes(number(n)), owner: n === 3 ? SELF : n }));
    table.setFixed(fixed);
    for (const { mac, owner } of fixed) oracle.fixed.set(formatMac(mac), owner);
    const steps = fast ? 20_000 : 160_000;
    for (let step = 0; step < steps; step++) {
      const mac = number(dice.below(addresses as number));
      const peer = dice.below(peers as number);
      const at = view(mac);
      if (dice.below(fast ? 2000 : 20) === 0) {
        oracle.now_s += 1 + dice.below(120);
        table.tick(oracle.now_s);
      }
      const owner = table.lookup(at, 0);
      assertEquals(owner & ~FIXED, oracle.lookup(mac) & ~FIXED, mac);
      if (dice.below(10) === 0) {
        assertEquals(table.forget(at, 0), oracle.forget(mac));
        reached.forget = (reached.forget ?? 0) + 1;
      } else {
        const result = table.learn(at, 0, peer);
        const expected = oracle.learn(mac, peer);
        assertEquals(result, LEARN[expected as keyof typeof LEARN], `${step}: ${mac} ${expected}`);
        reached[expected] = (reached[expected] ?? 0) + 1;
      }
    }
    assertEquals(table.learned, oracle.entries.size);
    const live = [...oracle.entries].filter(([mac]) => oracle.lookup(mac) >= 0).map(([mac]) => mac);
    const listed = table.entries().filter((entry) => !entry.fixed).map(({ mac }) => formatMac(mac));
    assertEquals(listed.sort(), live.sort());
  }
  for (const outcome of ["learned", "known", "moved", "elsewhere", "full", "forget"]) {
    assert((reached[outcome] ?? 0) > 50, `${outcome}: ${JSON.stringify(reached)}`);
  }
});

Deno.test("a reader in another thread never sees half of an entry", async () => {
  // The owner follows from the address: a torn read would show another one.
  const memory = new SharedArrayBuffer(MAC_TABLE_BYTES);
  const table = new MacTable(memory);
  table.reset(3);
  const worker = new Worker(new URL("./reader_worker.ts", import.meta.url), { type: "module" });
  const stop = new SharedArrayBuffer(4);
  const answer = Promise.withResolvers<{ wrong: number; found: number; looked: number }>();
  const reading = Promise.withResolvers<void>();
  worker.onmessage = ({ data }) => data === "reading" ? reading.resolve() : answer.resolve(data);
  worker.onerror = (event) => answer.reject(new Error(event.message));
  worker.postMessage({ memory, stop });
  await reading.promise;
  const bytes = macBytes(A);
  const at = new DataView(bytes.buffer);
  for (let step = 0; step < 3_000_000; step++) {
    const n = step % 64;
    bytes[5] = n;
    if ((step & 64) === 0) table.learn(at, 0, n % 7);
    else table.forget(at, 0);
  }
  Atomics.store(new Int32Array(stop), 0, 1);
  const { wrong, found, looked } = await answer.promise;
  worker.terminate();
  assertEquals(wrong, 0);
  assert(found > 1000 && looked > 10_000, `found ${found} of ${looked}`);
});
