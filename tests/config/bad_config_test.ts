/** Bad configs: every one of them is refused with exactly these lines. */

import { ConfigError, EXIT } from "../../src/base/errors.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";

interface BadConfig {
  readonly name: string;
  readonly yaml: string;
  /** The lines after `tunnet: error: `. */
  readonly errors: readonly string[];
}

const BAD_CONFIGS: readonly BadConfig[] = [
  {
    name: "empty",
    yaml: "",
    errors: ["t.yaml: no config in it; try: tunnet init, which prints one to start from"],
  },
  {
    name: "only a comment",
    yaml: "# x\n",
    errors: ["t.yaml: no config in it; try: tunnet init, which prints one to start from"],
  },
  {
    name: "scalar",
    yaml: "hello\n",
    errors: ['t.yaml: "hello", not a mapping; try: tunnet init, which prints one to start from'],
  },
  {
    name: "list",
    yaml: "- a\n",
    errors: ["t.yaml: a list, not a mapping; try: tunnet init, which prints one to start from"],
  },
  {
    name: "roaming at the top is any unknown key",
    yaml: "roaming: true\nnodes: [{name: a, address: 10.0.0.1, subnets: []}]\n",
    errors: [
      't.yaml: line 1: unknown key "roaming"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
    ],
  },
  {
    name: "empty mapping",
    yaml: "{}\n",
    errors: ["t.yaml: nodes: missing; try: nodes: with one `- name: ...` entry per node"],
  },
  {
    name: "unknown key",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\nnewtork: 172.0.0.0/8\n",
    errors: ['t.yaml: line 3: unknown key "newtork" (did you mean "network"?)'],
  },
  {
    name: "unknown key far",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\ncolour: red\n",
    errors: [
      't.yaml: line 3: unknown key "colour"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
    ],
  },
  {
    name: "proto key",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n__proto__: {port: 1}\n",
    errors: [
      't.yaml: line 3: unknown key "__proto__"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
    ],
  },
  {
    name: "constructor",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\nconstructor: x\n",
    errors: [
      't.yaml: line 3: unknown key "constructor"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
    ],
  },
  {
    name: "node unknown key",
    yaml: "nodes:\n  - {name: a, adress: 10.0.0.1, subnets: []}\n",
    errors: [
      't.yaml: line 2, node a: unknown key "adress" (did you mean "address"?)',
      "t.yaml: line 2, node a: address: missing; try: address: HOST",
    ],
  },
  {
    name: "nodes mapping",
    yaml: "nodes:\n  a: {address: 10.0.0.1}\n",
    errors: [
      "t.yaml: line 1: nodes: a mapping, not a list; try: nodes: with one `- name: ...` entry per node",
    ],
  },
  {
    name: "no node",
    yaml: "nodes: []\n",
    errors: ["t.yaml: line 1: nodes: no node; try: nodes: with one `- name: ...` entry per node"],
  },
  {
    name: "node is text",
    yaml: "nodes: [a]\n",
    errors: [
      't.yaml: line 1, node number 1: "a", not a mapping; try: {name: NAME, address: HOST, subnets: [CIDR]}',
    ],
  },
  {
    name: "node null",
    yaml: "nodes:\n  -\n",
    errors: [
      "t.yaml: line 2, node number 1: empty, not a mapping; try: {name: NAME, address: HOST, subnets: [CIDR]}",
    ],
  },
  {
    name: "nodes null",
    yaml: "nodes:\n",
    errors: [
      "t.yaml: line 1: nodes: empty, not a list; try: nodes: with one `- name: ...` entry per node",
    ],
  },
  {
    name: "missing keys",
    yaml: "nodes: [{}]\n",
    errors: [
      "t.yaml: line 1, node number 1: name: missing; try: name: NAME",
      "t.yaml: line 1, node number 1: address: missing; try: address: HOST",
      "t.yaml: line 1, node number 1: subnets: missing; try: subnets: [172.2.0.0/16]",
    ],
  },
  {
    name: "octet",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.300.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.300.0.0/16" is not a prefix (an octet is over 255); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "length 33",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.2.0.0/33]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.2.0.0/33" is not a prefix (the length is over 32); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "no length",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.2.0.0]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.2.0.0" is not a prefix (it has no length); try: 172.2.0.0/16',
    ],
  },
  {
    name: "len text",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.2.0.0/x]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.2.0.0/x" is not a prefix (the length is not a number); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "leading zero",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.02.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.02.0.0/16" is not a prefix (an octet has a leading zero); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "3 octets",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.2.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "172.2.0/16" is not a prefix (3 octets, not 4); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "text prefix",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [pods]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "pods" is not a prefix (not four numbers with dots); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "v6 len",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fd00::/129']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "fd00::/129" is not a prefix (the length is over 128); try: ADDRESS/LENGTH such as fd00:2::/64',
    ],
  },
  {
    name: "v6 bad",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fd00::1::/64']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "fd00::1::/64" is not a prefix ("::" is there more than once); try: ADDRESS/LENGTH such as fd00:2::/64',
    ],
  },
  {
    name: "v6 group",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fd00:12345::/64']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "fd00:12345::/64" is not a prefix (a group is not 1 to 4 hex digits); try: ADDRESS/LENGTH such as fd00:2::/64',
    ],
  },
  {
    name: "v6 short",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fd00:1:2/64']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "fd00:1:2/64" is not a prefix (3 groups, not 8); try: ADDRESS/LENGTH such as fd00:2::/64',
    ],
  },
  {
    name: "v6 long",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['1:2:3:4::5:6:7:8:9/64']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "1:2:3:4::5:6:7:8:9/64" is not a prefix (too many groups); try: ADDRESS/LENGTH such as fd00:2::/64',
    ],
  },
  {
    name: "wide",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [0.0.0.0/0]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "0.0.0.0/0" is too wide (it covers every address, those of the nodes too); try: default: NAME for the node that gets the rest',
    ],
  },
  {
    name: "multicast",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [224.0.0.0/8]}\n',
    errors: ['t.yaml: line 3, node b: subnets: "224.0.0.0/8" cannot hold pods (multicast)'],
  },
  {
    name: "loop",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [127.0.0.0/8]}\n',
    errors: ['t.yaml: line 3, node b: subnets: "127.0.0.0/8" cannot hold pods (loopback)'],
  },
  {
    name: "linklocal",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fe80::/64']}\n",
    errors: ['t.yaml: line 3, node b: subnets: "fe80::/64" cannot hold pods (link-local)'],
  },
  {
    name: "mapped",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['::ffff:10.1.0.0/112']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "::ffff:10.1.0.0/112" cannot hold pods (IPv4 written as IPv6)',
    ],
  },
  {
    name: "subnets text",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: 172.1.0.0/16}\n",
    errors: ['t.yaml: line 2, node a: subnets: "172.1.0.0/16", not a list; try: [172.1.0.0/16]'],
  },
  {
    name: "subnets null",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: }\n",
    errors: ["t.yaml: line 2, node a: subnets: empty, not a list; try: [172.2.0.0/16]"],
  },
  {
    name: "subnet list in list",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [[172.2.0.0/16]]}\n',
    errors: ["t.yaml: line 3, node b: subnets: a list, not a single value"],
  },
  {
    name: "subnet null",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [~]}\n',
    errors: [
      't.yaml: line 3, node b: subnets: "~" is not a prefix (not four numbers with dots); try: ADDRESS/LENGTH such as 172.2.0.0/16',
    ],
  },
  {
    name: "comma string",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['172.2.0.0/16, 172.3.0.0/16']}\n",
    errors: [
      't.yaml: line 3, node b: subnets: "172.2.0.0/16, 172.3.0.0/16" is not a prefix (several in one string); try: [A/LENGTH, B/LENGTH]',
    ],
  },
  {
    name: "addr octet",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.256", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.0.256" is not an address (an octet is over 255); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "addr 3",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.1", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.1" is not an address (3 octets, not 4); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "addr number",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "167772162", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "167772162" is not an address (1 octet, not 4); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "addr prefix",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2/24", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.0.2/24" is not an address (a prefix, not an address); try: the address without /LENGTH',
    ],
  },
  {
    name: "addr port 0",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2:0", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.0.2:0" is not an address (its port "0" is wrong: out of range); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port big",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2:65536", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.0.2:65536" is not an address (its port "65536" is wrong: out of range); try: a number from 1 to 65535',
    ],
  },
  {
    name: "addr port empty",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2:", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "10.0.0.2:" is not an address (its port "" is wrong: not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "bracket",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "[fd00::1", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "[fd00::1" is not an address (brackets go around an IPv6 address: [ADDRESS]:PORT); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "bracket v4",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "[10.0.0.2]:3009", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "[10.0.0.2]:3009" is not an address (brackets are for IPv6 addresses); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "zone",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "fe80::1%eth0", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "fe80::1%eth0" is not an address (zone ids are not supported); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "unspec",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "0.0.0.0", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "0.0.0.0" is not a node\'s address (unspecified: no peer could send to it)',
    ],
  },
  {
    name: "bcast",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "255.255.255.255", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "255.255.255.255" is not a node\'s address (broadcast)',
    ],
  },
  {
    name: "mcast",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "239.1.1.1", subnets: [172.2.0.0/16]}\n',
    errors: ['t.yaml: line 3, node b: address: "239.1.1.1" is not a node\'s address (multicast)'],
  },
  {
    name: "mapped addr",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "::ffff:10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "::ffff:10.0.0.2" is not a node\'s address (IPv4 written as IPv6); try: 10.0.0.2',
    ],
  },
  {
    name: "host space",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "node b", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "node b" is not an address (it holds a space); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "host dash",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "-b.example", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "-b.example" is not an address (a label begins or ends with a dash); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "host empty label",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "b..example", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "b..example" is not an address (an empty label); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "host long",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb..." is not an address (a label is over 63 characters); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "addr empty",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "" is not an address (it is empty); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "addr url",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "http://b", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node b: address: "http://b" is not an address (a URL, not a host); try: an IP address or a host name, with :PORT if need be',
    ],
  },
  {
    name: "mixed",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "fd00::2", subnets: [172.2.0.0/16]}\n',
    errors: [
      "t.yaml: line 3, node b: address: fd00::2 is an IPv6 address (the address of node a is IPv4, and one overlay runs over one of them); try: addresses of one IP version for all nodes",
    ],
  },
  {
    name: "dup name",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: a, address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node a: name: "a" is used twice (node number 1 has it too); try: a name of its own for each node',
    ],
  },
  {
    name: "dup addr",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.1", subnets: [172.2.0.0/16]}\n',
    errors: [
      "t.yaml: line 3, node b: address: 10.0.0.1:3009 is used twice (also the address of node a); try: an address or a port of its own for each node",
    ],
  },
  {
    name: "dup addr port",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.1:3009", subnets: [172.2.0.0/16]}\n',
    errors: [
      "t.yaml: line 3, node b: address: 10.0.0.1:3009 is used twice (also the address of node a); try: an address or a port of its own for each node",
    ],
  },
  {
    name: "dup host",
    yaml:
      "nodes:\n  - {name: a, address: Node.example, subnets: []}\n  - {name: b, address: node.EXAMPLE., subnets: []}\n",
    errors: [
      "t.yaml: line 3, node b: address: node.example:3009 is used twice (also the address of node a); try: an address or a port of its own for each node",
    ],
  },
  {
    name: "dup subnet",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.1.0.0/16]}\n',
    errors: [
      "t.yaml: line 3, node b: subnets: 172.1.0.0/16 is used twice (also in the subnets of node a); try: each subnet at one node only",
    ],
  },
  {
    name: "dup host bits",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.1.0.1/16]}\n',
    errors: [
      "t.yaml: line 3, node b: subnets: 172.1.0.0/16 is used twice (also in the subnets of node a); try: each subnet at one node only",
    ],
  },
  {
    name: "in pod",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "172.1.0.5", subnets: [172.2.0.0/16]}\n',
    errors: [
      "t.yaml: line 3, node b: address: 172.1.0.5 lies in the pod subnet 172.1.0.0/16 (of node a; packets between nodes would go into the tunnel); try: node addresses outside all pod subnets",
    ],
  },
  {
    name: "in the narrower of two pod subnets, IPv4",
    yaml:
      'nodes:\n  - {name: a, address: 172.1.0.5, subnets: [172.0.0.0/8, "fd00::/64"]}\n  - {name: b, address: 10.0.0.2, subnets: [172.1.0.0/16]}\n',
    errors: [
      "t.yaml: line 2, node a: address: 172.1.0.5 lies in the pod subnet 172.1.0.0/16 (of node b; packets between nodes would go into the tunnel); try: node addresses outside all pod subnets",
    ],
  },
  {
    name: "in the narrower of two pod subnets, IPv6",
    yaml:
      'nodes:\n  - {name: a, address: "fd00:0:1::5", subnets: ["fd00::/32"]}\n  - {name: b, address: "2001:db8::2", subnets: ["fd00:0:1::/48", "fd00:0:2::/64"]}\n',
    errors: [
      "t.yaml: line 2, node a: address: fd00:0:1::5 lies in the pod subnet fd00:0:1::/48 (of node b; packets between nodes would go into the tunnel); try: node addresses outside all pod subnets",
    ],
  },
  {
    name: "outside",
    yaml:
      'network: 172.0.0.0/8\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [10.9.0.0/16]}\n',
    errors: [
      "t.yaml: line 4, node b: subnets: 10.9.0.0/16 is outside the network (which is 172.0.0.0/8); try: a wider network, or none",
    ],
  },
  {
    name: "two networks",
    yaml:
      "network: [172.0.0.0/8, 10.0.0.0/8]\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      "t.yaml: line 1: network: 10.0.0.0/8 is a second IPv4 network (the first is 172.0.0.0/8); try: one prefix that covers both, or no network at all",
    ],
  },
  {
    name: "three",
    yaml:
      "network: [172.0.0.0/8, 10.0.0.0/8, 'fd00::/8']\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      "t.yaml: line 1: network: 3 networks (at most one per IP version); try: one prefix that covers them, or no network at all",
    ],
  },
  {
    name: "network map",
    yaml: "network: {a: b}\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: ["t.yaml: line 1: network: a mapping, not a single value"],
  },
  {
    name: "network null",
    yaml: "network:\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: ["t.yaml: line 1: network: no value; try: a value after the colon, or no such line"],
  },
  {
    name: "default none",
    yaml:
      'default: c\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: ['t.yaml: line 1: default: "c" is no node; try: the name of a node'],
  },
  {
    name: "default near",
    yaml:
      'default: nodeb\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: node-b, address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 1: default: "nodeb" is no node (did you mean "node-b"?); try: the name of a node',
    ],
  },
  {
    name: "default null",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\ndefault:\n",
    errors: ["t.yaml: line 3: default: no value; try: a value after the colon, or no such line"],
  },
  {
    name: "default tilde",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\ndefault: ~\n",
    errors: [
      't.yaml: line 3: default: "~" is not a node name (it holds "~"); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "name bad",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: 'b c', address: \"10.0.0.2\", subnets: [172.2.0.0/16]}\n",
    errors: [
      't.yaml: line 3, node number 2: name: "b c" is not a node name (it holds a space); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "name long",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node number 2: name: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb..." is not a node name (64 characters, at most 63); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "name uni",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: nöde, address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node number 2: name: "nöde" is not a node name (it holds "ö"); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "name empty",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: '', address: \"10.0.0.2\", subnets: [172.2.0.0/16]}\n",
    errors: [
      't.yaml: line 3, node number 2: name: "" is not a node name (it is empty); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "name list",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: [b], address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: ["t.yaml: line 3, node number 2: name: a list, not a single value"],
  },
  {
    name: "port 0",
    yaml: "port: 0\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "0" is not a port (out of range); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port sexa",
    yaml: "port: 22:22\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "22:22" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port octal",
    yaml: "port: 03009\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "03009" is not a port (it has a leading zero); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port float",
    yaml: "port: 3009.0\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "3009.0" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port neg",
    yaml: "port: -1\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "-1" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port hex",
    yaml: "port: 0xbc1\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "0xbc1" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port exp",
    yaml: "port: 1e3\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "1e3" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "port yes",
    yaml: "port: yes\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: port: "yes" is not a port (not a number); try: a number from 1 to 65535',
    ],
  },
  {
    name: "mtu 67",
    yaml: "mtu: 67\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: mtu: "67" is not an MTU (out of range); try: auto, or a number from 68 to 65535',
    ],
  },
  {
    name: "mtu big",
    yaml: "mtu: 65536\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: mtu: "65536" is not an MTU (out of range); try: auto, or a number from 68 to 65535',
    ],
  },
  {
    name: "mtu text",
    yaml: "mtu: big\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: mtu: "big" is not an MTU (not a number); try: auto, or a number from 68 to 65535',
    ],
  },
  {
    name: "mtu v6",
    yaml:
      "mtu: 1279\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: b, address: \"10.0.0.2\", subnets: ['fd00:2::/64']}\n",
    errors: [
      "t.yaml: line 1: mtu: 1279 is too small for IPv6 pods (such as fd00:2::/64: IPv6 needs 1280); try: 1280 or more, or auto",
    ],
  },
  {
    name: "device long",
    yaml:
      "device: tunnet0123456789\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "tunnet0123456789" is not a device name (16 bytes, at most 15); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device slash",
    yaml: "device: a/b\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "a/b" is not a device name (it holds "/"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device dot",
    yaml: "device: ..\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: ".." is not a device name (reserved); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device space",
    yaml: "device: 'a b'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "a b" is not a device name (it holds a space); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device pct",
    yaml: "device: 'tun%d'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "tun%d" is not a device name (it holds "%"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device colon",
    yaml: "device: 'a:b'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "a:b" is not a device name (it holds ":"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device plus",
    yaml: "device: 'eth+'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "eth+" is not a device name (it holds "+"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device star",
    yaml: "device: '*'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "*" is not a device name (it holds "*"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device dash",
    yaml: "device: -x\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "-x" is not a device name (it begins with "-"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device exclamation",
    yaml: "device: '!x'\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "!x" is not a device name (it begins with "!"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device all",
    yaml: "device: all\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "all" is not a device name (reserved); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device default",
    yaml: "device: default\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "default" is not a device name (reserved); try: a short name such as tunnet0',
    ],
  },
  {
    name: "device empty",
    yaml: "device: ''\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: device: "" is not a device name (it is empty); try: a short name such as tunnet0',
    ],
  },
  {
    name: "MAC addresses that are none, a group, zeros, twice",
    yaml: `mode: tap
nodes:
  - {name: a, address: 10.0.0.1, macs: ["02:42:ac:01:00", "01:00:5e:00:00:01"]}
  - {name: b, address: 10.0.0.2, macs: ["00:00:00:00:00:00", "02:42:ac:01:00:02", 2, [x]]}
  - {name: c, address: 10.0.0.3, macs: ["02:42:AC:01:00:02"]}
  - {name: d, address: 10.0.0.4, macs: "02:42:ac:01:00:03"}
`,
    errors: [
      't.yaml: line 3, node a: macs: "02:42:ac:01:00" is not a station\'s MAC address (not six pairs of hex digits with colons); try: six octets such as 02:42:ac:01:00:02',
      't.yaml: line 3, node a: macs: "01:00:5e:00:00:01" is not a station\'s MAC address (a group: the lowest bit of its first octet is set); try: six octets such as 02:42:ac:01:00:02',
      't.yaml: line 4, node b: macs: "00:00:00:00:00:00" is not a station\'s MAC address (all zeros); try: six octets such as 02:42:ac:01:00:02',
      't.yaml: line 4, node b: macs: "2" is not a station\'s MAC address (not six pairs of hex digits with colons); try: six octets such as 02:42:ac:01:00:02',
      "t.yaml: line 4, node b: macs: a list, not a single value",
      't.yaml: line 6, node d: macs: "02:42:ac:01:00:03", not a list; try: ["02:42:ac:01:00:02"]',
      "t.yaml: line 5, node c: macs: 02:42:ac:01:00:02 is used twice (also in the macs of node b); try: each MAC address at one node only",
    ],
  },
  {
    name: "a bad bridge name",
    yaml: "mode: tap\nbridge: br/0\nnodes:\n  - {name: a, address: 10.0.0.1}\n",
    errors: [
      't.yaml: line 2: bridge: "br/0" is not a device name (it holds "/"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "mode",
    yaml: "mode: bridge\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: ['t.yaml: line 1: mode: "bridge" is not a mode; try: tun or tap'],
  },
  {
    name: "dup key",
    yaml: "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\nport: 1\nport: 2\n",
    errors: [
      "t.yaml: line 4, column 1: not YAML (this key is twice in one mapping); try: keep one of the two",
    ],
  },
  {
    name: "a tab before a list",
    yaml: "nodes:\n\t- name: a\n",
    errors: ["t.yaml: line 2, column 1: not YAML (a tab in the indentation); try: spaces"],
  },
  {
    name: "a tab in the indentation",
    yaml: "nodes:\n  - name: a\n\taddress: b\n",
    errors: ["t.yaml: line 3, column 1: not YAML (a tab in the indentation); try: spaces"],
  },
  {
    name: "nul",
    yaml: "nodes: \u0000\n",
    errors: ["t.yaml: line 1, column 8: not YAML (NUL character); try: a file saved as UTF-8 text"],
  },
  {
    name: "unclosed",
    yaml: "nodes: [\n",
    errors: [
      "t.yaml: line 1, column 8: not YAML (a [ is never closed); try: a closing ]",
    ],
  },
  {
    name: "unclosed q",
    yaml: "device: 'a\n",
    errors: ["t.yaml: line 1, column 9: not YAML (a ' is never closed); try: a closing '"],
  },
  {
    name: "unclosed dq",
    yaml: 'device: "a\n',
    errors: ['t.yaml: line 1, column 9: not YAML (a " is never closed); try: a closing "'],
  },
  {
    name: "two docs",
    yaml:
      "nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n---\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      "t.yaml: line 3, column 1: not YAML (a second document begins after ---); try: one document",
    ],
  },
  {
    name: "alias",
    yaml: "nodes: *x\n",
    errors: [
      "t.yaml: line 1, column 10: not YAML (an alias (*name) without its anchor (&name)); try: quotes around a leading *",
    ],
  },
  {
    name: "tag",
    yaml: "nodes: !!js/function x\n",
    errors: ["t.yaml: line 1, column 23: not YAML (YAML tags are not used here); try: no !tag"],
  },
  {
    name: "indent",
    yaml: "nodes:\n  - name: a\n   address: b\n",
    errors: [
      "t.yaml: line 3, column 4: not YAML (indentation does not match the lines above); try: the same number of spaces",
    ],
  },
  {
    name: "colon",
    yaml: "nodes:\n  - name:a\n    address: b\n",
    errors: [
      "t.yaml: line 3, column 12: not YAML (indentation does not match the lines above); try: the same number of spaces",
    ],
  },
  {
    name: "ctl",
    yaml: "device: a\u0001b\n",
    errors: ["t.yaml: line 1, column 12: not YAML (control character); try: delete the character"],
  },
  {
    name: "int tag",
    yaml: "port: !!int 5\n",
    errors: ["t.yaml: line 1, column 14: not YAML (YAML tags are not used here); try: no !tag"],
  },
  {
    name: "merge",
    yaml:
      "x: &a {port: 1}\n<<: *a\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 1: unknown key "x"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
      't.yaml: line 2: unknown key "<<"; try: one of network, port, device, mode, bridge, mtu, nodes, default, http, http_hosts, http_trace, engine, log, private_key_file, allow_plain, etcd',
    ],
  },
  {
    name: "esc",
    yaml: 'device: "\\q"\n',
    errors: [
      "t.yaml: line 1, column 11: not YAML (unknown \\ escape); try: 'single quotes', which know no escapes",
    ],
  },
  {
    name: "flow comma",
    yaml: "nodes: [a b: c d]\n",
    errors: [
      't.yaml: line 1, node number 1: unknown key "a b"; try: one of name, address, subnets, macs, accept, public_key, preshared_key_file, wireguard, keepalive',
      "t.yaml: line 1, node number 1: name: missing; try: name: NAME",
      "t.yaml: line 1, node number 1: address: missing; try: address: HOST",
      "t.yaml: line 1, node number 1: subnets: missing; try: subnets: [172.2.0.0/16]",
    ],
  },
  {
    name: "flow comma2",
    yaml: "nodes: [{a: b} {c: d}]\n",
    errors: [
      "t.yaml: line 1, column 16: not YAML (a comma is missing between two entries); try: [A, B]",
    ],
  },
  {
    name: "percent",
    yaml: "%FOO\n",
    errors: ["t.yaml: line 2, column 1: not YAML (it breaks off or is misplaced)"],
  },
  {
    name: "several",
    yaml:
      "prot: 1\nport: x\nnodes:\n  - {name: a, address: 1.2.3, subnets: [x, 172.1.0.0/16]}\n  - {name: a, address: 10.0.0.2, subnets: [172.1.0.0/16]}\ndefault: z\n",
    errors: [
      't.yaml: line 1: unknown key "prot" (did you mean "port"?)',
      't.yaml: line 2: port: "x" is not a port (not a number); try: a number from 1 to 65535',
      't.yaml: line 4, node a: address: "1.2.3" is not an address (3 octets, not 4); try: an IP address or a host name, with :PORT if need be',
      't.yaml: line 4, node a: subnets: "x" is not a prefix (not four numbers with dots); try: ADDRESS/LENGTH such as 172.2.0.0/16',
      't.yaml: line 5, node a: name: "a" is used twice (node number 1 has it too); try: a name of its own for each node',
      't.yaml: line 6: default: "z" is no node; try: the name of a node',
      "t.yaml: line 5, node a: subnets: 172.1.0.0/16 is used twice (also in the subnets of node a); try: each subnet at one node only",
    ],
  },
  {
    name: "bidi",
    yaml:
      'device: "\\u202eabc"\nnodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n',
    errors: [
      't.yaml: line 1: device: "\\u202eabc" is not a device name (it holds "\\u202e"); try: a short name such as tunnet0',
    ],
  },
  {
    name: "a name like an option",
    yaml: "nodes:\n  - {name: -n--undo, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n",
    errors: [
      't.yaml: line 2, node number 1: name: "-n--undo" is not a node name (it begins with "-"); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "newline name",
    yaml:
      'nodes:\n  - {name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}\n  - {name: "b\\nc", address: "10.0.0.2", subnets: [172.2.0.0/16]}\n',
    errors: [
      't.yaml: line 3, node number 2: name: "b\\nc" is not a node name (it holds "\\n"); try: letters, digits, dots, dashes and underscores',
    ],
  },
  {
    name: "line of a missing colon of a node's key",
    yaml: `nodes:
  - name: a
    address 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: 10.0.0.2
    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 3, column 5: not YAML (a key has no colon); try: KEY: VALUE`],
  },
  {
    name: "line of a missing colon of a node's first key",
    yaml: `nodes:
  - name a
    address: 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: 10.0.0.2
    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 2, column 3: not YAML (a key has no colon); try: KEY: VALUE`],
  },
  {
    name: "line of a missing colon of nodes",
    yaml: `nodes
  - name: a
    address: 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: 10.0.0.2
    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 1, column 1: not YAML (a key has no colon); try: KEY: VALUE`],
  },
  {
    name: "line of a missing colon, a comment below",
    yaml: `nodes:
  - name: a
    address: 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address 10.0.0.2
    # c

    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 6, column 5: not YAML (a key has no colon); try: KEY: VALUE`],
  },
  {
    name: "line of a missing colon at the end",
    yaml: `nodes:
  - name: a
    address: 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: 10.0.0.2
    subnets: [10.2.0.0/16]
port 3009
`,
    errors: [`t.yaml: line 8, column 1: not YAML (a key has no colon); try: KEY: VALUE`],
  },
  {
    name: "line of bracket open",
    yaml: `nodes:
  - name: a
    address: 10.0.0.1
    subnets: [10.1.0.0/16
  - name: b
    address: 10.0.0.2
    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 4, column 14: not YAML (a [ is never closed); try: a closing ]`],
  },
  {
    name: "line of double quote open",
    yaml: `nodes:
  - name: a
    address: "10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: 10.0.0.2
    subnets: ["10.2.0.0/16"]
`,
    errors: [`t.yaml: line 3, column 14: not YAML (a " is never closed); try: a closing "`],
  },
  {
    name: "line of single quote open",
    yaml: `nodes:
  - name: a
    address: 10.0.0.1
    subnets: [10.1.0.0/16]
  - name: b
    address: '10.0.0.2
    subnets: [10.2.0.0/16]
`,
    errors: [`t.yaml: line 6, column 14: not YAML (a ' is never closed); try: a closing '`],
  },
  {
    name: "line of JSON, a bracket open",
    yaml: `{"nodes": [
  {"name": "a", "subnets": ["10.1.0.0/16"},
  {"name": "b"}]}
`,
    errors: [`t.yaml: line 2, column 28: not YAML (a [ is never closed); try: a closing ]`],
  },
  {
    name: "nested too deeply",
    yaml: "[".repeat(20_000),
    errors: ["t.yaml: not a config (nested too deeply); try: tunnet init"],
  },
];

for (const { name, yaml, errors } of BAD_CONFIGS) {
  Deno.test(`bad config: ${name}`, () => {
    const error = assertThrows(() => parseConfig(yaml, "t.yaml"), ConfigError);
    assertEquals(error.message.split("\n"), [...errors]);
    assertEquals(error.exitCode, EXIT.usage);
  });
}

Deno.test("bad configs: at least 100 kinds, each under its own name", () => {
  assert(BAD_CONFIGS.length >= 100);
  assertEquals(new Set(BAD_CONFIGS.map(({ name }) => name)).size, BAD_CONFIGS.length);
});
