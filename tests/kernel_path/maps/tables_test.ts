import { assertEquals } from "../../assert.ts";
import { LOCAL, NO_ROUTE } from "../../../src/forwarding/prefixes.ts";
import { LOCAL_OWNER, NOBODY, routeKey, u32 } from "../../../src/kernel_path/maps/records.ts";
import { KernelTables } from "../../../src/kernel_path/maps/tables.ts";
import { parsePrefix } from "../../../src/net/prefix.ts";

/** What the routes' maps hold, by key. */
function owners(routes: readonly (readonly [prefix: string, hop: number])[], defaultPeer: number) {
  const held = new Map<string, string>();
  const map = {
    set: (key: Uint8Array, value: Uint8Array) => void held.set(`${key}`, `${value}`),
    delete: (key: Uint8Array) => void held.delete(`${key}`),
  };
  const tables = new KernelTables({
    ...{ routes4: map, routes6: map, peers: map, senders: map, counts: map },
  });
  const parsed = (text: string) => parsePrefix(text)!.prefix;
  tables.setRoutes(routes.map(([text, hop]) => ({ prefix: parsed(text), hop })), defaultPeer);
  return (text: string) => held.get(`${routeKey(parsed(text))}`);
}

Deno.test("kernel tables: a wide subnet owns as little of what is reserved as the default node", () => {
  const own = ["172.1.0.0/16", LOCAL] as const;
  const nobodys = ["10.0.0.3/32", NO_ROUTE] as const;
  for (
    const owner of [
      owners([own, nobodys], 7),
      owners([own, nobodys, ["0.0.0.0/1", 7], ["8000::/1", 7]], -1),
    ]
  ) {
    assertEquals(owner("172.1.0.0/16"), `${u32(LOCAL_OWNER)}`);
    for (
      const prefix of ["10.0.0.3/32", "127.0.0.0/8", "169.254.0.0/16", "fe80::/10", "ff00::/8"]
    ) {
      assertEquals(owner(prefix), `${u32(NOBODY)}`, prefix);
    }
  }
  const obeyed = owners([["169.254.0.0/16", 3]], 7);
  assertEquals(obeyed("169.254.0.0/16"), `${u32(3)}`, "what the config gives to somebody");
});
