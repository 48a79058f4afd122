import { assertEquals } from "../../../assert.ts";
import { formatPrefix, parseAddress, parsePrefix } from "../../../../src/net/prefix.ts";
import {
  formatRecord,
  keyEnd,
  parseKeyEnd,
  readRecord,
} from "../../../../src/peers/source/etcd/records.ts";

const KEY = "QhVnWWP0uvSBbVEuWnqTGZGYLWwQ9wVAC8kFTxRHCGU=";
const ADDRESS = parseAddress("192.168.77.1")!;

Deno.test("etcd records: what is written is what flannel writes, byte for byte", () => {
  assertEquals(formatRecord(ADDRESS), '{"PublicIP":"192.168.77.1","PublicIPv6":null}');
  assertEquals(
    formatRecord(ADDRESS, Uint8Array.fromBase64(KEY)),
    '{"PublicIP":"192.168.77.1","PublicIPv6":null,"BackendType":"wireguard",' +
      `"BackendData":{"PublicKey":"${KEY}"}}`,
  );
  assertEquals(keyEnd(parsePrefix("10.5.34.0/24")!.prefix), "10.5.34.0-24");
});

/** The key pattern and the fields that flannel's etcd registry and its backends read. */
function flannelReads(key: string, value: string): Record<string, unknown> {
  const match = /(\d+\.\d+.\d+.\d+)-(\d+)(?:&([a-f\d:]+)-(\d+))?$/.exec(key);
  const { PublicIP, PublicIPv6, BackendType, BackendData, ...unknown } = JSON.parse(value);
  return {
    subnet: `${match![1]}/${match![2]}`,
    PublicIP,
    PublicIPv6,
    BackendType,
    BackendData,
    unknown,
  };
}

Deno.test("etcd records: flannel reads what is written, and knows every field of it", () => {
  const key = `/coreos.com/network/subnets/${keyEnd(parsePrefix("10.5.34.0/24")!.prefix)}`;
  assertEquals(flannelReads(key, formatRecord(ADDRESS)), {
    subnet: "10.5.34.0/24",
    PublicIP: "192.168.77.1",
    PublicIPv6: null,
    BackendType: undefined,
    BackendData: undefined,
    unknown: {},
  });
  const keyed = flannelReads(key, formatRecord(ADDRESS, Uint8Array.fromBase64(KEY)));
  assertEquals([keyed.BackendType, keyed.BackendData, keyed.unknown], [
    "wireguard",
    { PublicKey: KEY },
    {},
  ]);
});

Deno.test("etcd records: what is written is read again", () => {
  for (const publicKey of [undefined, Uint8Array.fromBase64(KEY)]) {
    const { record } = readRecord("10.5.34.0-24", formatRecord(ADDRESS, publicKey));
    assertEquals(record && formatPrefix(record.subnet), "10.5.34.0/24");
    assertEquals(record?.address, ADDRESS);
    assertEquals(record?.publicKey, publicKey);
    assertEquals(record?.backend, publicKey ? "wireguard" : "udp");
  }
});

Deno.test("etcd records: records of flannel's documentation and of its versions", () => {
  const reads = (end: string, value: string) => {
    const { record, refusal } = readRecord(end, value);
    return record
      ? [formatPrefix(record.subnet), record.address.bytes.join("."), record.backend]
      : refusal;
  };
  assertEquals(reads("10.5.34.0-24", '{"PublicIP":"10.37.7.195"}'), [
    "10.5.34.0/24",
    "10.37.7.195",
    "udp",
  ]);
  assertEquals(
    reads("10.5.1.0-24&fc00::-64", '{"PublicIP":"10.37.7.195","PublicIPv6":"fd00::1"}'),
    ["10.5.1.0/24", "10.37.7.195", "udp"],
  );
  assertEquals(
    reads(
      "10.5.52.0-24",
      '{"PublicIP":"192.168.64.3","BackendType":"vxlan","BackendData":{"VtepMAC":"c2:d2:fb:2a:a2:b1"}}',
    ),
    "backend",
  );
  assertEquals(
    reads("10.5.52.0-24", '{"PublicIP":"192.168.64.3","BackendType":"host-gw"}'),
    "backend",
  );
});

Deno.test("etcd records: whatever else is there is no record", () => {
  const value = '{"PublicIP":"10.37.7.195"}';
  for (
    const end of [
      ...["", "config", "10.5.34.0", "10.5.34.0-", "10.5.34.0-33", "10.5.34.0-31", "10.5.34.0-0"],
      ...["10.5.34.1-24", "10.5.034.0-24", "10.5.34-24", "10.5.340.0-24", "a10.5.34.0-24"],
      ...["10.5.34.0-24/x", "10.5.34.0-24&", "::-64", "10.5.34.0-24\n"],
    ]
  ) {
    assertEquals(parseKeyEnd(end), undefined, end);
    assertEquals(readRecord(end, value).refusal, "malformed", end);
  }
  const refusal = (text: string) => readRecord("10.5.34.0-24", text).refusal;
  for (
    const text of [
      ...["", "null", "[]", "7", '"x"', "{", "{}", '{"PublicIP":7}', '{"PublicIP":"fd00::1"}'],
      ...['{"PublicIP":"1.2.3"}', '{"PublicIP":"1.2.3.4","BackendType":7}'],
      ...['{"PublicIP":"1.2.3.4","BackendType":"wireguard"}'],
      ...['{"PublicIP":"1.2.3.4","BackendType":"wireguard","BackendData":[]}'],
      ...['{"PublicIP":"1.2.3.4","BackendType":"wireguard","BackendData":{"PublicKey":"x"}}'],
      `{"PublicIP":"1.2.3.4","x":"${"x".repeat(5_000)}"}`,
    ]
  ) assertEquals(refusal(text), "malformed", text.slice(0, 60));
  for (const ip of ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1"]) {
    assertEquals(refusal(`{"PublicIP":"${ip}"}`), "address", ip);
  }
});
