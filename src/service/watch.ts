/** Notices that a config file has changed: edited in place, replaced by rename, or linked anew. */

import { CONFIG_QUIET_MS } from "../base/limits.ts";

/** Which content a path leads to: changes with every write and with every replacement. */
function signature(path: string): string {
  try {
    const { dev, ino, size, mtime } = Deno.statSync(path);
    return [dev, ino, size, mtime?.getTime()].join();
  } catch {
    // Between removal and replacement there is none.
    return "";
  }
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** Where entries may change: the file's own directory, and that of what it links to. */
function directories(path: string): readonly string[] {
  try {
    return [...new Set([directoryOf(path), directoryOf(Deno.realPathSync(path))])];
  } catch {
    return [directoryOf(path)];
  }
}

/**
 * Watches a file by its directory, since an editor puts a new file in place of
 * the old one, and calls `onChange` once it has been left alone for
 * CONFIG_QUIET_MS, whatever else goes on in that directory. Throws what
 * Deno.watchFs does; `onEnd` hears why a watch has ended. A file that is gone is
 * no change: it may come back.
 */
export class FileWatch {
  readonly #watcher: Deno.FsWatcher;
  /** Of what was last taken note of, and of what the last look has found. */
  #signature: string;
  #found: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    readonly path: string,
    readonly onChange: () => void,
    readonly onEnd: (why: string) => void,
  ) {
    this.#watcher = Deno.watchFs([...directories(path)], { recursive: false });
    this.#signature = signature(path);
    void this.#follow();
  }

  /** Ends the watch. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    try {
      this.#watcher.close();
    } catch {
      // It has ended with its directory.
    }
  }

  /** Looks soon whether it has changed. */
  look(): void {
    this.#timer ??= setTimeout(() => this.#look(), CONFIG_QUIET_MS);
  }

  async #follow(): Promise<void> {
    try {
      for await (const { kind } of this.#watcher) {
        if (kind !== "access") this.look();
      }
    } catch (error) {
      if (!this.#closed) this.onEnd(error instanceof Error ? error.message : String(error));
    }
  }

  /** Looks until it finds the same twice: a change may take several writes. */
  #look(): void {
    const now = signature(this.path);
    const quiet = now === this.#found || now === this.#signature;
    this.#found = now;
    this.#timer = quiet ? undefined : setTimeout(() => this.#look(), CONFIG_QUIET_MS);
    if (!quiet || now === "" || now === this.#signature) return;
    this.#signature = now;
    this.onChange();
  }
}
