/** What a device can do with a packet by itself (ethtool(8)). */

import { addressOf, libc } from "../../ffi/libc.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from "../../ffi/socket.ts";
import { ETHTOOL_GTSO, ETHTOOL_VALUE, IFREQ, SIOCETHTOOL } from "../../ffi/tun.ts";
import { DEVICE_NAME_MAX_BYTES } from "../base/limits.ts";

/** Whether a device takes TCP super-packets whole; false also where there is no such device. */
export function takesTcpSuperPackets(name: string): boolean {
  const text = new TextEncoder().encode(name);
  if (text.length === 0 || text.length > DEVICE_NAME_MAX_BYTES) return false;
  const { call } = libc();
  const fd = call.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  try {
    const value = new Uint8Array(ETHTOOL_VALUE.size);
    const answer = new DataView(value.buffer);
    answer.setUint32(ETHTOOL_VALUE.command, ETHTOOL_GTSO, true);
    const request = new Uint8Array(IFREQ.size);
    request.set(text, IFREQ.name);
    const data = BigInt(addressOf(value));
    new DataView(request.buffer).setBigUint64(IFREQ.data, data, true);
    if (call.ioctl(fd, SIOCETHTOOL, request) < 0) return false;
    return answer.getUint32(ETHTOOL_VALUE.data, true) !== 0;
  } finally {
    call.close(fd);
  }
}
