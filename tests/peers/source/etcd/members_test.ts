import { assert, assertEquals } from "../../../assert.ts";
import type { NodeConfig } from "../../../../src/config/types.ts";
import { formatPrefix, parseAddress, parsePrefix } from "../../../../src/net/prefix.ts";
import {
  type Entry,
  type MemberRules,
  Members,
  type NodesDiff,
} from "../../../../src/peers/source/etcd/members.ts";
import { readNetwork } from "../../../../src/peers/source/etcd/network.ts";
import { formatRecord } from "../../../../src/peers/source/etcd/records.ts";

const prefix = (text: string) => parsePrefix(text)!.prefix;
const key = (i: number) => new Uint8Array(32).fill(i);

function members(rules: Partial<MemberRules> = {}): Members {
  return new Members({
    network: readNetwork('{"Network":"10.5.0.0/16"}').network!,
    ownAddress: parseAddress("192.168.0.1")!,
    allowPlain: false,
    fixed: [],
    ...rules,
  });
}

function entry(subnet: string, address: string, revision: number, publicKey?: Uint8Array): Entry {
  return {
    end: subnet.replace("/", "-"),
    value: formatRecord(parseAddress(address)!, publicKey),
    created_revision: revision,
    modified_revision: revision,
    lease: "0",
  };
}

const nodeText = ({ name, subnets }: NodeConfig) =>
  `${name} ${subnets.map(formatPrefix).join(" ")}`;
const text = ({ added, changed, removed }: NodesDiff) => ({
  added: added.map(nodeText),
  changed: changed.map(nodeText),
  removed,
});
const refused = (table: Members) => Object.fromEntries(table.refused());

Deno.test("etcd members: records come and go as nodes", () => {
  const table = members();
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2));
  table.put(entry("10.5.2.0/24", "192.168.0.3", 3));
  assertEquals(text(table.take()), {
    added: ["192.168.0.2 10.5.1.0/24", "192.168.0.3 10.5.2.0/24"],
    changed: [],
    removed: [],
  });
  assertEquals(text(table.take()), { added: [], changed: [], removed: [] });
  // Renewed: the same record with another lease.
  table.put({ ...entry("10.5.1.0/24", "192.168.0.2", 4), created_revision: 2, lease: "9" });
  assertEquals(text(table.take()), { added: [], changed: [], removed: [] });
  table.delete("10.5.2.0-24");
  table.put(entry("10.5.3.0/24", "192.168.0.2", 5));
  assertEquals(text(table.take()), {
    added: [],
    changed: ["192.168.0.2 10.5.1.0/24 10.5.3.0/24"],
    removed: ["192.168.0.3"],
  });
  assertEquals(table.nodes().map(({ endpoint }) => endpoint), [{
    host: "192.168.0.2",
    port: 8285,
  }]);
});

Deno.test("etcd members: what came and went between two looks is no news", () => {
  const table = members();
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2));
  table.delete("10.5.1.0-24");
  assertEquals(text(table.take()), { added: [], changed: [], removed: [] });
});

Deno.test("etcd members: a subnet goes to another node in one step", () => {
  const table = members();
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2));
  table.take();
  table.put({ ...entry("10.5.1.0/24", "192.168.0.3", 3) });
  assertEquals(text(table.take()), {
    added: ["192.168.0.3 10.5.1.0/24"],
    changed: [],
    removed: ["192.168.0.2"],
  });
});

Deno.test("etcd members: what claims another's subnet waits until that is free", () => {
  const table = members();
  table.put(entry("10.5.2.0/24", "192.168.0.2", 2));
  table.put(entry("10.5.2.0/25", "192.168.0.3", 3));
  table.put(entry("10.5.0.0/20", "192.168.0.4", 4));
  assertEquals(text(table.take()).added, ["192.168.0.2 10.5.2.0/24"]);
  assertEquals(refused(table), { taken: 2 });
  table.delete("10.5.2.0-24");
  assertEquals(text(table.take()), {
    added: ["192.168.0.3 10.5.2.0/25"],
    changed: [],
    removed: ["192.168.0.2"],
  });
  table.delete("10.5.2.0-25");
  assertEquals(text(table.take()).added, ["192.168.0.4 10.5.0.0/20"]);
  assertEquals(refused(table), {});
});

Deno.test("etcd members: nobody takes this node's subnet or its address", () => {
  const table = members();
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2));
  table.put(entry("10.5.7.0/24", "192.168.0.1", 3));
  table.take();
  assertEquals(table.own()?.end, "10.5.7.0-24");
  table.claim(prefix("10.5.1.0/24"));
  assertEquals(text(table.take()).removed, ["192.168.0.2"]);
  assertEquals(refused(table), { taken: 1, own_address: 1 });
  table.claim(prefix("10.5.7.0/24"));
  assertEquals(text(table.take()).added, ["192.168.0.2 10.5.1.0/24"]);
  assertEquals(refused(table), {});
});

