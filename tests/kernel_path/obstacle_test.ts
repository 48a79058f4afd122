import { assertEquals } from "../assert.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import { RunError } from "../../src/base/errors.ts";
import { explained, obstacleOf, reasonOf } from "../../src/kernel_path/obstacle.ts";

const NEW = "6.12.117+deb13-amd64";
const OLD = "6.1.0-50-amd64";
const RIGHTS = "it takes root, or CAP_BPF, CAP_NET_ADMIN and, at the start, CAP_SYS_ADMIN";

Deno.test("kernel path: what a refused system call means", () => {
  const cases: readonly (readonly [
    call: string,
    errno: keyof typeof ERRNO,
    hasRights: boolean,
    release: string,
    reason: string,
  ])[] = [
    ["bpf(BPF_PROG_LOAD)", "EPERM", false, NEW, RIGHTS],
    ["unshare", "EPERM", false, OLD, RIGHTS],
    [
      "bpf(BPF_PROG_LOAD)",
      "EPERM",
      true,
      NEW,
      "bpf(BPF_PROG_LOAD) is refused to a process with all rights for it: by seccomp, a security " +
      "module, or as these rights are a container's own",
    ],
    [
      "bpf(BPF_PROG_LOAD)",
      "ENOSYS",
      true,
      NEW,
      "bpf(BPF_PROG_LOAD): this kernel has no such call, or seccomp hides it",
    ],
    ["bpf(BPF_PROG_LOAD)", "ENOSYS", true, OLD, `it takes Linux 6.6 or newer, and this is ${OLD}`],
    [
      "bpf(BPF_LINK_CREATE)",
      "EINVAL",
      true,
      "6.5.13",
      "it takes Linux 6.6 or newer, and this is 6.5.13",
    ],
    [
      "bpf(BPF_LINK_CREATE)",
      "EINVAL",
      true,
      "4.19.0",
      "it takes Linux 6.6 or newer, and this is 4.19.0",
    ],
    ["bpf(BPF_LINK_CREATE)", "EBUSY", true, "6.6.0", "bpf(BPF_LINK_CREATE): EBUSY"],
    ["bpf(BPF_LINK_CREATE)", "EBUSY", true, "10.0-rc1", "bpf(BPF_LINK_CREATE): EBUSY"],
    ["RTM_NEWLINK", "EOPNOTSUPP", true, NEW, "this kernel has no VXLAN or veth devices"],
  ];
  for (const [call, errno, hasRights, release, reason] of cases) {
    const error = new SyscallError(call, ERRNO[errno]);
    assertEquals(obstacleOf(error, { hasRights, release }), reason, `${call} ${errno} ${release}`);
  }
});

Deno.test("kernel path: the reason of an error, and errors that are none of a system call", () => {
  const bug = new TypeError("x");
  assertEquals(explained(bug), bug);
  const error = explained(new SyscallError("RTM_NEWLINK", ERRNO.EOPNOTSUPP)) as RunError;
  assertEquals(error.message, "no kernel path (this kernel has no VXLAN or veth devices)");
  assertEquals(reasonOf(error), "this kernel has no VXLAN or veth devices");
  const other = new RunError({ what: "no helper tunnet0-in", why: "there is another device" });
  assertEquals(reasonOf(other), "no helper tunnet0-in (there is another device)");
});
