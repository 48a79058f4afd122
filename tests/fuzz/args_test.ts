import { parseCommand } from "../../src/cli/parse/command_line.ts";
import { COMMAND_NAMES, COMMANDS } from "../../src/cli/commands.ts";
import { UsageError } from "../../src/base/errors.ts";
import { assert } from "../assert.ts";
import { fuzzMultiplier, type Random, random } from "./random.ts";

const FLAGS = [
  ...new Set(COMMAND_NAMES.flatMap((name) => COMMANDS[name].flags.map((flag) => `--${flag.name}`))),
];
const WORDS = [
  ...COMMAND_NAMES,
  ...FLAGS,
  "-c",
  "-h",
  "-",
  "--",
  "---",
  "",
  "=",
  "--=",
  "-=",
  "--peer=",
  "-ch",
  "-c=x",
  "--no-",
  "--no-json",
  "--a.b.c=1",
  "--__proto__.x=1",
  "--constructor.prototype.x",
  "true",
  "false",
  "3",
  "1e3",
  "172.2.0.0/16=10.0.0.2",
  "172.2.0.9",
  "\n",
  "\0",
];

function argument(rng: Random): string {
  switch (rng.below(6)) {
    case 0:
      return `${rng.pick(FLAGS)}=${rng.pick(WORDS)}`;
    case 1: {
      const word = rng.pick(WORDS);
      const at = rng.below(word.length + 1);
      return word.slice(0, at) + String.fromCharCode(rng.below(256)) +
        word.slice(at + rng.below(2));
    }
    default:
      return rng.pick(WORDS);
  }
}

Deno.test("fuzz: 50,000 random command lines end in a command or one line of UsageError", () => {
  const count = Math.ceil(50_000 * fuzzMultiplier());
  const rng = random(0xa465);
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const args = Array.from({ length: rng.below(5) }, () => argument(rng));
    try {
      const command = parseCommand(args);
      assert([...COMMAND_NAMES, "version", "help"].includes(command.kind));
      accepted++;
    } catch (error) {
      if (!(error instanceof UsageError) || error.message.includes("\n")) {
        throw new Error(`input ${i}: ${JSON.stringify(args)}`, { cause: error });
      }
    }
  }
  assert(accepted > count / 100, `${accepted} of ${count} accepted`);
  assert(!("x" in {}));
});
