import { parseConfig } from "../../../src/config/parse.ts";
import { wgQuickFile } from "../../../src/tools/setup/wg.ts";
import { assertEquals, assertThrows } from "../../assert.ts";

const KEYS = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte).toBase64());
const loaded = parseConfig(
  `
default: node-a
nodes:
  - name: node-a
    address: 192.168.0.8
    subnets: [172.1.0.0/16, "fd00:172:1::/64"]
    public_key: ${KEYS[0]}
  - {name: node-b, subnets: [172.2.0.0/16], public_key: ${KEYS[1]}, keepalive: 10s}
  - name: phone
    subnets: [172.3.0.9/32, "fd00:172:3::/64"]
    public_key: ${KEYS[2]}
    preshared_key_file: /etc/tunnet/phone.psk
    wireguard: true
`,
  "my\nconfig.yaml",
);
const node = (name: string) => loaded.config.nodes.find((one) => one.name === name)!;

Deno.test("setup --wg: a phone behind a NAT, towards a default node and one without address", () => {
  assertEquals(
    wgQuickFile(loaded, node("phone")),
    `# phone, by the config my\\nconfig.yaml: for wg-quick, with mode 0600.
[Interface]
PrivateKey = THE PRIVATE KEY OF ${KEYS[2]}
Address = 172.3.0.9/32, fd00:172:3::1/128

[Peer]
# node-a
PublicKey = ${KEYS[0]}
PresharedKey = WHAT /etc/tunnet/phone.psk HOLDS
Endpoint = 192.168.0.8:3009
AllowedIPs = 172.1.0.0/16, fd00:172:1::/64, 0.0.0.0/0, ::/0
PersistentKeepalive = 25

[Peer]
# node-b
PublicKey = ${KEYS[1]}
PresharedKey = WHAT /etc/tunnet/phone.psk HOLDS
AllowedIPs = 172.2.0.0/16
PersistentKeepalive = 25
`,
  );
});

Deno.test("setup --wg: a host with an address listens; no key, or frames, and there is none", () => {
  const [head, missing, , , , listen] = wgQuickFile(loaded, node("node-a")).split("\n");
  assertEquals(head!.startsWith("# node-a"), true);
  assertEquals(
    missing,
    "# In the config, this node still needs `wireguard: true`: it hears no hellos.",
  );
  assertEquals(listen, "ListenPort = 3009");
  const plain = { ...node("phone"), keys: undefined! };
  assertThrows(() => wgQuickFile(loaded, plain), Error, "phone has no public_key");
  const tap = { ...loaded, config: { ...loaded.config, mode: "tap" as const } };
  assertThrows(() => wgQuickFile(tap, node("phone")), Error, "not in mode tap");
});
