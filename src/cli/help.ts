/** Help texts, made from the table of commands. Pure. */

import { COMMAND_NAMES, type CommandName, COMMANDS } from "./commands.ts";
import { valueTerm } from "./parse/arguments.ts";
import { TOPICS, topicSummary } from "./topics.ts";
import type { Flag } from "./parse/flag.ts";

const WIDTH = 100;

/** Breaks words into lines that fit beside an indentation. */
function wrap(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Two columns: terms, and what they mean. */
function columns(rows: readonly (readonly [term: string, meaning: string])[]): string {
  const indent = Math.max(...rows.map(([term]) => term.length)) + 4;
  return rows.map(([term, meaning]) => {
    const lines = wrap(meaning, indent);
    return `  ${term}`.padEnd(indent) + lines.join(`\n${" ".repeat(indent)}`) + "\n";
  }).join("");
}

function flagTerm(flag: Flag<unknown>): string {
  const short = flag.short ? `-${flag.short}, ` : "    ";
  return `${short}--${flag.name}${flag.value ? ` ${valueTerm(flag)}` : ""}`;
}

/** The program's help. */
export function programHelp(): string {
  return "tunnet joins the pods of several nodes into one flat network: IP packets in UDP.\n\n" +
    "Usage: tunnet COMMAND [FLAGS]\n\n" +
    columns([
      ...COMMAND_NAMES.map((name) => [COMMANDS[name].usage, COMMANDS[name].summary] as const),
      ["help [COMMAND|TOPIC]", "show the help of a command (as COMMAND --help does), or a topic"],
      ["help --man", "print the manual page: tunnet help --man | man -l -"],
    ]) +
    "\nTopics:\n" +
    columns(TOPICS.map((topic) => [topic, topicSummary(topic)] as const)) +
    "\n" +
    columns([["-h, --help", "show this help"], ["-V, --version", "show the version"]]) +
    "\nTry it: sudo tunnet lab\n";
}

/** The help of one command. */
export function commandHelp(name: CommandName): string {
  const command = COMMANDS[name];
  const { positional, notes = [] } = command;
  return `tunnet ${command.usage} [FLAGS]\n\n` +
    wrap(`${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`, 0).join("\n") +
    "\n\n" +
    columns([
      ...(positional ? [[`    ${positional.name}`, positional.help] as const] : []),
      ...command.flags.map((flag) => [flagTerm(flag), flag.help] as const),
    ]) +
    (notes.length > 0 ? `\n${notes.map((note) => wrap(note, 0).join("\n") + "\n").join("")}` : "") +
    `\nExamples:\n${command.examples.map((line) => `  ${line}\n`).join("")}`;
}
