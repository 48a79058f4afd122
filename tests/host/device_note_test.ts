import { assert, assertEquals } from "../assert.ts";
import { libc } from "../../ffi/libc.ts";
import { RTPROT_STATIC, RTPROT_TUNNET_DEVICE } from "../../ffi/netlink.ts";
import { DeviceNote, putBack } from "../../src/host/device_note.ts";
import type { Sysctl } from "../../src/host/ip_forward.ts";
import { openPinnedRtnetlink } from "../../src/host/netlink/linux.ts";
import type { Rtnetlink } from "../../src/host/netlink/rtnetlink.ts";
import { inNewNetns, ownNetns } from "../../src/host/private_netns.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../src/net/prefix.ts";
import { canMakeNamespaces } from "./namespace.ts";

const ALIAS = "somebody's";
const ADDRESSES = ["172.1.0.0/32", "fd00:1::/128"].map((text) => {
  const [host, length] = text.split("/");
  return { address: parseAddress(host!)!, length_bits: Number(length) };
});
const NOTHING = { addresses: [], joins: false, settings: [] } as const;

/** A device in a namespace of its own: a bridge, of which nothing here depends. */
function withDevice(use: (rt: Rtnetlink, index: number) => void): () => void {
  return () => {
    const machine = ownNetns();
    const rt = inNewNetns(machine, openPinnedRtnetlink);
    try {
      rt.addBridge("tun-a");
      const { index } = rt.getLink("tun-a")!;
      rt.setLink(index, { mtu_bytes: 1300, alias: ALIAS });
      use(rt, index);
    } finally {
      rt.close();
      libc().call.close(machine);
    }
  };
}

function test(name: string, use: (rt: Rtnetlink, index: number) => void): void {
  Deno.test({ name: `device note: ${name}`, ignore: !canMakeNamespaces, fn: withDevice(use) });
}

const shown = (rt: Rtnetlink, index: number) => {
  const { mtu_bytes, up, alias, master } = rt.getLink(index)!;
  const addresses = rt.addresses(index).map(({ address }) => formatAddress(address.bytes));
  const routes = rt.routes(index).map(({ prefix }) => formatPrefix(prefix));
  const unasked = (text: string) => /^(fe80|ff00)/.test(text);
  return {
    ...{ mtu_bytes, up, alias, master },
    all: [...addresses, ...routes].filter((one) => !unasked(one)).sort(),
  };
};

test("what a process that was killed has done is undone, and nothing else", (rt, index) => {
  const before = shown(rt, index);
  const change = { addresses: ADDRESSES, joins: false, settings: [["accept_ra", "1"]] as const };
  assert(DeviceNote.write(rt, rt.getLink(index)!, change));
  rt.setLink(index, { mtu_bytes: 1400, up: true });
  for (const { address, length_bits } of ADDRESSES) rt.addAddress(index, address, length_bits);
  const route = { prefix: parsePrefix("172.0.0.0/8")!.prefix, index };
  rt.addRoute({ ...route, protocol: RTPROT_TUNNET_DEVICE });
  const written: string[] = [];
  const sysctl: Sysctl = {
    read: () => undefined,
    write: (name, value) => void written.push(`${name} ${value}`),
  };
  assert(putBack(rt, "tun-a", sysctl));
  assertEquals(shown(rt, index), before);
  assertEquals(written, ["net/ipv6/conf/tun-a/accept_ra 1"]);
  assert(!putBack(rt, "tun-a", sysctl), "once");
});

test("a device that was up stays so, with what is others'", (rt, index) => {
  rt.setLink(index, { up: true });
  const own = { address: parseAddress("10.9.0.1")!, length_bits: 24 };
  rt.addAddress(index, own.address, own.length_bits);
  const note = DeviceNote.write(rt, rt.getLink(index)!, {
    ...NOTHING,
    addresses: [own, ADDRESSES[0]!],
  });
  rt.addAddress(index, ADDRESSES[0]!.address, 32);
  note!.add([ADDRESSES[1]!]);
  rt.addAddress(index, ADDRESSES[1]!.address, 128);
  const theirs = { prefix: parsePrefix("10.8.0.0/16")!.prefix, index, protocol: RTPROT_STATIC };
  rt.addRoute(theirs);
  assert(putBack(rt, "tun-a"));
  const { up, alias, all } = shown(rt, index);
  assertEquals([up, alias, all], [true, ALIAS, ["10.8.0.0/16", "10.9.0.0/24", "10.9.0.1"]]);
});

test("cleared, it leaves the alias that was there", (rt, index) => {
  const note = DeviceNote.write(rt, rt.getLink(index)!, NOTHING)!;
  assert(rt.getLink(index)!.alias!.startsWith("tunnet puts back: "));
  note.clear();
  assertEquals(rt.getLink(index)!.alias, ALIAS);
  assert(!putBack(rt, "tun-a"));
  rt.removeLink(index);
  note.clear();
});

test("what has no room is not noted, and what is no note is left", (rt, index) => {
  rt.setLink(index, { alias: "x".repeat(200) });
  const before = shown(rt, index);
  assertEquals(DeviceNote.write(rt, rt.getLink(index)!, NOTHING), undefined);
  assertEquals(shown(rt, index), before);
  for (const alias of ["", "{", "{}", '{"mtu":1,"up":1}', "null", "[]"]) {
    rt.setLink(index, { alias: `tunnet puts back: ${alias}` });
    assert(!putBack(rt, "tun-a"), alias);
  }
  assert(!putBack(rt, "tun-b"), "no device");
});
