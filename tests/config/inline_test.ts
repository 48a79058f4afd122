import { INLINE_NODE, INLINE_SOURCE, parseInline } from "../../src/config/inline.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { formatEndpoint, formatPrefix } from "../../src/net/prefix.ts";
import { assertEquals, assertThrows } from "../assert.ts";

function rows(...args: Parameters<typeof parseInline>): string[] {
  return parseInline(...args).config.nodes.map(({ name, endpoint, subnets }) =>
    [name, formatEndpoint(endpoint.host, endpoint.port), ...subnets.map(formatPrefix)].join(" ")
  );
}

Deno.test("parseInline: one node per host and port, and this node last", () => {
  assertEquals(
    rows({
      specs: [
        "172.2.0.0/16,172.3.0.0/16=192.168.0.7",
        "172.4.0.0/16=192.168.0.7:3009",
        "172.5.0.0/16=192.168.0.7:4000",
        "172.6.0.0/16=Pods.example",
        "172.7.0.0/16=local",
      ],
      local: ["172.1.0.0/16"],
    }),
    [
      "192.168.0.7 192.168.0.7:3009 172.2.0.0/16 172.3.0.0/16 172.4.0.0/16",
      "192.168.0.7:4000 192.168.0.7:4000 172.5.0.0/16",
      "pods.example pods.example:3009 172.6.0.0/16",
      "local:3009 local:3009 172.7.0.0/16",
      "local 0.0.0.0:3009 172.1.0.0/16",
    ],
  );
});

Deno.test("parseInline: IPv6 peers bind to all IPv6 addresses, --listen and --port override", () => {
  const specs = ["fd00:2::/64=[2001:db8::7]:4000", "fd00:3::/64=2001:db8::8"];
  assertEquals(rows({ specs, local: ["fd00:1::/64"] }, { port: 5000 }), [
    "2001:db8::7 [2001:db8::7]:4000 fd00:2::/64",
    "2001:db8::8 [2001:db8::8]:5000 fd00:3::/64",
    "local [::]:5000 fd00:1::/64",
  ]);
  assertEquals(
    rows({ specs: ["172.2.0.0/16=10.0.0.2"], local: ["172.1.0.0/16"], listen: "10.0.0.1:6000" })[1],
    "local 10.0.0.1:6000 172.1.0.0/16",
  );
});

Deno.test("parseInline: source, overrides and warnings", () => {
  const loaded = parseInline(
    { specs: ["172.2.0.1/16=10.0.0.2"], local: [] },
    { device: "x", mtu_bytes: 1000 },
  );
  assertEquals(loaded.source, INLINE_SOURCE);
  assertEquals(loaded.config.nodes.at(-1)!.name, INLINE_NODE);
  assertEquals([loaded.config.device, loaded.config.mtu_bytes], ["x", 1000]);
  assertEquals(loaded.warnings, [
    'peer "172.2.0.1/16=10.0.0.2": "172.2.0.1/16" has host bits set; read as 172.2.0.0/16',
    "no --local: this node has no pods of its own, and peers may not know how to answer it",
  ]);
  assertEquals(parseInline({ specs: ["172.2.0.0/16=10.0.0.2"] }).warnings, []);
});

const SPEC_HOW = "CIDR[,CIDR...]=HOST[:PORT] such as 172.2.0.0/16=192.168.0.7";

