/**
 * Removes a socket for a process that is root no more when it ends, its packet filter, and where no
 * other node is here the ways to peers that it has kept outside the device (host/peer_routes.ts). A
 * shell waits for that, which is also how they go when the process is killed.
 */

import { HOST_ROUTE_PROTOCOL } from "../host/peer_routes.ts";

/** Where a shell finds its tools, whatever this process was told. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Ctrl-C and a service manager's signals go to this shell as well; it ends with our end of the pipe.
 * Without a word on it, the process was killed: its lock (host/device_lock.ts) goes a moment later.
 */
const SCRIPT = `trap '' HUP INT QUIT TERM
read -r word
[ "$(stat -c %d:%i -- "$1")" != "$2" ] || rm -f -- "$1"
! command -v nft >/dev/null || nft delete table inet "$3"
[ -z "$word" ] && command -v ip >/dev/null || exit
for try in 1 2 3 4 5 6 7 8 9 10; do
  if ! grep -q ' @tunnet/device/' /proc/net/unix; then
    ip -4 route flush proto ${HOST_ROUTE_PROTOCOL}
    ip -6 route flush proto ${HOST_ROUTE_PROTOCOL}
    exit
  fi
  sleep 0.2
done`;

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
    const writer = this.child.stdin.getWriter();
    // It may have been killed.
    await writer.write(new TextEncoder().encode("end\n")).catch(() => {});
    await writer.close().catch(() => {});
    await this.child.status;
  }
}
