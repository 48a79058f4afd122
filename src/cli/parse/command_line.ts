/** The command line to a command. Pure: touches neither files nor the system. */

import { nearest } from "../../base/text.ts";
import { quote } from "../../config/values.ts";
import { COMMAND_NAMES, type CommandName, type CommandOf, COMMANDS } from "../commands.ts";
import { isTopic, type Topic, TOPICS } from "../topics.ts";
import { readArguments, unknownFlag } from "./arguments.ts";
import { fail } from "./flag.ts";

/** What the user asked for. */
export type Command =
  | CommandOf
  | { readonly kind: "version" }
  /** Help of a command, or of the program; `asked` is false for a bare `tunnet`: exit status 2. */
  | {
    readonly kind: "help";
    readonly command?: CommandName;
    /** A topic of the reference, or the manual page. */
    readonly topic?: Topic | "man";
    readonly asked: boolean;
  };

const GENERAL_HELP = "tunnet --help";

function isCommandName(word: string): word is CommandName {
  return (COMMAND_NAMES as readonly string[]).includes(word);
}

/** Words that other programs know, and what does it here. */
const HABITS: Readonly<Record<string, string>> = {
  down: "Ctrl-C where it runs, or: sudo systemctl stop tunnet",
  stop: "Ctrl-C where it runs, or: sudo systemctl stop tunnet",
  start: "sudo tunnet --peer",
  restart: "sudo tunnet reload, or: sudo systemctl restart tunnet",
  ping: "sudo tunnet status, which shows every peer's round trip; or ping a pod",
  peers: "sudo tunnet status",
  ls: "sudo tunnet status",
  list: "sudo tunnet status",
  show: "sudo tunnet status",
  logs: "journalctl -u tunnet",
  log: "journalctl -u tunnet",
};

function unknownCommand(word: string): never {
  if (Object.hasOwn(HABITS, word)) {
    fail({ what: `unknown command ${quote(word)}`, how: HABITS[word]! });
  }
  const near = nearest(word, [...COMMAND_NAMES, "help"]);
  return fail({
    what: `unknown command ${quote(word)}`,
    why: near && `did you mean ${quote(near)}?`,
    how: GENERAL_HELP,
  });
}

function unknownTopic(word: string): never {
  const near = nearest(word, [...COMMAND_NAMES, ...TOPICS]);
  return fail({
    what: `there is no help on ${quote(word)}`,
    why: near && `did you mean ${quote(near)}?`,
    how: "tunnet help",
  });
}

function parseCommandArgs(kind: CommandName, args: readonly string[]): Command {
  const command = COMMANDS[kind];
  const given = readArguments(args, command);
  if (command.asksHelp(given)) return { kind: "help", command: kind, asked: true };
  return { kind, options: command.options(given) } as CommandOf;
}

function help(args: readonly string[]): Command {
  const [topic, surplus] = args;
  if (surplus !== undefined) {
    fail({ what: `${quote(surplus)} is one argument too many`, how: "tunnet help COMMAND|TOPIC" });
  }
  if (topic === undefined || topic === "help" || /^(-h|--help)$/.test(topic)) {
    return { kind: "help", asked: true };
  }
  if (topic === "--man") return { kind: "help", topic: "man", asked: true };
  if (isTopic(topic)) return { kind: "help", topic, asked: true };
  const command = topic === "--peer" ? "up" : topic;
  if (!isCommandName(command)) unknownTopic(topic);
  return { kind: "help", command, asked: true };
}

/**
 * Reads the arguments after the program's name. Throws UsageError for anything
 * that is not exactly a command with its flags.
 */
export function parseCommand(args: readonly string[]): Command {
  const [first, ...rest] = args;
  if (first === undefined) return { kind: "help", asked: false };
  if (first === "help") return help(rest);
  if (["--version", "-V", "version"].includes(first)) {
    if (rest.length === 0) return { kind: "version" };
    fail({ what: `${quote(rest[0]!)} is one argument too many`, how: "tunnet --version" });
  }
  if (isCommandName(first)) return parseCommandArgs(first, rest);
  if (!first.startsWith("-")) unknownCommand(first);
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  if (flags.some((arg) => arg === "--peer" || arg.startsWith("--peer="))) {
    return parseCommandArgs("up", args);
  }
  if (first === "--help" || first === "-h") return help(rest);
  if (first === "-v") fail({ what: 'unknown flag "-v"', how: "tunnet --version" });
  const name = first.replace(/=.*$/s, "");
  const ofUp = COMMANDS.up.flags.flatMap((flag) => [`--${flag.name}`, `-${flag.short}`]);
  if (ofUp.includes(name)) {
    const command = args.find(isCommandName);
    const others = args.filter((arg) => arg !== command);
    fail({
      what: `${quote(name)} comes before the command`,
      how: ["tunnet", command ?? "--peer", ...others].join(" "),
    });
  }
  return unknownFlag(first, ["peer", "help", "version"], GENERAL_HELP);
}
