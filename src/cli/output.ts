/** What a command that only prints comes to. */

/** Text for standard output, and the exit status. */
export interface Output {
  /** Ends with a newline. */
  readonly stdout: string;
  readonly exitCode: number;
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
