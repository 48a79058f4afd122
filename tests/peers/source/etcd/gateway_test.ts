import { assertEquals } from "../../../assert.ts";
import { toDigits } from "../../../../src/peers/source/etcd/gateway.ts";

Deno.test("etcd gateway: digits of leases and of members' ids, all 64 bits of them", () => {
  const same = ["0", "7587883475411456772", `${-(2n ** 63n)}`, `${2n ** 64n - 1n}`];
  assertEquals(same.map(toDigits), same);
  assertEquals(toDigits(12), "12");
  const odd = [undefined, null, {}, "", "1e3", "0x1", " 1", "1".repeat(21), 1.5, NaN];
  assertEquals(odd.map(toDigits), odd.map(() => "0"));
});
