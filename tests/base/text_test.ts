import { editDistance, nearest } from "../../src/base/text.ts";
import { assertEquals } from "../assert.ts";

Deno.test("editDistance", () => {
  for (
    const [a, b, distance] of [
      ["", "", 0],
      ["", "abc", 3],
      ["abc", "", 3],
      ["check", "chek", 1],
      ["port", "prot", 1],
      ["kitten", "sitting", 3],
      ["network", "newtork", 1],
    ] as const
  ) assertEquals(editDistance(a, b), distance, `${a} ${b}`);
});

Deno.test("nearest: slips and cut words, nothing far-fetched", () => {
  const words = ["network", "port", "device", "mode", "mtu", "nodes", "default"];
  for (
    const [word, guess] of [
      ["netwrok", "network"],
      ["PORT", "port"],
      ["prot", "port"],
      ["devices", "device"],
      ["node", "nodes"],
      ["def", "default"],
      ["networks", "network"],
      ["colour", undefined],
      ["p", undefined],
      ["", undefined],
      ["n".repeat(100), undefined],
    ] as const
  ) assertEquals(nearest(word, words), guess, word);
  assertEquals(nearest("c", ["a", "b"]), undefined);
});
