/** What the tests of the doctor share: asking it, breaking a set-up, and running its fixes. */

import { assertEquals, assertMatch } from "../assert.ts";
import { type Bed, until } from "./harness.ts";

/** As in the doctor's JSON. */
export interface Check {
  readonly id: string;
  readonly title: string;
  readonly status: "ok" | "warn" | "fail" | "skip";
  readonly why: string;
  readonly fix: string | null;
  readonly fix_for_good: string | null;
  readonly fix_on: string | null;
}

/** The doctor's JSON. */
export interface Report {
  readonly version: number;
  readonly node: string;
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

/** A set-up broken on purpose. */
export interface Broken {
  readonly name: string;
  /** Shell commands that break it, on node a. */
  readonly by: string;
  /** Shell commands for node b. */
  readonly byThere?: string;
  /** Checks that fail, and no others. */
  readonly ids: readonly string[];
  /** What the fixes look like, all of them in one line each. */
  readonly fix: RegExp;
  /** Another config for the doctor. */
  readonly yaml?: (text: string) => string;
  /** Shell commands that tidy up afterwards, on node a and on node b. */
  readonly after?: string;
  readonly afterThere?: string;
}

/** Runs the doctor on node `i`. */
export async function ask(bed: Bed, i: number, file = `${bed.dir}/tunnet.yaml`): Promise<Report> {
  const { name } = bed.node(i);
  const words = [...bed.command, "doctor", "-c", file, "--node", name, "--json"];
  const { code, stdout, stderr } = await bed.onNode(i, ...words);
  assertEquals(stderr.replaceAll(/^tunnet: warn: .*\n/gm, ""), "");
  const report: Report = JSON.parse(stdout);
  assertEquals([code, report.ok, report.version, report.node], [
    report.ok ? 0 : 1,
    report.ok,
    1,
    name,
  ]);
  return report;
}

/** That tunnet does not run is true of a node before its start, and none of its faults. */
const but = (checks: readonly Check[], status: RegExp) =>
  checks.filter((check) => status.test(check.status) && check.id !== "running");

/** What is not well. */
export const wrong = ({ checks }: Report) => but(checks, /warn|fail/);
/** What fails. */
export const fails = ({ checks }: Report) => but(checks, /fail/);
/** Each id once. */
export const idsOf = (checks: readonly Check[]) => [...new Set(checks.map(({ id }) => id))].sort();

/**
 * Runs a shell command as root of node `i`, with `tunnet` on its path. Namespaces that it makes are
 * its own: they do not appear among this host's.
 */
export async function shell(bed: Bed, i: number, command: string): Promise<void> {
  const bin = `${bed.dir}/bin`;
  const netns = `${bed.dir}/netns`;
  for (const dir of [bin, netns]) Deno.mkdirSync(dir, { recursive: true });
  const tunnet = bed.command.map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(`${bin}/tunnet`, `#!/bin/sh\nexec ${tunnet} "$@"\n`, { mode: 0o755 });
  const words = ["unshare", "--mount", "sh", "-ec"];
  const script = `mount --bind ${netns} /run/netns; PATH=${bin}:$PATH; ${command}`;
  const { code, stdout, stderr } = await bed.onNode(i, ...words, script);
  assertEquals(code, 0, `${command}:\n${stdout}${stderr}`);
}

/** Breaks a set-up, sees that the doctor finds that alone, runs its fixes, and sees it gone. */
export async function breakAndFix(bed: Bed, broken: Broken): Promise<void> {
  const file = `${bed.dir}/doctor.yaml`;
  Deno.writeTextFileSync(file, broken.yaml ? broken.yaml(bed.yaml) : bed.yaml);
  await shell(bed, 0, broken.by);
  if (broken.byThere) await shell(bed, 1, broken.byThere);
  // Peers fall silent after a while when a firewall is in the way: that is found by its cause.
  const found = fails(await ask(bed, 0, file)).filter(({ id }) => id !== "peer");
  assertEquals(idsOf(found), [...broken.ids].sort(), JSON.stringify(found, null, 2));
  for (const { fix, fix_on } of found) {
    assertMatch(fix ?? "", broken.fix);
    assertEquals(fix_on, "node-a");
    await shell(bed, 0, fix!);
  }
  // The node itself may have to put routes back: it does so twice a second.
  let left: readonly Check[] = [];
  await until(
    `all is well again after: ${found.map(({ fix }) => fix).join("; ")}`,
    15_000,
    async () => {
      left = wrong(await ask(bed, 0, file));
      return left.length === 0;
    },
  );
  if (broken.after) await shell(bed, 0, broken.after);
  if (broken.afterThere) await shell(bed, 1, broken.afterThere);
}
