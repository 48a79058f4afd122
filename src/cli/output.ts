/** What commands print, and how. */

/** What a command that only prints comes to. */
export interface Output {
  /** Text for standard output; ends with a newline. */
  readonly stdout: string;
  /** Text for standard error. */
  readonly stderr?: string;
  readonly exitCode: number;
}

function write(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

/** Writes the text to standard output, whole. */
export function say(text: string): void {
  write(Deno.stdout, text);
}

/** Writes the text to standard error, whole. */
export function complain(text: string): void {
  write(Deno.stderr, text);
}

/** Prints what a command comes to; returns its exit status. */
export function show({ stdout, stderr = "", exitCode }: Output): number {
  complain(stderr);
  say(stdout);
  return exitCode;
}

/** Whether standard output may be coloured. */
export function colourful(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor;
}

/** Indented JSON with a final newline. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2) + "\n";
}

/** Rows as columns, left-aligned, two spaces apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd() + "\n"
  ).join("");
}
