/** Colours of a terminal, and lines that fit it. Pure. */

/** SGR codes (ECMA-48, 8.3.117). */
export const COLOUR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Paints text, or leaves it as it is. */
export type Paint = (code: number, text: string) => string;

/** Breaks a text at spaces into lines of at most `width`; all but the first are indented. */
export function wrap(text: string, width: number, indent: number): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  let margin = "";
  while (margin.length + rest.length > width) {
    const room = Math.max(1, width - margin.length);
    const space = rest.lastIndexOf(" ", room);
    const at = space > 0 ? space : room;
    lines.push(margin + rest.slice(0, at));
    rest = rest.slice(at).trimStart();
    margin = " ".repeat(Math.min(indent, width >> 1));
  }
  return [...lines, margin + rest];
}
