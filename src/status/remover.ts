/**
 * Removes a socket for a process that is root no more when it ends, and its packet filter. A shell
 * waits for that, which is also how they go when the process is killed.
 */

/** Where a shell finds its tools, whatever this process was told. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Ctrl-C and a service manager's signals go to this shell as well; it ends with our end of the pipe. */
const SCRIPT = `trap '' HUP INT QUIT TERM
read -r _
[ "$(stat -c %d:%i -- "$1")" != "$2" ] || rm -f -- "$1"
! command -v nft >/dev/null || nft delete table inet "$3"`;

/** A shell that waits. */
export class Remover {
  private constructor(readonly child: Deno.ChildProcess) {}

  /**
   * Starts one for a socket and a table of nf_tables; undefined where there is no shell: the next
   * node clears up then.
   */
  static start(path: string, identity: string | undefined, table: string): Remover | undefined {
    if (identity === undefined) return undefined;
    try {
      const child = new Deno.Command("/bin/sh", {
        args: ["-c", SCRIPT, "tunnet-remover", Deno.realPathSync(path), identity, table],
        clearEnv: true,
        env: { PATH },
        cwd: "/",
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
      child.unref();
      return new Remover(child);
    } catch {
      return undefined;
    }
  }

  /** Resolves when the socket has been removed. */
  async remove(): Promise<void> {
    this.child.ref();
    await this.child.stdin.close();
    await this.child.status;
  }
}
