import { assert, assertEquals, assertThrows } from "../../assert.ts";
import { STATUS_SCHEMA } from "../../../src/status/model/schema.ts";
import { validate } from "./json_schema.ts";
import { statusOf } from "../parts.ts";

type Tree = Record<string, unknown>;

/** Paths of all members of an object; of lists, of the first element. */
function paths(value: unknown, at: readonly (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value)) return value.length > 0 ? paths(value[0], [...at, 0]) : [];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, member]) => [
    [...at, key],
    ...paths(member, [...at, key]),
  ]);
}

/** A copy in which the member at the path is changed. */
function changed(
  value: unknown,
  path: readonly (string | number)[],
  change: (parent: Tree, key: string) => void,
) {
  const copy = structuredClone(value) as Tree;
  let parent = copy;
  for (const key of path.slice(0, -1)) parent = parent[key] as Tree;
  change(parent, String(path[path.length - 1]));
  return copy;
}

Deno.test("schema: takes a status, and one with more fields", () => {
  const status = statusOf();
  assertEquals(validate(status, STATUS_SCHEMA), []);
  assertEquals(validate({ ...status, later: 1 }, STATUS_SCHEMA), []);
});

Deno.test("schema: misses every field that is left out, and sees every one of the wrong type", () => {
  const status = statusOf();
  const all = paths(status);
  assert(all.length > 80, `${all.length} fields`);
  for (const path of all) {
    const name = path.join(".");
    const inDrops = ["drops", "events"].includes(String(path[path.length - 2]));
    const without = changed(status, path, (parent, key) => delete parent[key]);
    // Which reasons there are is not fixed by the format.
    if (!inDrops) assert(validate(without, STATUS_SCHEMA).length > 0, `${name} may be missing`);
    const strange = changed(status, path, (parent, key) => parent[key] = { strange: [] });
    assert(validate(strange, STATUS_SCHEMA).length > 0, `${name} may be anything`);
  }
});

const WRONG: readonly [name: string, path: (string | number)[], value: unknown][] = [
  ["another format", ["format"], "tunnet-status/2"],
  ["a state of no peer", ["peers", 0, "state"], "asleep"],
  ["a loss over 1", ["peers", 0, "loss"], 1.5],
  ["a negative count", ["outbound", "packets"], -1],
  ["half a packet", ["inbound", "packets"], 0.5],
  ["a time that is none", ["time"], "yesterday"],
  ["a port too high", ["peers", 0, "port"], 65_536],
  ["a reason with a space", ["inbound", "drops", "no route"], 1],
  ["a subnet that is no text", ["node", "subnets", 0], 1],
];

for (const [name, path, value] of WRONG) {
  Deno.test(`schema: refuses ${name}`, () => {
    const wrong = changed(statusOf(), path, (parent, key) => parent[key] = value);
    assertEquals(validate(wrong, STATUS_SCHEMA).length, 1);
  });
}

Deno.test("schema: the validator refuses a keyword that it does not know", () => {
  assertThrows(
    () => validate(1, { type: "number", exclusiveMinimum: 0 }),
    Error,
    "exclusiveMinimum",
  );
});
