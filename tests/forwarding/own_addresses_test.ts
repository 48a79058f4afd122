import { OWN_ADDRESSES_BYTES, OwnAddresses } from "../../src/forwarding/own_addresses.ts";
import { ForwardingTable } from "../../src/forwarding/table.ts";
import { parseAddress } from "../../src/net/prefix.ts";
import { assertEquals } from "../assert.ts";
import { acquired } from "../fakes/table.ts";

const address = (text: string) => parseAddress(text)!;
const bytesOf = (view: DataView | undefined) =>
  view && [...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)];

Deno.test("own addresses: the first of each version, and none where there is none", () => {
  const own = new OwnAddresses(new ArrayBuffer(4 + OWN_ADDRESSES_BYTES), 4);
  assertEquals([own.get(4), own.get(6)], [undefined, undefined]);
  own.write(["172.1.0.0", "172.5.0.0", "fd00::1"].map(address));
  assertEquals(bytesOf(own.get(4)), [172, 1, 0, 0]);
  assertEquals(bytesOf(own.get(6)), [...address("fd00::1").bytes]);
  own.write([address("fd00::2")]);
  assertEquals(own.get(4), undefined);
  assertEquals(bytesOf(own.get(6)), [...address("fd00::2").bytes]);
});

Deno.test("own addresses: they come to the lanes with the routes, and change with them", () => {
  const table = new ForwardingTable();
  table.publishRoutes([], -1, [], [address("10.1.0.0")]);
  const lane = acquired(table);
  assertEquals(bytesOf(lane.own.get(4)), [10, 1, 0, 0]);
  table.publishRoutes([], -1, [], []);
  assertEquals(bytesOf(lane.own.get(4)), [10, 1, 0, 0]);
  lane.acquire();
  assertEquals(lane.own.get(4), undefined);
});
