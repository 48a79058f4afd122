import { deviceHolders, parseSockets } from "../../../../src/tools/doctor/gather/holders.ts";
import { parseAddress } from "../../../../src/net/prefix.ts";
import { assertEquals } from "../../../assert.ts";

const own = [parseAddress("192.168.0.8")!, parseAddress("fd00::8")!];
const tunnet = '0.0.0.0:* users:(("tunnet",pid=12,fd=9))';

/** Lines of `ss -H -lunp`, and who holds the port at our addresses. */
const LINES: readonly (readonly [line: string, holders: readonly (readonly [number, string])[]])[] =
  [
    [`UNCONN 0 0 192.168.0.8:3009 ${tunnet}`, [[12, "tunnet"]]],
    [`UNCONN 0 0 192.168.0.8%eth0:3009 ${tunnet}`, [[12, "tunnet"]]],
    [`UNCONN 0 0 0.0.0.0:3009 ${tunnet}`, [[12, "tunnet"]]],
    [`UNCONN 0 0 *:3009 *:* users:(("a b",pid=7,fd=1),("c",pid=8,fd=1))`, [[7, "a b"], [8, "c"]]],
    [`UNCONN 0 0 [fd00::8]:3009 [::]:* users:(("x",pid=5,fd=1))`, [[5, "x"]]],
    [`UNCONN 0 0 [::]:3009 [::]:* users:(("x",pid=5,fd=1))`, [[5, "x"]]],
    ["UNCONN 0 0 192.168.0.8:3009 0.0.0.0:*", [[0, ""]]],
    [`UNCONN 0 0 192.168.0.9:3009 ${tunnet}`, []],
    [`UNCONN 0 0 127.0.0.1:3009 ${tunnet}`, []],
    ["", []],
    ["rubbish", []],
  ];

for (const [line, holders] of LINES) {
  Deno.test(`port holders: ${line}`, () => {
    const found = parseSockets(line, own).map(({ pid, name }) => [pid, name] as const);
    assertEquals<typeof holders>(found, holders);
  });
}

Deno.test("device holders: a device that is not there has none", async () => {
  assertEquals(await deviceHolders("tunnet-no.*"), []);
});