const BAD:
  readonly (readonly [name: string, options: Parameters<typeof parseInline>[0], string[]])[] = [
    ["no equals sign", { specs: ["172.2.0.0/16"] }, [
      `peer "172.2.0.0/16": not a peer (there is no "="); try: ${SPEC_HOW}`,
    ]],
    ["bad prefix", { specs: ["172.300.0.0/16=10.0.0.2"] }, [
      'peer "172.300.0.0/16=10.0.0.2": "172.300.0.0/16" is not a prefix (an octet is over 255); ' +
      "try: ADDRESS/LENGTH such as 172.2.0.0/16",
    ]],
    ["no prefix", { specs: ["=10.0.0.2"] }, [
      'peer "=10.0.0.2": "" is not a prefix (it is empty); ' +
      "try: ADDRESS/LENGTH such as 172.2.0.0/16",
    ]],
    ["no host", { specs: ["172.2.0.0/16="] }, [
      'peer "172.2.0.0/16=": "" is not an address (it is empty); ' +
      "try: an IP address or a host name, with :PORT if need be",
    ]],
    ["all at once", { specs: ["x", "172.2.0.0/16=1.2.3"], local: ["y"], listen: "z z" }, [
      `peer "x": not a peer (there is no "="); try: ${SPEC_HOW}`,
      'peer "172.2.0.0/16=1.2.3": "1.2.3" is not an address (3 octets, not 4); ' +
      "try: an IP address or a host name, with :PORT if need be",
      '--local: "y" is not a prefix (not four numbers with dots); ' +
      "try: ADDRESS/LENGTH such as 172.2.0.0/16",
      '--listen: "z z" is not an address (it holds a space); ' +
      "try: an IP address or a host name, with :PORT if need be",
    ]],
    ["own subnet at a peer", { specs: ["172.1.0.0/16=10.0.0.2"], local: ["172.1.0.0/16"] }, [
      '--local: 172.1.0.0/16 is used twice (also in peer "172.1.0.0/16=10.0.0.2"); ' +
      "try: each subnet at one node only",
    ]],
    ["peer in a pod subnet", { specs: ["10.0.0.0/8=10.0.0.2"] }, [
      'peer "10.0.0.0/8=10.0.0.2": 10.0.0.2 lies in the pod subnet 10.0.0.0/8 (of peer ' +
      '"10.0.0.0/8=10.0.0.2"; packets between nodes would go into the tunnel); ' +
      "try: node addresses outside all pod subnets",
    ]],
    ["IPv4 and IPv6 peers", { specs: ["172.2.0.0/16=10.0.0.2", "172.3.0.0/16=fd00::3"] }, [
      'peer "172.3.0.0/16=fd00::3": fd00::3 is an IPv6 address (peer "172.2.0.0/16=10.0.0.2" is ' +
      "IPv4, and one overlay runs over one of them); " +
      "try: addresses of one IP version for all nodes",
    ]],
    ["listen of another IP version", { specs: ["172.2.0.0/16=10.0.0.2"], listen: "::" }, [
      '--listen: :: is an IPv6 address (peer "172.2.0.0/16=10.0.0.2" is IPv4, and one overlay ' +
      "runs over one of them); try: addresses of one IP version for all nodes",
    ]],
  ];

for (const [name, options, errors] of BAD) {
  Deno.test(`bad inline peers: ${name}`, () => {
    const error = assertThrows(() => parseInline(options), ConfigError);
    assertEquals(error.message.split("\n"), errors);
    assertEquals(error.exitCode, 2);
  });
}

Deno.test("parseInline: in mode tap a peer is a host alone, and subnets go unused", () => {
  const tap = { mode: "tap" } as const;
  assertEquals(rows({ specs: ["192.168.0.7", "pods.example:4000"], local: [] }, tap), [
    "192.168.0.7 192.168.0.7:3009",
    "pods.example pods.example:4000",
    "local 0.0.0.0:3009",
  ]);
  const { config, warnings } = parseInline({ specs: ["172.2.0.0/16=10.0.0.2"], local: [] }, tap);
  assertEquals([config.mode, config.nodes[0]!.subnets], ["tap", []]);
  assertEquals(warnings, [
    'peer "172.2.0.0/16=10.0.0.2": subnets are not used in mode tap, where frames go by MAC address',
  ]);
  assertThrows(() => parseInline({ specs: ["10.0.0.2"] }), ConfigError, 'there is no "="');
});
