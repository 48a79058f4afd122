/** Numbers and times as people read them. Pure. */

/** `1.23 G`: three significant digits and a decimal prefix. */
function withPrefix(value: number): string {
  const prefixes = ["", "k", "M", "G", "T", "P", "E"];
  let index = 0;
  let rest = value;
  // Rounded first: 999.6 is not shown as 1000.
  while (index < prefixes.length - 1 && Number(rest.toPrecision(3)) >= 1000) {
    rest /= 1000;
    index++;
  }
  const digits = index === 0 ? Math.round(rest).toString() : rest.toPrecision(3);
  return `${digits} ${prefixes[index]}`;
}

/** `1.23 GB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  return `${withPrefix(bytes)}B`;
}

/** `1.23 Gbit/s`, in powers of 1000. */
export function formatRate(bits_per_second: number): string {
  return `${withPrefix(bits_per_second)}bit/s`;
}

/** `12,345`. */
export function formatCount(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `3d 4h`, `5m 6s`, `7s`: the two largest units. */
export function formatDuration(duration_ms: number): string {
  const seconds = Math.max(0, Math.floor(duration_ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? parts.slice(3) : parts.slice(first, first + 2);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}

/** `0.31 ms`, `12 ms`: as precise as it is worth. */
export function formatRtt(rtt_ms: number): string {
  return `${rtt_ms < 10 ? rtt_ms.toFixed(2) : Math.round(rtt_ms)} ms`;
}

const BARS = "▁▂▃▄▅▆▇█";

/** A line of bars, one for each value, as high as its share of the highest; a blank for 0. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const top = Math.max(...shown, 0);
  const bars = shown.map((value) =>
    value <= 0 ? " " : BARS[Math.min(BARS.length - 1, Math.floor(value / top * BARS.length))]!
  );
  return bars.join("").padStart(width);
}
