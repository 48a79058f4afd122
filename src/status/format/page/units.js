// @ts-check
/** Numbers and times as people read them. */

/** @param {number} value @param {string} unit */
function scaled(value, unit) {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let i = 0;
  while (i < prefixes.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    i++;
  }
  return (i === 0 ? Math.round(value) : value.toPrecision(3)) + " " + prefixes[i] + unit;
}

/** @param {number} bits */
export const rate = (bits) => scaled(bits, "bit/s");
/** @param {number} bytes */
export const size = (bytes) => scaled(bytes, "B");
/** @param {number} n */
export const count = (n) => Math.round(n).toLocaleString("en");
/** Packets a second. @param {number} n */
export const pace = (n) =>
  (n >= 1000 ? scaled(n, "").trimEnd() : n >= 10 ? Math.round(n) : Number(n.toPrecision(2))) +
  " /s";
/** @param {number} n @param {string} noun */
export const plural = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s");

/** A number on an axis: no digits that say nothing. @param {number} value */
export function tick(value) {
  const prefixes = ["", "k", "M", "G", "T"];
  let i = 0;
  while (i < prefixes.length - 1 && value >= 1000) {
    value /= 1000;
    i++;
  }
  return Number(value.toPrecision(3)) + (i > 0 ? " " + prefixes[i] : "");
}

/** `3d 4h`, `5m 6s`, `7s`: the two largest units. @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const counts = [
    Math.floor(s / 86400),
    Math.floor(s / 3600) % 24,
    Math.floor(s / 60) % 60,
    s % 60,
  ];
  const first = counts.findIndex((n) => n > 0);
  const parts = counts.map((n, i) => n + "dhms".charAt(i));
  return (first < 0 ? parts.slice(3) : parts.slice(first, first + 2)).join(" ");
}

/** `18:02:11`, in the browser's time zone. @param {number} ms */
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

/** The next of 1, 2, 5, 10, 20, ... @param {number} value @param {number} least */
export function niceTop(value, least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, least)));
  return power * ([1, 2, 5].find((n) => n * power >= value) ?? 10);
}
