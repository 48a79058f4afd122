import { assertEquals, assertThrows } from "../../assert.ts";
import { type Entry, MapMirror } from "../../../src/kernel_path/maps/mirror.ts";
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

Deno.test("map mirror: only what differs is changed, and the new comes before the old goes", () => {
  const map = new FakeMap();
  const mirror = new MapMirror(map);
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

Deno.test("map mirror: what went in before a map was full is known", () => {
  const map = new FakeMap(2);
  const mirror = new MapMirror(map);
  assertThrows(() => mirror.replace([entry(1, 1), entry(2, 2), entry(3, 3)]), Error, "full");
  mirror.replace([entry(2, 7)]);
  assertEquals([...map.entries], [["2", "7"]]);
});

Deno.test("map mirror: 500 lists in a row, each is what the map holds", () => {
  const { below } = random(7);
  const map = new FakeMap();
  const mirror = new MapMirror(map);
  for (let i = 0; i < 500; i++) {
    const wanted = new Map<number, number>();
    for (let n = below(20); n > 0; n--) wanted.set(below(30), below(4));
    mirror.replace([...wanted].map(([key, value]) => entry(key, value)));
    assertEquals(new Map(map.entries), new Map([...wanted].map(([k, v]) => [`${k}`, `${v}`])));
  }
});
