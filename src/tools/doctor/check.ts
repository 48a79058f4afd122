/** What the doctor says of one thing. Pure. */

/** `skip`: it could not be looked at. */
export type Status = "ok" | "warn" | "fail" | "skip";

/** One thing that was looked at, and what came of it. */
export interface Check {
  /** A stable name for programs. */
  readonly id: string;
  /** What was looked at, for people. */
  readonly title: string;
  readonly status: Status;
  /** What was found, and what it means. */
  readonly why: string;
  /** The command that fixes it, for a root shell. */
  readonly fix?: string | undefined;
  /** What makes the fix outlast a reboot, where it does not by itself. */
  readonly lasting?: string | undefined;
  /** The node where to run it, if that is not this one. */
  readonly fixOn?: string | undefined;
}

/** Something found wrong, before its check is named. */
export interface Finding {
  readonly status?: "warn" | "fail" | "skip";
  readonly why: string;
  readonly fix?: string | undefined;
  readonly lasting?: string | undefined;
  readonly fixOn?: string | undefined;
}

/** A check for each finding, or one that says that all is well. */
export function checksOf(
  id: string,
  title: string,
  well: string,
  findings: readonly Finding[],
): readonly Check[] {
  if (findings.length === 0) return [{ id, title, status: "ok", why: well }];
  return findings.map(({ status = "fail", ...found }) => ({ id, title, status, ...found }));
}
