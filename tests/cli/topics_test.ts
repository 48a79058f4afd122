/** The reference, the manual page and the completions, each read by the program that it is for. */

import { manPage } from "../../src/cli/man.ts";
import { completionScript } from "../../src/cli/completion.ts";
import { COMMAND_NAMES, COMMANDS, SHELLS } from "../../src/cli/commands.ts";
import { TOPICS, topicSummary, topicText } from "../../src/cli/topics.ts";
import { DROPS } from "../../src/forwarding/counters.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";

/** Whether the program is on this machine. */
function has(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((dir) => {
    try {
      return Deno.statSync(`${dir}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

async function run(program: string, args: readonly string[], stdin: string) {
  const child = new Deno.Command(program, {
    args: [...args],
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("topics: each has a heading, fits a terminal, and fits the rest of the help", () => {
  for (const topic of TOPICS) {
    assert(topicSummary(topic).length <= 80, topic);
    assert(topicText(topic).endsWith("\n"));
    for (const line of topicText(topic).split("\n")) {
      assert(line.length <= 100, `${topic}: ${line}`);
    }
    for (const [, other] of topicText(topic).matchAll(/`tunnet help ([a-z-]+)`/g)) {
      assert((TOPICS as readonly string[]).includes(other!), `${topic} names ${other}`);
    }
  }
});

Deno.test("topics: drops has the name of every drop", () => {
  for (const name of DROPS) assertStringIncludes(topicText("drops"), `\`${name}\``);
});

Deno.test({
  name: "manual page: groff reads it without a warning",
  ignore: !has("groff"),
  async fn() {
    const { code, stdout, stderr } = await run(
      "groff",
      ["-man", "-ww", "-Tutf8", "-P-c"],
      manPage(),
    );
    assertEquals([code, stderr], [0, ""]);
    // Bold and underlined by overstriking.
    // deno-lint-ignore no-control-regex
    const text = stdout.replaceAll(/.\x08/g, "");
    for (const name of COMMAND_NAMES) assertStringIncludes(text, `tunnet ${COMMANDS[name].usage}`);
    assertStringIncludes(text, "--hello-interval TIME");
  },
});

for (const shell of SHELLS) {
  Deno.test({
    name: `completion: ${shell} takes the script`,
    ignore: !has(shell),
    async fn() {
      const { code, stderr } = await run(shell, ["-n"], completionScript(shell));
      assertEquals([code, stderr], [0, ""]);
    },
  });
}

const COMPLETED: readonly (readonly [typed: string, words: readonly string[]])[] = [
  ["tunnet rel", ["reload"]],
  ["tunnet --v", ["--version"]],
  ["tunnet status --js", ["--json"]],
  ["tunnet --peer --mo", ["--mode"]],
  ["tunnet --peer --mode t", ["tun", "tap"]],
  ["tunnet up --watch", ["--watch-config"]],
  ["tunnet help kern", ["kernel-path"]],
  ["tunnet completion f", ["fish"]],
  ["tunnet check -c deno.j", ["deno.json"]],
  ["tunnet check deno.l", ["deno.lock"]],
  ["tunnet status --device x", []],
];

Deno.test({
  name: "completion: what bash's function proposes",
  ignore: !has("bash"),
  async fn() {
    const script = `${completionScript("bash")}
complete_line() {
  COMP_WORDS=($1); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _tunnet; echo "\${COMPREPLY[*]}"
}
${COMPLETED.map(([typed]) => `complete_line '${typed}'\n`).join("")}`;
    const { code, stdout, stderr } = await run("bash", ["-s"], script);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.slice(0, -1).split("\n"), COMPLETED.map(([, words]) => words.join(" ")));
  },
});

Deno.test({
  name: "completion: what fish proposes",
  ignore: !has("fish"),
  async fn() {
    const script = `${completionScript("fish")}
complete -C 'tunnet rel'
complete -C 'tunnet status --js'
complete -C 'tunnet --peer --mode t'
complete -C 'tunnet help kern'
`;
    const { code, stdout, stderr } = await run("fish", ["--no-config"], script);
    assertEquals([code, stderr], [0, ""]);
    const words = stdout.trimEnd().split("\n").map((line) => line.split("\t")[0]);
    assertEquals(words, ["reload", "--json", "tap", "tun", "kernel-path"]);
  },
});
