/** Measuring in rounds, of which the median counts. */

const ROUNDS = 9;

/** The one in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Median nanoseconds of one of the `per` things that `body` does. */
export function measure(name: string, per: number, unit: string, body: () => void): void {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let runs = 0;
    const start_ms = performance.now();
    while (performance.now() - start_ms < 60) {
      for (let i = 0; i < 16; i++) body();
      runs += 16;
    }
    rounds.push((performance.now() - start_ms) * 1e6 / runs / per);
  }
  console.log(`${name.padEnd(52)} ${median(rounds).toFixed(1).padStart(9)} ns/${unit}`);
}
