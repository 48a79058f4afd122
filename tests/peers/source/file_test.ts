import { assertEquals } from "../../assert.ts";
import { ConfigError, RunError } from "../../../src/base/errors.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { FileSource } from "../../../src/peers/source/file.ts";
import { InlineSource } from "../../../src/peers/source/inline.ts";
import type { MembersDiff } from "../../../src/peers/source/source.ts";
import { logged } from "../../fakes/peers.ts";

const yaml = (nodes: Readonly<Record<string, string>>, more = "") =>
  `${more}nodes:\n` +
  Object.entries({ self: "10.0.0.1", ...nodes }).map(([name, address]) =>
    `  - {name: ${name}, address: ${address}, subnets: []}\n`
  ).join("");

const KEY = new Uint8Array(32).fill(7).toBase64();

function setup(nodes: Readonly<Record<string, string>>) {
  const { log, lines } = logged();
  const file = { text: yaml(nodes) };
  const read = () => {
    const loaded = parseConfig(file.text, "t.yaml");
    const self = loaded.config.nodes[0]!;
    return { loaded, self, endpoint: self.endpoint };
  };
  const { loaded: { config }, ...rest } = read();
  // As a promise even where the text is bad.
  const load = () => Promise.resolve().then(read);
  const source = new FileSource({ config, ...rest }, load, log);
  const diffs: MembersDiff[] = [];
  const state = { failure: undefined as Error | undefined };
  source.watch((diff) => {
    if (state.failure) return Promise.reject(state.failure);
    diffs.push(diff);
    return Promise.resolve();
  });
  return { source, file, diffs, state, lines };
}

const short = ({ added, changed, removed }: MembersDiff) => [
  added.map(({ name }) => name),
  changed.map(({ name }) => name),
  removed,
];

Deno.test("file source: what has changed since the last reading that was taken over", async () => {
  const { source, file, diffs, lines } = setup({ b: "10.0.0.2", c: "10.0.0.3" });
  assertEquals((await source.reload()).lines, ["reloaded t.yaml: nothing has changed"]);
  file.text = yaml({ b: "10.0.0.9", d: "10.0.0.4" });
  assertEquals((await source.reload()).lines, ["reloaded t.yaml: added d; removed c; changed b"]);
  assertEquals((await source.reload()).lines, ["reloaded t.yaml: nothing has changed"]);
  assertEquals(diffs.map(short), [[[], [], []], [["d"], ["b"], ["c"]], [[], [], []]]);
  assertEquals(lines.length, 3);
});

Deno.test("file source: what cannot change stays, and is told", async () => {
  const { source, file, diffs } = setup({ b: "10.0.0.2" });
  file.text = yaml({ b: "10.0.0.2" }, "device: other\n");
  const { ok, lines } = await source.reload();
  assertEquals([ok, lines.length, diffs[0]!.config.device], [true, 2, "tunnet0"]);
});

Deno.test("file source: a reading that fails changes nothing", async (t) => {
  const cases:
    readonly (readonly [name: string, text: string, failure: Error | undefined, RegExp])[] = [
      ["a bad file", "nodes: 5\n", undefined, /t\.yaml: line 1: nodes: "5", not a list/],
      ["the other mode", yaml({ b: "10.0.0.2" }, "mode: tap\n"), undefined, /is for mode tap/],
      [
        "another port",
        yaml({ b: "10.0.0.2" }, "port: 4000\n"),
        undefined,
        /^the config says port 4000 \(this node listens on 3009, and the port cannot change while it runs\); try: a restart$/,
      ],
      [
        "keys",
        yaml({ b: "10.0.0.2" }, "allow_plain: true\n").replace(
          "subnets",
          `public_key: "${KEY}", subnets`,
        ),
        undefined,
        /^the config has keys now \(a node seals or does not for as long as it runs\); try: a restart$/,
      ],
      ["who follows cannot", yaml({}), new RunError({ what: "no room" }), /no room/],
      ["a bug", yaml({}), new TypeError("x is undefined"), /this is a bug in tunnet: x/],
    ];
  for (const [name, text, failure, expected] of cases) {
    await t.step(name, async () => {
      const { source, file, diffs, state } = setup({ b: "10.0.0.2" });
      Object.assign(file, { text });
      state.failure = failure;
      const outcome = await source.reload();
      const exitCode = name === "a bad file" ? new ConfigError([]).exitCode : 1;
      assertEquals([outcome.ok, outcome.exitCode], [false, exitCode]);
      assertEquals([expected.test(outcome.lines[0]!), diffs], [true, []]);
      file.text = yaml({ c: "10.0.0.3" });
      state.failure = undefined;
      await source.reload();
      assertEquals(
        diffs.map(short),
        [[["c"], [], ["b"]]],
        "it still counts from what was taken over",
      );
    });
  }
});

Deno.test("inline source: there is nothing to reload", async () => {
  assertEquals(await new InlineSource("command line").reload(), {
    ok: false,
    exitCode: 1,
    lines: ["there is nothing to reload (the config: command line)"],
  });
});
