/** Text for people: the nearest of the words that would have been right, and nothing that garbles. Pure. */

/** Control characters, C1 too, and marks that turn the direction of a line or end it. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text on one line, with each control character as its escape in JSON. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (c) => {
    const quoted = JSON.stringify(c).slice(1, -1);
    // JSON leaves all but the first 32 as they are.
    return quoted === c ? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}` : quoted;
  });
}

/** Longer words than this are not compared: they are no slips of a known word. */
const WORD_MAX = 64;

/** Fewer characters in common at the start mean nothing. */
const PREFIX_MIN = 3;

/**
 * Levenshtein distance, with a swap of neighbours as one step: how many
 * characters to insert, delete, replace or swap to make `b` of `a`.
 */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, before[j - 2]! + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

function differsLittle(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const allowed = Math.min(Math.floor(candidate.length / 3), bestDistance - 1);
    if (Math.abs(candidate.length - word.length) > allowed) continue;
    const distance = editDistance(word, candidate.toLowerCase());
    if (distance <= allowed) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function begins(short: string, long: string): boolean {
  return short.length >= PREFIX_MIN && long.startsWith(short);
}

/**
 * The candidate that was probably meant: the only one that goes on as the word
 * does, else the nearest one if it differs in no more than a third of its
 * characters, else the only one that the word goes on from.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > WORD_MAX) return undefined;
  const lower = word.toLowerCase();
  const longer = candidates.filter((one) => begins(lower, one.toLowerCase()));
  if (longer.length === 1) return longer[0];
  const slip = differsLittle(lower, candidates);
  if (slip !== undefined) return slip;
  const shorter = candidates.filter((one) => begins(one.toLowerCase(), lower));
  return shorter.length === 1 ? shorter[0] : undefined;
}
