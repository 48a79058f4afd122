import { assertEquals, assertThrows } from "../../assert.ts";
import { type Entry, ListMirror, OwnerMirror } from "../../../src/kernel_path/maps/mirror.ts";
import { random } from "../../fuzz/random.ts";

/** A map of at most so many entries, which notes what is done to it. */
class FakeMap {
  readonly entries = new Map<string, string>();
  readonly changes: string[] = [];

  constructor(readonly room = Infinity) {}

  set(key: Uint8Array, value: Uint8Array): void {
    if (!this.entries.has(`${key}`) && this.entries.size >= this.room) throw new Error("full");
    this.entries.set(`${key}`, `${value}`);
    this.changes.push(`set ${key}`);
  }

  delete(key: Uint8Array): void {
    this.entries.delete(`${key}`);
    this.changes.push(`delete ${key}`);
  }
}

const entry = (key: number, value: number): Entry => [Uint8Array.of(key), Uint8Array.of(value)];

Deno.test("list mirror: only what differs is changed, and the new comes before the old goes", () => {
  const map = new FakeMap();
  const mirror = new ListMirror(map);
  mirror.replace([entry(1, 1), entry(2, 2)]);
  mirror.replace([entry(1, 1), entry(2, 3), entry(4, 4)]);
  mirror.replace([entry(5, 5), entry(4, 4)]);
  mirror.replace([]);
  assertEquals(
    map.changes,
    [
      ...["set 1", "set 2"],
      ...["set 2", "set 4"],
      ...["set 5", "delete 1", "delete 2"],
      ...["delete 5", "delete 4"],
    ].filter((change, i, all) => all.indexOf(change) === i || change.startsWith("set")),
  );
  assertEquals(map.entries.size, 0);
});

Deno.test("list mirror: what went in before a map was full is known", () => {
  const map = new FakeMap(2);
  const mirror = new ListMirror(map);
  assertThrows(() => mirror.replace([entry(1, 1), entry(2, 2), entry(3, 3)]), Error, "full");
  mirror.replace([entry(2, 7)]);
  assertEquals([...map.entries], [["2", "7"]]);
});

Deno.test("list mirror: 500 lists in a row, each is what the map holds", () => {
  const { below } = random(7);
  const map = new FakeMap();
  const mirror = new ListMirror(map);
  for (let i = 0; i < 500; i++) {
    const wanted = new Map<number, number>();
    for (let n = below(20); n > 0; n--) wanted.set(below(30), below(4));
    mirror.replace([...wanted].map(([key, value]) => entry(key, value)));
    assertEquals(new Map(map.entries), new Map([...wanted].map(([k, v]) => [`${k}`, `${v}`])));
  }
});

Deno.test("owner mirror: one owner's change touches its own entry only", () => {
  const map = new FakeMap();
  const mirror = new OwnerMirror(map);
  mirror.assign(1, entry(10, 1));
  mirror.assign(2, entry(20, 2));
  mirror.assign(1, entry(10, 1));
  mirror.assign(1, entry(11, 1));
  mirror.assign(2, undefined);
  mirror.assign(3, undefined);
  assertEquals(map.changes, ["set 10", "set 20", "set 11", "delete 10", "delete 20"]);
});

Deno.test("owner mirror: two owners swap keys, and each keeps its own in the end", () => {
  const map = new FakeMap();
  const mirror = new OwnerMirror(map);
  mirror.assign(1, entry(10, 1));
  mirror.assign(2, entry(20, 2));
  mirror.assign(1, entry(20, 1));
  mirror.assign(2, entry(10, 2));
  assertEquals([...map.entries].sort(), [["10", "2"], ["20", "1"]]);
});

Deno.test("owner mirror: any sequence of claims leaves what the last ones say", () => {
  const { below } = random(8);
  const map = new FakeMap();
  const mirror = new OwnerMirror(map);
  /** Claims in their order: the naive twin. */
  const claims = new Map<number, readonly [key: number, value: number]>();
  for (let i = 0; i < 5_000; i++) {
    const owner = below(8);
    const claim = below(4) === 0 ? undefined : [below(5), below(3)] as const;
    mirror.assign(owner, claim && entry(...claim));
    if (String(claims.get(owner)) !== String(claim)) claims.delete(owner);
    if (claim) claims.set(owner, claim);
    const expected = new Map([...claims.values()].map(([key, value]) => [`${key}`, `${value}`]));
    assertEquals(new Map(map.entries), expected, `step ${i}`);
  }
});
