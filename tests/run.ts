/**
 * `deno task test [FILE...]`: installs what the tests need (setup.ts), builds the executable and
 * runs every test once, the end-to-end tests
 * against the executable, as users run it; $TUNNET_EXE names another one. Prints what is not in
 * order, the slowest tests, and last "N passed, N failed" (", N skipped" where tests were).
 *
 * What has failed runs once more, so that its output shows whether it fails every time; it counts
 * as failed all the same.
 */

import { repoPath } from "./e2e/harness.ts";
import { setUp } from "./setup.ts";

const EXECUTABLE = "dist/tunnet";
const SLOWEST = 20;
/** On two cores that do nothing else. */
const DURATION = "some 10 minutes on two cores";
/** Test files that run side by side: each end-to-end test has processes of its own. */
const JOBS = Math.min(navigator.hardwareConcurrency, 4);

/** How many tests ended in which way. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface TestCase {
  readonly file: string;
  readonly name: string;
  readonly seconds: number;
}

/** What a run of `deno test` came to. */
interface Outcome {
  readonly ok: boolean;
  readonly counts: Counts;
  readonly failedFiles: readonly string[];
}

/** `deno` with these words in the checkout; `line` gets what it prints. Whether it succeeded. */
async function runDeno(words: readonly string[], line: (text: string) => void): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...words],
    cwd: repoPath(""),
    env: { NO_COLOR: "1", DENO_JOBS: `${JOBS}` },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    lines.forEach(line);
  }
  if (rest !== "") line(rest);
  return (await child.status).success;
}

/** The counts in the last line of `deno test`, such as `ok | 3 passed (36 steps) | 0 failed (2s)`. */
export function countsIn(summary: string): Counts {
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

/** The tests of a JUnit report, without their steps. */
export function testCases(junit: string): readonly TestCase[] {
  const text = (xml: string) =>
    xml.replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const pattern = /<testcase name="([^"]*)" classname="([^"]*)" time="([^"]*)"/g;
  const cases = [...junit.matchAll(pattern)].map(([, name, file, seconds]) => ({
    name: text(name!),
    file: text(file!),
    seconds: Number(seconds),
  }));
  const key = (file: string, name: string) => `${file} ${name}`;
  const all = new Set(cases.map(({ file, name }) => key(file, name)));
  return cases.filter(({ file, name }) => {
    const parts = name.split(" > ");
    return !parts.some((_, i) => i > 0 && all.has(key(file, parts.slice(0, i).join(" > "))));
  });
}

/** Runs test files; prints all of it, or what is not in order. */
async function runTests(words: readonly string[], everything: boolean): Promise<Outcome> {
  let summary = "";
  const failedFiles = new Set<string>();
  const ok = await runDeno(
    ["test", "-q", "-A", "--no-prompt", "--v8-flags=--expose-gc", ...words],
    (line) => {
      if (/^(ok|FAILED) \| /.test(line)) summary = line;
      // Before its name: what comes after it is where the test is defined, maybe another file.
      const failed = /^\.\/(tests\/\S+) => .* \.\.\. FAILED/.exec(line)?.[1];
      if (failed !== undefined) failedFiles.add(failed);
      if (everything || !/ \.\.\. ok \(|^\s*$|^ok \| |^running \d+ tests? from /.test(line)) {
        console.log(line);
      }
    },
  );
  const counts = countsIn(summary);
  // A file that cannot be run has no test that fails.
  const failed = ok ? counts.failed : Math.max(1, counts.failed);
  return { ok, counts: { ...counts, failed }, failedFiles: [...failedFiles] };
}

function printSlowest(cases: readonly TestCase[]): void {
  console.log(`== the slowest ${SLOWEST} of ${cases.length} tests`);
  for (
    const { file, name, seconds } of cases.toSorted((a, b) => b.seconds - a.seconds).slice(
      0,
      SLOWEST,
    )
  ) {
    console.log(`${seconds.toFixed(1).padStart(6)} s  ${file.replace("./tests/", "")}: ${name}`);
  }
}

async function main(files: readonly string[]): Promise<number> {
  const without = await setUp(files);
  if (files.length === 0) console.log(`== all tests: ${DURATION}`);
  if (!Deno.env.has("TUNNET_EXE")) {
    if (!await runDeno(["task", "build"], (line) => console.log(line))) return 1;
    Deno.env.set("TUNNET_EXE", repoPath(EXECUTABLE));
  }
  const report = Deno.makeTempFileSync({ prefix: "tunnet-tests-", suffix: ".xml" });
  try {
    const all = files.length > 0 ? files : ["tests/"];
    const { ok, counts, failedFiles } = await runTests(
      [
        "--parallel",
        `--junit-path=${report}`,
        ...(without.length > 0 ? [`--ignore=${without.join(",")}`] : []),
        ...all,
      ],
      false,
    );
    if (failedFiles.length > 0) {
      console.log(`== failed, and once more to see why: ${failedFiles.join(" ")}`);
      const again = await runTests(failedFiles, true);
      if (again.ok) console.log("== the second time all of it passed; it counts as failed");
    }
    printSlowest(testCases(Deno.readTextFileSync(report)));
    const { passed, failed, skipped } = counts;
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
    return ok ? 0 : 1;
  } finally {
    Deno.removeSync(report);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
