/** How to start this very program once more. */

import { type Typed, typedWords } from "../tools/lab/hints.ts";

/** Set by the portable executable: its own path (the running binary is then deno itself). */
const EXECUTABLE_VARIABLE = "TUNNET_EXE";

/** Set by sudo: the user who called it. */
const SUDO_VARIABLE = "SUDO_UID";

/** Path of the executable; undefined when the program runs from its sources. */
function executablePath(): string | undefined {
  return Deno.env.get(EXECUTABLE_VARIABLE) ?? (Deno.build.standalone ? Deno.execPath() : undefined);
}

/** What the user types to start tunnet again. */
export function typedCommand(): Typed {
  return typedWords({
    executable: executablePath(),
    deno: Deno.execPath(),
    denoVersion: Deno.version.deno,
    directory: Deno.cwd(),
    sudo: Deno.env.get(SUDO_VARIABLE) !== undefined,
  });
}

/** The words that start tunnet again, to be followed by its arguments. */
export function selfCommand(): readonly string[] {
  const executable = executablePath();
  if (executable) return [executable];
  return [Deno.execPath(), "run", "-A", "--no-prompt", new URL(Deno.mainModule).pathname];
}
