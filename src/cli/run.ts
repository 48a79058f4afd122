/** Arguments -> command -> exit status. */

import { ConfigError, EXIT, RunError, UsageError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { runCheck } from "./check.ts";
import type { CommandName, CommandOf, Options } from "./commands.ts";
import { completionScript } from "./completion.ts";
import { runDoctor } from "./doctor.ts";
import { runDump } from "./dump.ts";
import { commandHelp, programHelp } from "./help.ts";
import { manPage } from "./man.ts";
import { topicText } from "./topics.ts";
import { runEtcd } from "./etcd.ts";
import { runInit } from "./init.ts";
import { runKey } from "./key.ts";
import { runLab } from "./lab.ts";
import { complain, say } from "./output.ts";
import { type Command, parseCommand } from "./parse/command_line.ts";
import { runReload } from "./reload.ts";
import { runRoute } from "./route.ts";
import { runSetup } from "./setup.ts";
import { runStatus } from "./status.ts";
import { runPcap, runTrace } from "./packets.ts";
import { runUp } from "./up.ts";

/** What runs each command; resolves to the exit status. `workerUrl` is the Workers' module. */
const RUN: {
  readonly [N in CommandName]: (
    options: Options[N],
    workerUrl: string,
  ) => number | Promise<number>;
} = {
  up: runUp,
  check: runCheck,
  route: runRoute,
  status: runStatus,
  reload: runReload,
  lab: runLab,
  dump: runDump,
  trace: runTrace,
  pcap: runPcap,
  key: runKey,
  etcd: runEtcd,
  init: runInit,
  setup: runSetup,
  doctor: runDoctor,
  completion: ({ shell }) => {
    say(completionScript(shell));
    return 0;
  },
};

function dispatch<N extends CommandName>({ kind, options }: CommandOf<N>, workerUrl: string) {
  return RUN[kind](options, workerUrl);
}

function help({ command, topic, asked }: Extract<Command, { kind: "help" }>): number {
  const text = topic === "man"
    ? manPage()
    : topic
    ? topicText(topic)
    : command
    ? commandHelp(command)
    : programHelp();
  if (asked) say(text);
  else complain(text);
  return asked ? 0 : EXIT.usage;
}

/** Prints an error the user can act on; anything else is a bug of ours and says so. */
function report(error: unknown): number {
  const known = error instanceof ConfigError || error instanceof RunError ||
    error instanceof UsageError;
  if (!known) {
    const what = error instanceof Error ? error.stack ?? error.message : String(error);
    complain(`tunnet: error: this is a bug in tunnet ${VERSION}, please report it:\n${what}\n`);
    return EXIT.failed;
  }
  for (const line of error.message.split("\n")) complain(`tunnet: error: ${line}\n`);
  return error.exitCode;
}

/** Runs the command line to its end; resolves to the exit status. */
export async function runCommandLine(
  args: readonly string[],
  workerUrl: string,
): Promise<number> {
  try {
    const command = parseCommand(args);
    if (command.kind === "help") return help(command);
    if (command.kind === "version") {
      say(`tunnet ${VERSION}\n`);
      return 0;
    }
    return await dispatch(command, workerUrl);
  } catch (error) {
    // Whoever read our output has gone (`tunnet route ... | head`): not an error of ours.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    return report(error);
  }
}
