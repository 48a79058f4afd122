/**
 * Network devices by ioctl(2): TUN and TAP, and what ethtool(8) asks.
 * Layouts are those of 64-bit little-endian Linux (x86_64, aarch64); offsets are in bytes.
 */

/** linux/if_tun.h. The ioctl numbers are _IOW('T', n, int), and _IOR for TUNGETFEATURES. */
export const TUN_DEVICE = "/dev/net/tun";
export const TUNSETIFF = 0x400454ca;
export const TUNGETFEATURES = 0x800454cf;
export const IFF_TUN = 0x0001;
export const IFF_TAP = 0x0002;
export const TUNSETOFFLOAD = 0x400454d0;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;

/** Offloads for TUNSETOFFLOAD (linux/if_tun.h); USO since Linux 6.2. */
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;

/** Whether a device stays when its last descriptor is closed. */
export const TUNSETPERSIST = 0x400454cb;

/** struct ifreq (linux/if.h): the name, then a union that holds flags, or a pointer to data. */
export const IFREQ = { size: 40, name: 0, flags: 16, data: 16 } as const;

/** ioctl(2) on any socket: linux/sockios.h, linux/ethtool.h; struct ethtool_value. */
export const SIOCETHTOOL = 0x8946;
export const ETHTOOL_GTSO = 0x1e;
export const ETHTOOL_VALUE = { size: 8, command: 0, data: 4 } as const;
