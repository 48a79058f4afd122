/** How to start this very program once more. */

/** Set by the portable executable: its own path (the running binary is then deno itself). */
const EXECUTABLE_VARIABLE = "TUNNET_EXE";

/** The words that start tunnet again, to be followed by its arguments. */
export function selfCommand(): readonly string[] {
  const executable = Deno.env.get(EXECUTABLE_VARIABLE);
  if (executable) return [executable];
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "-A", "--no-prompt", new URL(Deno.mainModule).pathname];
}
