import { parseCommand } from "../../src/cli/parse/command_line.ts";
import { COMMAND_NAMES, COMMANDS } from "../../src/cli/commands.ts";
import { commandHelp, programHelp } from "../../src/cli/help.ts";
import { VERSION } from "../../src/base/version.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";

const ALL = [programHelp(), ...COMMAND_NAMES.map(commandHelp)];

Deno.test("help: names every command and every flag of each", () => {
  for (const name of COMMAND_NAMES) {
    assertStringIncludes(programHelp(), COMMANDS[name].usage);
    for (const flag of COMMANDS[name].flags) {
      assertStringIncludes(commandHelp(name), `--${flag.name}`);
      assertStringIncludes(commandHelp(name), flag.help.split(" ")[0]!);
    }
  }
});

Deno.test("help: fits a terminal of 100 columns and ends with a newline", () => {
  for (const text of ALL) {
    assert(text.endsWith("\n"));
    for (const line of text.split("\n")) assert(line.length <= 100, line);
  }
});

Deno.test("help: every example is a command line that is accepted", () => {
  for (const name of COMMAND_NAMES) {
    for (const example of COMMANDS[name].examples) {
      const args = example.replace(/^sudo /, "").replace(/ [>|] .*$/, "").split(" ").slice(1);
      assertEquals(parseCommand(args).kind, name, example);
    }
  }
});

Deno.test("version: the same as in deno.json", async () => {
  const text = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  assertEquals(JSON.parse(text).version, VERSION);
});
