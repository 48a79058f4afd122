/**
 * The errors a user can meet. Each prints as one line,
 * `tunnet: error: WHAT (WHY); try: HOW`, and carries the exit status.
 */

import { escapeControls } from "./text.ts";

/** Exit statuses of the program (0 is success). */
export const EXIT = {
  /** Failed while running: no permission, port in use, device lost. */
  failed: 1,
  /** Bad usage or bad config: nothing was touched. */
  usage: 2,
} as const;

/** The parts of an error line. `why` and `how` are left out of the line when absent. */
export interface ErrorParts {
  /** What does not work. */
  readonly what: string;
  /** The reason. */
  readonly why?: string;
  /** What the user may try. */
  readonly how?: string;
}

/** Joins the parts into the text after `tunnet: error: `. Control characters are escaped. */
export function errorText({ what, why, how }: ErrorParts): string {
  const text = what + (why ? ` (${why})` : "") + (how ? `; try: ${how}` : "");
  // One line whatever a file or a device name holds.
  return escapeControls(text);
}

/** Something failed while running: exit status 1. */
export class RunError extends Error {
  /** Exit status of the program. */
  readonly exitCode: number = EXIT.failed;

  /** An error of these parts. */
  constructor(readonly parts: ErrorParts) {
    super(errorText(parts));
    this.name = "RunError";
  }
}

/** The command line cannot be used: exit status 2. */
export class UsageError extends Error {
  /** Exit status of the program. */
  readonly exitCode: number = EXIT.usage;

  /** An error of these parts. */
  constructor(readonly parts: ErrorParts) {
    super(errorText(parts));
    this.name = "UsageError";
  }
}

/** The config cannot be used: one line per problem, all at once, exit status 2. */
export class ConfigError extends Error {
  /** Exit status of the program. */
  readonly exitCode: number = EXIT.usage;

  /** All problems that were found, in the order of the file. */
  constructor(readonly problems: readonly ErrorParts[]) {
    super(problems.map(errorText).join("\n"));
    this.name = "ConfigError";
  }
}
