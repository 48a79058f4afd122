/** What a datagram between two nodes holds. */

/** `tun` carries IP packets, `tap` Ethernet frames. */
export type Mode = "tun" | "tap";
