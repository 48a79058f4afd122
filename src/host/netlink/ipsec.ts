/** Whether the kernel encrypts or decrypts what goes and comes (IPsec), through NETLINK_XFRM. */

import { NETLINK_XFRM } from "../../../ffi/layout.ts";
import { SyscallError } from "../../../ffi/libc.ts";
import { Exchange } from "./exchange.ts";
import * as nl from "./message.ts";
import { LinuxSocket } from "./socket.ts";

const BUFFER_BYTES = 8 * 1024;

/** Requests and an attribute of linux/xfrm.h. */
const XFRM_MSG_NEWSPDINFO = 0x24;
const XFRM_MSG_GETSPDINFO = 0x25;
const XFRMA_SPD_INFO = 1;
/** Offsets of incnt and outcnt in struct xfrmu_spdinfo. */
const SPD_IN = 0;
const SPD_OUT = 4;
/** The body of both is a word of flags. */
const BODY_BYTES = 4;

/** Policies for what comes and goes; 0 also where the kernel has no IPsec, or does not tell. */
export function ipsecPolicies(): number {
  let exchange: Exchange | undefined;
  try {
    exchange = new Exchange(new LinuxSocket(NETLINK_XFRM, BUFFER_BYTES));
    const request = { type: XFRM_MSG_GETSPDINFO, body: new Uint8Array(BODY_BYTES) };
    const counts = exchange.request(request, ({ type, payload }) => {
      if (type !== XFRM_MSG_NEWSPDINFO || payload.length < BODY_BYTES) return [];
      const info = nl.decodeAttributes(payload.subarray(BODY_BYTES)).get(XFRMA_SPD_INFO);
      if (!info || info.length < SPD_OUT + 4) return [];
      const view = new DataView(info.buffer, info.byteOffset);
      return [view.getUint32(SPD_IN, true) + view.getUint32(SPD_OUT, true)];
    });
    return counts[0] ?? 0;
  } catch (error) {
    if (error instanceof SyscallError || error instanceof nl.MalformedMessage) return 0;
    throw error;
  } finally {
    exchange?.close();
  }
}
