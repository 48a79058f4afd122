import { assertEquals, assertMatch } from "../../assert.ts";
import { findingsOf } from "../../../src/status/model/findings.ts";
import { History } from "../../../src/status/model/history.ts";
import type { PeerStatus, Status } from "../../../src/status/model/types.ts";
import { statusOf } from "../parts.ts";

/** A past in which so many packets were dropped in the last minutes. */
function lately(no_route = 0) {
  const history = new History();
  for (let at_ms = 0; at_ms <= 10_000; at_ms += 1000) {
    const dropped = at_ms < 6_000 ? 0 : no_route;
    history.add({
      ...{ at_ms, counts: new Map(), dropsOf: () => 0 },
      dropsFor: (way, reason) => way === "outbound" && reason === "no_route" ? dropped : 0,
    });
  }
  return history.of(300_000);
}

/** A status of healthy peers, but for what is changed of each. */
function status(changes: readonly Partial<PeerStatus>[], changed: Partial<Status> = {}): Status {
  const one = statusOf();
  const [first] = one.peers;
  const well = { state: "up", why: null, problems: [] } as const;
  const peers = changes.map((change, i) => ({ ...first!, ...well, name: `p${i}`, ...change }));
  return { ...one, peers, ...changed };
}

Deno.test("findings: a healthy node has none", () => {
  assertEquals(findingsOf(status([{}, {}]), lately()), []);
});

Deno.test("findings: each state of a peer that needs something, with the command that helps", () => {
  const long_ago = "2020-01-01T00:00:00.000Z";
  const found = findingsOf(
    status([
      { state: "one-way", why: "p0 does not hear this node", port: 4000 },
      { state: "down", why: "refused" },
      { state: "silent", why: "it says hello no more" },
      { state: "plain", why: "nothing was heard of it yet", last_seen: null, since: long_ago },
      { state: "plain", last_seen: long_ago, since: long_ago },
      { problems: ["it runs in mode tap, this node in mode tun"] },
    ]),
    lately(),
  );
  assertEquals(found.map(({ id, status, peers, fix_on }) => [id, status, peers[0], fix_on]), [
    ["peer_one_way", "fail", "p0", "p0"],
    ["peer_down", "fail", "p1", "p1"],
    ["peer_silent", "fail", "p2", "p2"],
    ["peer_unheard", "warn", "p3", "p3"],
    ["peer_config", "warn", "p5", "p5"],
  ]);
  assertMatch(found[0]!.fix!, /^iptables .* --dport 4000 -j ACCEPT$/);
});

Deno.test("findings: a plain peer of a node that has just begun is not told of", () => {
  const { time } = statusOf();
  assertEquals(
    findingsOf(status([{ state: "plain", last_seen: null, since: time }]), lately()),
    [],
  );
});

Deno.test("findings: the same of many peers is said once", () => {
  const changes = Array.from({ length: 200 }, (_, i) => ({
    state: "one-way" as const,
    why: `p${i} does not hear this node`,
  }));
  const found = findingsOf(status(changes), lately());
  assertEquals(found.length, 1);
  assertEquals(found[0]!.peers.length, 200);
  const down = findingsOf(status([{ state: "down" }, { state: "down" }]), lately());
  assertEquals(down.map(({ fix, peers }) => [fix, peers]), [["tunnet doctor", ["p0", "p1"]]]);
});

Deno.test("findings: the device, the config and etcd", () => {
  const { node, device } = statusOf();
  const etcd = {
    ...{ endpoint: "http://e:2379", connected: false, problem: "refused", revision: 1 },
    ...{ subnet: "10.0.0.0/24", lease_held: true, lease_age_seconds: 1, lease_ttl_seconds: 60 },
    ...{ records: 1, refused: {} },
  };
  const found = findingsOf(
    status([], {
      device: { ...device, state: "down" },
      node: {
        ...node,
        problems: ["the device tunnet0 is down"],
        config_reload: { ...node.config_reload, successful: false },
      },
      etcd,
    }),
    lately(),
  );
  assertEquals(found.map(({ id, fix }) => [id, fix]), [
    ["node", "ip link set tunnet0 up"],
    ["config", "tunnet check"],
    ["etcd", "tunnet etcd ls"],
  ]);
});

Deno.test("findings: drops of lately, with their meaning, after what does not work", () => {
  const found = findingsOf(status([{ state: "down", why: "refused" }]), lately(7));
  assertEquals(found.map(({ id }) => id), ["peer_down", "drop_no_route"]);
  const { what, why, fix } = found[1]!;
  assertEquals(what, "outbound packets dropped: no route");
  assertMatch(why, /^7 in the last 5 minutes; each is for no subnet.* \(tunnet route ADDRESS\)$/);
  assertEquals(fix, "tunnet trace no_route");
});
