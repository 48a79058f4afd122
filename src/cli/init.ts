/** `tunnet init`: the config to start from. Two nodes; it passes the checks. */

import { DEFAULT_DEVICE, DEFAULT_PORT } from "../base/limits.ts";
import { say } from "./output.ts";

/** A commented tunnet.yaml. */
export const STARTER_CONFIG =
  `# tunnet.yaml: the same file on every node. Check it with: tunnet check

# All pods: a private network that nothing else here uses. One route to the device covers them. Without it: one route per remote subnet.
network: 10.244.0.0/16

# One entry per node. A node finds its own entry by its address, or by --node NAME.
nodes:
  - name: node-a
    # An IPv4 or IPv6 address or a host name, reachable from the other nodes;
    # with :PORT if it differs from the port below ([fd00::8]:4000 for IPv6).
    address: 192.168.0.8
    # The pods of this node: its Docker or bridge subnets. Both IPv4 and IPv6 prefixes are possible.
    subnets: [10.244.1.0/24]
  - name: node-b
    address: 192.168.0.7
    subnets: [10.244.2.0/24]

# The node that gets what no subnet covers (default: nobody, and the sender gets an ICMP error).
# default: node-b

# UDP port of every node whose address names none.
# port: ${DEFAULT_PORT}

# Name of the tun device. One that exists already (ip tuntap add) is taken over.
# device: ${DEFAULT_DEVICE}

# Serve the status page and metrics there (--http), ask for them by names (*.NAME: all below it),
# and show packets to whoever asks. With [HOST:]PORT alone, only this host itself can ask.
# http: 9309
# http_hosts: [node-a.example.org]
# http_trace: true

# How much is logged (error, warn, info, debug; info,json for JSON lines), and --engine.
# log: info
# engine: auto

# MTU of the device: auto is the underlay's minus the overhead (28 bytes over IPv4, 48 over IPv6).
# mtu: auto

# What the tunnel carries: tun is IP packets. tap is Ethernet frames: the pods of all nodes then
# share one subnet, and nodes need no subnets. Each node's device joins the bridge of its pods, and
# auto takes 18 more bytes off the MTU. A node's macs: ["02:42:ac:01:00:02"] are nobody else's.
# mode: tun
# bridge: br0
`;

/** Prints it. */
export function runInit(): number {
  say(STARTER_CONFIG);
  return 0;
}
