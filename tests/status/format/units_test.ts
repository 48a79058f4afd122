import { assertEquals } from "../../assert.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatRtt,
  sparkline,
} from "../../../src/status/format/units.ts";

const CASES: readonly [text: string, expected: string][] = [
  [formatBytes(0), "0 B"],
  [formatBytes(999), "999 B"],
  [formatBytes(999.6), "1.00 kB"],
  [formatBytes(1000), "1.00 kB"],
  [formatBytes(12_345), "12.3 kB"],
  [formatBytes(999_499), "999 kB"],
  [formatBytes(999_500), "1.00 MB"],
  [formatBytes(2 ** 53), "9.01 PB"],
  [formatRate(7_500_000_000), "7.50 Gbit/s"],
  [formatRate(0.4), "0 bit/s"],
  [formatCount(0), "0"],
  [formatCount(999), "999"],
  [formatCount(1_234_567), "1,234,567"],
  [formatCount(2.5), "3"],
  [formatDuration(-5), "0s"],
  [formatDuration(999), "0s"],
  [formatDuration(61_000), "1m 1s"],
  [formatDuration(3_600_000), "1h 0m"],
  [formatDuration(90_061_000), "1d 1h"],
  [formatDuration(400 * 86_400_000), "400d 0h"],
  [formatRtt(0.3123), "0.31 ms"],
  [formatRtt(12.6), "13 ms"],
  [sparkline([], 3), "   "],
  [sparkline([0, 0], 3), "   "],
  [sparkline([0, 1, 8], 4), "  ▂█"],
  [sparkline([9, 9, 9, 1, 2, 3, 4], 4), "▃▅▇█"],
];

for (const [text, expected] of CASES) {
  Deno.test(`format: ${expected}`, () => assertEquals(text, expected));
}
