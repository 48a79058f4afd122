/** Runs other programs to their end. */

import { RunError } from "./errors.ts";

/** What a program printed, and how it ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; undefined where it is not on this host. */
export async function runIfThere(
  program: string,
  args: readonly string[],
): Promise<Ran | undefined> {
  try {
    const command = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Runs a program to its end. Throws a RunError where it is not on this host. */
export async function runProgram(program: string, args: readonly string[]): Promise<Ran> {
  const ran = await runIfThere(program, args);
  if (ran) return ran;
  throw new RunError({ what: `${program} cannot be run`, why: "it is not on this host" });
}