Deno.test("etcd members: what is outside the network, or would be reached through it", () => {
  const fixed = [{
    name: "office",
    endpoint: { host: "192.168.0.9", port: 8285 },
    subnets: [prefix("10.5.9.0/24")],
  }];
  const table = members({ fixed });
  table.put(entry("10.6.1.0/24", "192.168.0.2", 2));
  table.put(entry("10.5.3.0/24", "10.5.3.1", 3));
  table.put(entry("10.5.9.0/24", "192.168.0.3", 4));
  table.put(entry("10.5.4.0/24", "192.168.0.9", 5));
  table.put({ ...entry("10.5.5.0/24", "192.168.0.5", 6), value: "{" });
  table.put({ ...entry("10.5.6.0/24", "192.168.0.6", 7, key(1)) });
  assertEquals(text(table.take()).added, []);
  assertEquals(refused(table), { outside: 1, address: 2, taken: 1, malformed: 1, backend: 1 });
  assertEquals(table.nodes().map(({ name }) => name), ["office"]);
  assert(["10.5.9.0/24", "10.5.5.0/24"].every((one) => table.isTaken(prefix(one))));
  assert(!table.isTaken(prefix("10.5.10.0/24")));
});

Deno.test("etcd members: with a key, others have one too, and are known by it", () => {
  const table = members({ ownKey: key(9) });
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2, key(1)));
  table.put(entry("10.5.2.0/24", "192.168.0.3", 3));
  const [node] = table.take().added;
  assertEquals([node?.name, node?.keys?.publicKey], ["192.168.0.2", key(1)]);
  assertEquals(refused(table), { plain: 1 });
  // It has moved: the record of its old place is not gone yet.
  table.put(entry("10.5.3.0/24", "192.168.0.4", 4, key(1)));
  assertEquals(text(table.take()), {
    added: ["192.168.0.4 10.5.1.0/24 10.5.3.0/24"],
    changed: [],
    removed: ["192.168.0.2"],
  });
  // Another key at that place: the newest record is right.
  table.put(entry("10.5.4.0/24", "192.168.0.4", 5, key(2)));
  assertEquals(text(table.take()).changed, ["192.168.0.4 10.5.4.0/24"]);
  assertEquals(refused(table).superseded, 1);
  assertEquals(table.own(), undefined);
  table.put(entry("10.5.5.0/24", "192.168.0.77", 6, key(9)));
  assertEquals(table.own()?.end, "10.5.5.0-24");
  assertEquals(text(table.take()).added, []);
});

Deno.test("etcd members: a list takes the place of what was known", () => {
  const table = members();
  table.put(entry("10.5.1.0/24", "192.168.0.2", 2));
  table.put(entry("10.5.2.0/24", "192.168.0.3", 3));
  table.take();
  table.replace([entry("10.5.2.0/24", "192.168.0.3", 3), entry("10.5.3.0/24", "192.168.0.4", 4)]);
  assertEquals(text(table.take()), {
    added: ["192.168.0.4 10.5.3.0/24"],
    changed: [],
    removed: ["192.168.0.2"],
  });
  assertEquals(table.entries().map(({ end }) => end), ["10.5.2.0-24", "10.5.3.0-24"]);
});

Deno.test("etcd members: whatever happens, no two nodes have an address in common", () => {
  let seed = 7;
  const random = (n: number) => (seed = seed * 48_271 % 2_147_483_647) % n;
  const table = members();
  const known = new Map<string, string>();
  for (let i = 0; i < 3_000; i++) {
    const length_bits = 22 + random(4);
    const at = random(32) * 2 ** (32 - length_bits) % 8_192;
    const subnet = `10.5.${at >> 8}.${at & 255}/${length_bits}`;
    if (random(3) === 0) table.delete(subnet.replace("/", "-"));
    else table.put(entry(subnet, `192.168.1.${random(12)}`, i));
    const { added, changed, removed } = table.take();
    for (const name of removed) assert(known.delete(name), `${name} was there`);
    for (const node of added) {
      assert(!known.has(node.name), `${node.name} is new`);
      known.set(node.name, nodeText(node));
    }
    for (const node of changed) {
      assert(known.has(node.name), `${node.name} is not new`);
      known.set(node.name, nodeText(node));
    }
    assertEquals(
      table.nodes().map(({ name }) => name).toSorted(),
      [...known.keys()].toSorted(),
    );
    const ranges = table.nodes().flatMap(({ subnets }) => subnets).map(({ bytes, length_bits }) => {
      const first = (bytes[2]! << 8) + bytes[3]!;
      return { first, end: first + 2 ** (32 - length_bits) };
    }).toSorted((one, other) => one.first - other.first);
    ranges.forEach(({ first }, j) => assert(j === 0 || ranges[j - 1]!.end <= first, subnet));
  }
});
