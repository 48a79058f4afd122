import { assert, assertEquals, assertStringIncludes } from "../../../assert.ts";
import { formatAddress, formatPrefix, parsePrefix } from "../../../../src/net/prefix.ts";
import {
  formatNetwork,
  isOfNetwork,
  pickSubnet,
  readNetwork,
} from "../../../../src/peers/source/etcd/network.ts";
import { prefixAt } from "../../../../src/peers/source/etcd/records.ts";

const prefix = (text: string) => parsePrefix(text)!.prefix;

function read(text: string) {
  const { network, problem } = readNetwork(text);
  if (!network) return problem.why;
  const at = (first: number) => formatAddress(prefixAt(first, 32).bytes);
  const { length_bits, first, last, backend, port } = network;
  return [formatPrefix(network.network), length_bits, at(first), at(last), backend, port];
}

Deno.test("etcd network: flannel's examples and its defaults", () => {
  assertEquals(
    read(
      '{"Network":"10.0.0.0/8","SubnetLen":20,"SubnetMin":"10.10.0.0","SubnetMax":"10.99.0.0","Backend":{"Type":"udp","Port":7890}}',
    ),
    [
      "10.0.0.0/8",
      20,
      "10.10.0.0",
      "10.99.0.0",
      "udp",
      7890,
    ],
  );
  assertEquals(read('{"Network":"10.5.0.0/16"}'), [
    "10.5.0.0/16",
    24,
    "10.5.1.0",
    "10.5.255.0",
    "udp",
    8285,
  ]);
  assertEquals(read('{"Network":"10.5.0.0/24","Backend":{"Type":"wireguard"}}'), [
    "10.5.0.0/24",
    26,
    "10.5.0.64",
    "10.5.0.192",
    "wireguard",
    51820,
  ]);
  assertEquals(read('{"Network":"10.5.0.0/22","SubnetLen":0}')?.[1], 24);
  assertEquals(
    read('{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard","ListenPort":7}}')?.[5],
    7,
  );
});

Deno.test("etcd network: what cannot be used says why", () => {
  for (
    const [text, why] of [
      ["", "no JSON object"],
      ["[]", "no JSON object"],
      ["{}", "Network is no IPv4 prefix"],
      ['{"Network":"fd00::/48"}', "Network is no IPv4 prefix"],
      ['{"Network":"10.5.0.0/29"}', "no room for four subnets"],
      ['{"Network":"10.5.0.0/16","SubnetLen":17}', "SubnetLen is not from 18 to 30"],
      ['{"Network":"10.5.0.0/16","SubnetLen":31}', "SubnetLen is not from 18 to 30"],
      ['{"Network":"10.5.0.0/16","SubnetLen":"24"}', "SubnetLen"],
      ['{"Network":"10.5.0.0/16","SubnetMin":"10.6.0.0"}', "SubnetMin"],
      ['{"Network":"10.5.0.0/16","SubnetMin":"10.5.0.1"}', "SubnetMin"],
      ['{"Network":"10.5.0.0/16","SubnetMin":"10.5.9.0","SubnetMax":"10.5.8.0"}', "SubnetM"],
      ['{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}', 'its backend is "vxlan"'],
      ['{"Network":"10.5.0.0/16","Backend":{"Port":0}}', "no such port"],
      ['{"Network":"10.5.0.0/16","Backend":{"Port":"8285"}}', "no such port"],
    ] as const
  ) assertStringIncludes(String(read(text)), why, text);
});

Deno.test("etcd network: what is written is read again", () => {
  const text = formatNetwork({ network: prefix("10.5.0.0/16"), backend: "udp" });
  assertEquals(
    text,
    '{"Network":"10.5.0.0/16","SubnetLen":24,"Backend":{"Type":"udp","Port":8285}}',
  );
  assertEquals(read(text)?.[5], 8285);
  const keyed = formatNetwork({
    ...{ network: prefix("10.5.0.0/16"), length_bits: 26, backend: "wireguard", port: 9 },
  });
  assertEquals(read(keyed), ["10.5.0.0/16", 26, "10.5.0.64", "10.5.255.192", "wireguard", 9]);
});

Deno.test("etcd network: a free subnet among the first ones, by chance", () => {
  const { network } = readNetwork('{"Network":"10.5.0.0/16","SubnetMax":"10.5.4.0"}');
  assert(network);
  const pick = (taken: readonly string[], chance: number) => {
    const subnet = pickSubnet(network, (one) => taken.includes(formatPrefix(one)), () => chance);
    return subnet && formatPrefix(subnet);
  };
  assertEquals(pick([], 0), "10.5.1.0/24");
  assertEquals(pick([], 0.999), "10.5.4.0/24");
  assertEquals(pick(["10.5.1.0/24", "10.5.4.0/24"], 0.5), "10.5.3.0/24");
  assertEquals(pick(["1", "2", "3", "4"].map((i) => `10.5.${i}.0/24`), 0.5), undefined);
  const isOf = (text: string) => isOfNetwork(network, prefix(text));
  assertEquals(["10.5.1.0/24", "10.5.4.0/24"].map(isOf), [true, true]);
  assertEquals(["10.5.0.0/24", "10.5.5.0/24", "10.5.1.0/25", "10.6.1.0/24"].map(isOf), [
    ...[false, false, false, false],
  ]);
});
