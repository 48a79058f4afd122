/** Which programs hold the port and the device. */

import { formatAddress } from "../../../net/prefix.ts";
import type { Address } from "../../../net/prefix.ts";
import { runIfThere } from "../../../base/run_program.ts";
import type { Holder } from "../facts.ts";

/** Addresses of `ss` that mean all. */
const ANY = ["0.0.0.0", "*", "[::]", "::"];

/** The holders that lines of `ss -H -lunp` name for one of the addresses. Pure. */
export function parseSockets(text: string, addresses: readonly Address[]): readonly Holder[] {
  const own = addresses.map(({ bytes }) => formatAddress(bytes));
  return text.split("\n").flatMap((line): Holder[] => {
    const local = line.trim().split(/\s+/)[3];
    if (local === undefined) return [];
    // 192.168.0.8%eth0:3009, [fd00::8]:3009, *:3009
    const host = local.replace(/:\d+$/, "").replace(/%[^\]]*/, "").replace(/^\[(.*)\]$/, "$1");
    if (!ANY.includes(host) && !own.includes(host)) return [];
    const users = [...line.matchAll(/\("([^"]*)",pid=(\d+)/g)];
    if (users.length === 0) return [{ pid: 0, name: "" }];
    return users.map(([, name, pid]) => ({ pid: Number(pid), name: name! }));
  });
}

/** Programs on a UDP port at any of the addresses, or at all addresses. */
export async function portHolders(
  port: number,
  addresses: readonly Address[],
): Promise<readonly Holder[]> {
  const ran = await runIfThere("ss", ["-H", "-lunp", `sport = :${port}`]);
  return ran ? parseSockets(ran.stdout, addresses) : [];
}

/** A process shows its tun device in /proc/PID/fdinfo (drivers/net/tun.c); others' may be hidden. */
const FIND = `
here=$(readlink /proc/self/ns/net)
for file in $(grep -lsFx "$(printf 'iff:\\t%s' "$1")" /proc/[0-9]*/fdinfo/* 2>/dev/null); do
  process=\${file%/fdinfo/*}
  [ "$(readlink "$process/ns/net")" = "$here" ] || continue
  echo "\${process#/proc/} $(cat "$process/comm")"
done
`;

/** Programs of this network namespace that have a tun device open. */
export async function deviceHolders(device: string): Promise<readonly Holder[]> {
  const ran = await runIfThere("sh", ["-c", FIND, "sh", device]);
  return (ran?.stdout ?? "").split("\n").flatMap((line) => {
    const [, pid, name] = /^(\d+) (.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), name: name! }];
  });
}
