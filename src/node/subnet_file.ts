/** Keeps the file that tells pods' programs of this node's subnet. */

import { RunError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { replaceFile } from "../host/replace_file.ts";
import { formatSubnetEnv, type SubnetEnv } from "../peers/source/etcd/subnet_env.ts";

/** `subnet.env`, written whenever it would say something else. */
export class SubnetFile {
  #written = "";
  #trouble = "";

  constructor(readonly path: string, readonly log: Log) {}

  /** What is wrong with it, if anything. */
  get problem(): string | undefined {
    return this.#trouble || undefined;
  }

  /** Writes it, if that is news or somebody has removed it. */
  write(env: SubnetEnv): void {
    const text = formatSubnetEnv(env);
    if (text === this.#written && this.#isThere()) return;
    try {
      replaceFile(this.path, text, 0o644, 0o755);
      this.#written = text;
      this.#trouble = "";
      const said = text.trimEnd().replaceAll("\n", " ");
      this.log.info("subnet_env", `${this.path} says: ${said}`);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      // A folder that cannot be written stays so: told once.
      if (error.message !== this.#trouble) this.log.warn("subnet_env", error.message);
      this.#trouble = error.message;
    }
  }

  #isThere(): boolean {
    try {
      return Deno.statSync(this.path).isFile;
    } catch {
      return false;
    }
  }
}
