/** tunnet: arguments -> command -> exit status. Everything else is in src/. */

import { type Command, parseCommand } from "./src/cli/parse/args.ts";
import { check } from "./src/cli/check.ts";
import { doctor } from "./src/cli/doctor.ts";
import { runDump } from "./src/cli/dump.ts";
import { loadHere, selfIfKnown } from "./src/cli/here.ts";
import { commandHelp, programHelp } from "./src/cli/help.ts";
import { STARTER_CONFIG } from "./src/cli/init.ts";
import { runLab } from "./src/cli/lab.ts";
import type { Output } from "./src/cli/output.ts";
import { reload } from "./src/cli/reload.ts";
import { route } from "./src/cli/route.ts";
import { setup } from "./src/cli/setup.ts";
import { runStatus } from "./src/cli/status.ts";
import { runUp } from "./src/cli/up.ts";
import { findSelf } from "./src/config/self.ts";
import { ConfigError, EXIT, RunError, UsageError } from "./src/base/errors.ts";
import { VERSION } from "./src/base/version.ts";

/** The build puts this file beside the program. */
const LANE_WORKER_URL = new URL("./src/node/lane_worker.ts", import.meta.url).href;

function write(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) write(Deno.stderr, `tunnet: warn: ${warning}\n`);
}

async function run(command: Command): Promise<number> {
  const show = ({ stdout, exitCode }: Output): number => {
    write(Deno.stdout, stdout);
    return exitCode;
  };
  switch (command.kind) {
    case "up":
      return await runUp(command.options, LANE_WORKER_URL);
    case "check": {
      const here = await loadHere(command.options);
      warn(here.loaded.warnings);
      const self = selfIfKnown(here, command.options.node);
      return show(check(here.loaded, self, command.options.json));
    }
    case "route": {
      const { address, node, json } = command.options;
      const here = await loadHere(command.options);
      warn(here.loaded.warnings);
      return show(route(here.loaded, address, selfIfKnown(here, node), json));
    }
    case "status":
      return await runStatus(command.options);
    case "reload": {
      const { stdout, stderr, exitCode } = await reload(command.options);
      write(Deno.stderr, stderr);
      return show({ stdout, exitCode });
    }
    case "lab":
      return await runLab(command.options);
    case "dump":
      return await runDump(command.options);
    case "init":
      return show({ stdout: STARTER_CONFIG, exitCode: 0 });
    case "setup": {
      const { what, undo, node } = command.options;
      const { loaded, view } = await loadHere(command.options);
      warn(loaded.warnings);
      return show(setup(what, { loaded, self: findSelf(loaded, view, node), undo }));
    }
    case "doctor": {
      const here = await loadHere(command.options);
      warn(here.loaded.warnings);
      return show(await doctor(here, command.options));
    }
    case "version":
      return show({ stdout: `tunnet ${VERSION}\n`, exitCode: 0 });
    case "help": {
      const text = command.command ? commandHelp(command.command) : programHelp();
      if (command.asked) return show({ stdout: text, exitCode: 0 });
      write(Deno.stderr, text);
      return EXIT.usage;
    }
  }
}

/** Prints an error the user can act on; anything else is a bug of ours and says so. */
function report(error: unknown): number {
  const known = error instanceof ConfigError || error instanceof RunError ||
    error instanceof UsageError;
  if (!known) {
    const what = error instanceof Error ? error.stack ?? error.message : String(error);
    write(
      Deno.stderr,
      `tunnet: error: this is a bug in tunnet ${VERSION}, please report it:\n${what}\n`,
    );
    return EXIT.failed;
  }
  for (const line of error.message.split("\n")) write(Deno.stderr, `tunnet: error: ${line}\n`);
  return error.exitCode;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(parseCommand(args));
  } catch (error) {
    // Whoever read our output has gone (`tunnet route ... | head`): not an error of ours.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    return report(error);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
