/** The manual page (man(7)), made from the table of commands. Pure. */

import { VERSION } from "../base/version.ts";
import { COMMAND_NAMES, COMMANDS } from "./commands.ts";
import { valueTerm } from "./parse/arguments.ts";
import type { Flag } from "./parse/flag.ts";
import { TOPICS, topicSummary } from "./topics.ts";

/** Text as roff has it: no escape, no request at the start of a line, and dashes that can be copied. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/gm, "\\&$&");
}

const bold = (text: string) => `\\fB${roff(text)}\\fR`;
const entry = (term: string, meaning: string) => `.TP\n${term}\n${roff(meaning)}\n`;

function flagTerm(flag: Flag<unknown>): string {
  const value = flag.value ? ` \\fI${roff(valueTerm(flag))}\\fR` : "";
  return `${flag.short ? `${bold(`-${flag.short}`)}, ` : ""}${bold(`--${flag.name}`)}${value}`;
}

/** The whole page, to be read by `man -l`. */
export function manPage(): string {
  const commands = COMMAND_NAMES.map((name) => {
    const { usage, summary, positional, flags, notes = [], examples } = COMMANDS[name];
    return `.SS tunnet ${roff(usage)}\n${roff(summary[0]!.toUpperCase() + summary.slice(1))}.\n` +
      (positional ? entry(`\\fI${roff(positional.name)}\\fR`, positional.help) : "") +
      flags.map((flag) => entry(flagTerm(flag), flag.help)).join("") +
      notes.map((note) => `.PP\n${roff(note)}\n`).join("") +
      `.PP\nExamples:\n.PP\n.nf\n${examples.map((line) => roff(line) + "\n").join("")}.fi\n`;
  });
  return `.TH TUNNET 8 "" "tunnet ${roff(VERSION)}" "System administration"
.SH NAME
tunnet \\- joins the pods of several hosts into one flat IP network
.SH SYNOPSIS
.B tunnet
.I COMMAND
.RI [ FLAGS ]
.SH DESCRIPTION
Each node runs \\fBtunnet \\-\\-peer\\fR with the same tunnet.yaml. Packets between pods travel in UDP
datagrams (port 3009), which are neither encrypted nor authenticated. \\fBtunnet help\\fR
.I TOPIC
has the reference.
.SH COMMANDS
${commands.join("")}.SH TOPICS
${TOPICS.map((topic) => entry(bold(`tunnet help ${topic}`), topicSummary(topic))).join("")}.SH FILES
${entry("\\fI./tunnet.yaml\\fR, \\fI/etc/tunnet/tunnet.yaml\\fR", "the config")}${
    entry("\\fI/run/tunnet/DEVICE.sock\\fR", "the status socket of a running node")
  }.SH EXIT STATUS
0 done, 1 failed while running, 2 bad usage or bad config.
`;
}
