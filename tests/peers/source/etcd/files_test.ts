import { assertEquals } from "../../../assert.ts";
import { formatPrefix, parseAddress, parsePrefix } from "../../../../src/net/prefix.ts";
import { formatKept, parseKept } from "../../../../src/peers/source/etcd/kept.ts";
import { formatSubnetEnv, parseSubnetEnv } from "../../../../src/peers/source/etcd/subnet_env.ts";

const prefix = (text: string) => parsePrefix(text)!.prefix;

Deno.test("subnet.env: as flanneld writes it, and read again", () => {
  const env = { network: prefix("10.5.0.0/16"), subnet: prefix("10.5.63.0/24"), mtu_bytes: 1472 };
  const text = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.63.1/24\nFLANNEL_MTU=1472\n" +
    "FLANNEL_IPMASQ=false\n";
  assertEquals(formatSubnetEnv(env), text);
  assertEquals(parseSubnetEnv(text), env);
  assertEquals(parseSubnetEnv("FLANNEL_SUBNET=10.5.63.1/24\n"), undefined);
  assertEquals(parseSubnetEnv(""), undefined);
});

const OF = { prefix: "/net", address: parseAddress("192.168.0.1")! };
const KEPT = {
  network: '{"Network":"10.5.0.0/16"}',
  subnet: prefix("10.5.3.0/24"),
  entries: [{
    ...{ end: "10.5.1.0-24", value: "{}", lease: "7587899194885358345" },
    ...{ created_revision: 3, modified_revision: 9 },
  }],
};

Deno.test("kept members: what is written is read again, by the same node of the same network", () => {
  const text = formatKept(OF, KEPT);
  assertEquals(parseKept(OF, text), KEPT);
  assertEquals(parseKept({ ...OF, prefix: "/other" }, text), undefined);
  assertEquals(parseKept({ ...OF, address: parseAddress("192.168.0.2")! }, text), undefined);
});

Deno.test("kept members: whatever else a file holds is no use, or no entry", () => {
  for (
    const text of ["", "{", "null", "[]", "{}", '{"version":1}', '{"version":2,"prefix":"/net"}']
  ) {
    assertEquals(parseKept(OF, text), undefined, text);
  }
  const fields = JSON.parse(formatKept(OF, KEPT));
  const odd = JSON.stringify({ ...fields, entries: [7, null, { end: 7 }] });
  assertEquals(parseKept(OF, odd)?.entries.map(({ end, lease }) => [end, lease]), [["", "0"]]);
  assertEquals(parseKept(OF, JSON.stringify({ ...fields, subnet: "x" })), undefined);
  assertEquals(formatPrefix(parseKept(OF, JSON.stringify(fields))!.subnet), "10.5.3.0/24");
});
