/** Why there is no kernel path, in words that help. */

import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../base/errors.ts";
import { shortageOf } from "../base/shortage.ts";
import { holdsAll } from "../host/privileges.ts";
import { readKernelFile } from "../host/sysctl.ts";

/** The first Linux with tcx, as major and minor number. */
const TCX_SINCE: readonly [number, number] = [6, 6];

const WHAT = "no kernel path";

const RELEASE = "/proc/sys/kernel/osrelease";
const RELEASE_MAX_BYTES = 256;

/** What of this process and its kernel decides what a refusal means. */
export interface Refused {
  /** Whether the process has the rights that the kernel path takes. */
  readonly hasRights: boolean;
  /** The kernel's release, such as `6.1.0-50-amd64`. */
  readonly release: string;
}

function isOlder(release: string, [major, minor]: readonly [number, number]): boolean {
  const [has = NaN, hasMinor = NaN] = release.split(".").map((part) => parseInt(part));
  return has < major || has === major && hasMinor < minor;
}

/** What the obstacle is. Pure. */
export function obstacleOf(
  { call, errno, message }: Pick<SyscallError, "call" | "errno" | "message">,
  { hasRights, release }: Refused,
): string {
  if (errno === ERRNO.EPERM && !hasRights) {
    return "it takes root, or CAP_BPF, CAP_NET_ADMIN and, at the start, CAP_SYS_ADMIN";
  }
  if (errno === ERRNO.EPERM) {
    return `${call} is refused to a process with all rights for it: by seccomp, a security ` +
      "module, or as these rights are a container's own";
  }
  if (errno === ERRNO.EOPNOTSUPP) return "this kernel has no VXLAN or veth devices";
  if (isOlder(release, TCX_SINCE)) return `it takes Linux 6.6 or newer, and this is ${release}`;
  if (errno === ERRNO.ENOSYS) return `${call}: this kernel has no such call, or seccomp hides it`;
  return message;
}

/**
 * What a failed system call means for the kernel path, as a RunError; any other error as it is, and
 * one that says what the host is out of for now.
 */
export function explained(error: unknown): unknown {
  if (!(error instanceof SyscallError) || shortageOf(error)) return error;
  const refused = {
    // CAP_SYS_ADMIN is given up after the start, and only `unshare` and `setns` take it.
    hasRights: holdsAll(
      /^(unshare|setns)/.test(error.call) ? ["netAdmin", "bpf", "sysAdmin"] : ["netAdmin", "bpf"],
    ),
    release: readKernelFile(RELEASE, RELEASE_MAX_BYTES)?.trim() ?? "",
  };
  return new RunError({ what: WHAT, why: obstacleOf(error, refused) });
}

/** Why there is no kernel path, by the error that opening it has thrown. */
export function reasonOf({ parts: { what, why }, message }: RunError): string {
  return what === WHAT && why !== undefined ? why : message;
}
