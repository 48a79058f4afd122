/**
 * The network namespace of the helper: what unwraps packets for the kernel path
 * (underlay_ingress.ts) is in it, where it takes no port and no setting of this
 * host, and nobody else reaches it. It has no name: when this process ends,
 * however that happens, the kernel removes it, and with it the veth pair that
 * leads there.
 */

import { libc } from "../../ffi/libc.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "../../ffi/socket.ts";
import { HELPER_MTU_BYTES } from "../base/limits.ts";
import { openPinnedRtnetlink } from "../host/netlink/linux.ts";
import type { Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { inNewNetns, ownNetns } from "../host/private_netns.ts";
import { sendDatagram } from "../io/udp_open.ts";
import type { Address } from "../net/prefix.ts";
import { attachForGood, loadProgram } from "./bpf/syscalls.ts";
import { HELPER_ENDPOINT, vxlanIngress } from "./programs/underlay_ingress.ts";

/** Devices of the namespace by index: lo has 1. */
const LOOPBACK = 1;
const VXLAN = 2;
const INNER_END = 3;
const INNER_NAME = "inner";

const ADDRESS: Address = { version: 4, bytes: Uint8Array.from(HELPER_ENDPOINT.address) };
const SOURCE: Address = { version: 4, bytes: Uint8Array.from(HELPER_ENDPOINT.source) };
const HOST_BITS = 32;

/** A VXLAN-GPE header, "VNI valid" and "next protocol": IPv4, and an IPv4 header of zeros. */
const SELF_TEST = Uint8Array.of(0x0c, 0, 0, 1, ...new Uint8Array(4 + 20));

/** The namespace, until `close` or the end of the process. */
export class HelperNamespace {
  private constructor(
    /** Descriptor of the namespace of this host. */
    readonly host: number,
    /** Rtnetlink within. */
    readonly rt: Rtnetlink,
    /** A UDP socket within. */
    readonly socket: number,
  ) {}

  /** Takes CAP_SYS_ADMIN, and CAP_BPF; nothing later does. Throws a SyscallError. */
  static make(): HelperNamespace {
    const closers: (() => void)[] = [];
    const { call, check } = libc();
    const keep = (fd: number): number => {
      closers.push(() => void call.close(fd));
      return fd;
    };
    try {
      const host = keep(ownNetns());
      const program = loadProgram("tunnet_vxlan", vxlanIngress(INNER_END));
      try {
        return inNewNetns(host, () => {
          const rt = openPinnedRtnetlink();
          closers.push(() => rt.close());
          furnish(rt, program);
          const socket = keep(check("socket", call.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
          return new HelperNamespace(host, rt, socket);
        });
      } finally {
        call.close(program);
      }
    } catch (error) {
      for (const close of closers.reverse()) close();
      throw error;
    }
  }

  /**
   * Makes the veth pair that leads here, in place of one that was made before. Its
   * end on the host is switched off, and has `index` if one is given. Throws a
   * SyscallError: EEXIST if the name is taken, EBUSY or EEXIST if the index is.
   */
  connect(name: string, index?: number): void {
    const { rt, host } = this;
    this.disconnect();
    rt.addVeth(INNER_NAME, { name, namespaceFd: host, index }, INNER_END);
    rt.setLink(INNER_END, { mtu_bytes: HELPER_MTU_BYTES, up: true });
    // For hosts that check sources, whose setting every namespace inherits.
    rt.addRoute({ prefix: { ...SOURCE, length_bits: HOST_BITS }, index: INNER_END });
  }

  /** Sends a packet to the VXLAN device, which goes on to the helper. Throws a SyscallError. */
  sendSelfTest(): void {
    sendDatagram(this.socket, SELF_TEST, ADDRESS, HELPER_ENDPOINT.port);
  }

  /** Removes the pair, if there is one. */
  disconnect(): void {
    if (this.rt.getLink(INNER_END)) this.rt.removeLink(INNER_END);
  }

  close(): void {
    const { call } = libc();
    this.disconnect();
    this.rt.close();
    call.close(this.socket);
    call.close(this.host);
  }
}

/** The VXLAN device with its program, and the address that it is reached by. */
function furnish(rt: Rtnetlink, program: number): void {
  const { port } = HELPER_ENDPOINT;
  rt.setLink(LOOPBACK, { up: true });
  rt.addAddress(LOOPBACK, ADDRESS, HOST_BITS);
  rt.addVxlan({ name: "vxlan", index: VXLAN, port, mtu_bytes: HELPER_MTU_BYTES });
  attachForGood(program, VXLAN, "in");
  rt.setLink(VXLAN, { up: true });
}
