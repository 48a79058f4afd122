/** Running the tools of the build, each bounded in time. */

/** How a tool ended. */
export interface ToolResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** The deepest cause the tool gave, in one line; empty if it gave none. */
  readonly why: string;
}

/** What a tool is run with. */
export interface ToolOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly clearEnv?: boolean;
  readonly timeout_ms: number;
}

/** Last cause in a tool's complaint: deno numbers them, npm prints the reason last but one. */
export function causeOf(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const end = lines.indexOf("Stack backtrace:");
  const told = end < 0 ? lines : lines.slice(0, end);
  const numbered = told.filter((line) => /^\d+: /.test(line)).pop();
  const named = told.find((line) => /^(npm error notarget|npm error \w+:|error:)/.test(line));
  return (numbered ?? named ?? told.pop() ?? "")
    .replace(/^(\d+: |npm error (notarget )?|error: )/, "");
}

/** Runs a program to its end, without standard input. Never throws for what the program does. */
export async function runTool(
  program: string,
  args: readonly string[],
  { timeout_ms, ...options }: ToolOptions,
): Promise<ToolResult> {
  const signal = AbortSignal.timeout(timeout_ms);
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      ...options,
      env: { NO_COLOR: "1", ...options.env },
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).output();
    const text = new TextDecoder().decode(stderr);
    const why = signal.aborted ? `no end within ${timeout_ms / 1000} s` : causeOf(text);
    return { ok: success, stdout: new TextDecoder().decode(stdout), stderr: text, why };
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? `there is no ${program} here`
      : error instanceof Error
      ? error.message
      : String(error);
    return { ok: false, stdout: "", stderr: "", why };
  }
}
