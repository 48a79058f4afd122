/** Replaces a file as a whole: whoever reads it sees the old one or the new one. */

import { RunError } from "../base/errors.ts";
import { withUmask } from "./umask.ts";

/**
 * Writes a file beside the one that it then takes the place of; makes its folder, with `folderMode`,
 * if there is none. Throws a RunError.
 */
export function replaceFile(path: string, text: string, mode: number, folderMode: number): void {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  const beside = `${path}.new`;
  try {
    withUmask(0, () => {
      Deno.mkdirSync(folder, { recursive: true, mode: folderMode });
      Deno.removeSync(beside, { recursive: false });
    });
  } catch (error) {
    // Most often, no attempt was left half done.
    if (!(error instanceof Deno.errors.NotFound)) throw unwritten(path, error);
  }
  try {
    const bytes = new TextEncoder().encode(text);
    // A new file: nobody has put a link there.
    withUmask(0, () => {
      using file = Deno.openSync(beside, { write: true, createNew: true, mode });
      if (file.writeSync(bytes) !== bytes.length) {
        throw new Deno.errors.WriteZero("the disk is full");
      }
      file.syncSync();
    });
    Deno.renameSync(beside, path);
  } catch (error) {
    throw unwritten(path, error);
  }
}

function unwritten(path: string, error: unknown): RunError {
  const why = error instanceof Error ? error.message : String(error);
  return new RunError({ what: `${path} cannot be written`, why });
}
