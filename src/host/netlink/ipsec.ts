/** Whether the kernel encrypts or decrypts what goes and comes (IPsec), through NETLINK_XFRM. */

import { SyscallError } from "../../../ffi/libc.ts";
import {
  NETLINK_XFRM,
  SPD_INFO,
  XFRM_MSG_GETSPDINFO,
  XFRM_MSG_NEWSPDINFO,
  XFRMA_SPD_INFO,
} from "../../../ffi/netlink.ts";
import { Exchange } from "./exchange.ts";
import { decodeAttributes, MalformedMessage } from "./message.ts";
import { LinuxSocket } from "./socket.ts";

const BUFFER_BYTES = 8 * 1024;

/** The body of request and answer is a word of flags. */
const BODY_BYTES = 4;

/** Policies for what comes and goes; 0 also where the kernel has no IPsec, or does not tell. */
export function ipsecPolicies(): number {
  let exchange: Exchange | undefined;
  try {
    exchange = new Exchange(new LinuxSocket(NETLINK_XFRM, BUFFER_BYTES));
    const request = { type: XFRM_MSG_GETSPDINFO, body: new Uint8Array(BODY_BYTES) };
    const counts = exchange.request(request, ({ type, payload }) => {
      if (type !== XFRM_MSG_NEWSPDINFO || payload.length < BODY_BYTES) return [];
      const info = decodeAttributes(payload.subarray(BODY_BYTES)).get(XFRMA_SPD_INFO);
      if (!info || info.length < SPD_INFO.out + 4) return [];
      const view = new DataView(info.buffer, info.byteOffset);
      return [view.getUint32(SPD_INFO.in, true) + view.getUint32(SPD_INFO.out, true)];
    });
    return counts[0] ?? 0;
  } catch (error) {
    if (error instanceof SyscallError || error instanceof MalformedMessage) return 0;
    throw error;
  } finally {
    exchange?.close();
  }
}
