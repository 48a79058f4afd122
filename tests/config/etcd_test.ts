import { assertEquals, assertThrows } from "../assert.ts";
import { ConfigError, UsageError } from "../../src/base/errors.ts";
import { resolveConfig } from "../../src/config/load.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { readEtcdEndpoint, readEtcdPrefix, readLease } from "../../src/config/etcd.ts";

const DEFAULTS = {
  prefix: "/coreos.com/network",
  lease_ms: 86_400_000,
  privateKeyFile: undefined,
  allowPlain: false,
};

Deno.test("config of etcd: endpoints are enough, and no node has to be named", () => {
  const { config } = parseConfig("etcd: {endpoints: [http://10.0.0.5]}\n", "t.yaml");
  assertEquals(config.nodes, []);
  assertEquals(config.etcd?.endpoints, ["http://10.0.0.5:2379"]);
  assertEquals([config.etcd?.prefix, config.etcd?.lease_ms], [DEFAULTS.prefix, DEFAULTS.lease_ms]);
});

Deno.test("config of etcd: every key of it", () => {
  const text = `
private_key_file: /k
etcd:
  endpoints: ["https://[fd00::5]:4001/", "https://etcd.example:2379"]
  prefix: /my/net/
  lease: 30s
  ca_file: /ca
  cert_file: /cert
  key_file: /key
  username: me
  password_file: /password
`;
  assertEquals(parseConfig(text, "t.yaml").config.etcd, {
    endpoints: ["https://[fd00::5]:4001", "https://etcd.example:2379"],
    prefix: "/my/net",
    lease_ms: 30_000,
    caFile: "/ca",
    certFile: "/cert",
    keyFile: "/key",
    username: "me",
    passwordFile: "/password",
    privateKeyFile: "/k",
    allowPlain: false,
  });
});

Deno.test("config of etcd: what does not go with it, one line each", () => {
  const problems = (text: string, mode?: "tap") => {
    const error = assertThrows(() => parseConfig(text, "", mode ? { mode } : {}), ConfigError);
    return error.message.split("\n").map((line) => line.replace(/^line \d+: /, ""));
  };
  const head = "etcd:\n  endpoints: [http://10.0.0.5]\n";
  for (
    const [text, line] of [
      ["etcd: x\n", 'etcd: "x", not a mapping; try: etcd: {endpoints: [http://10.0.0.5:2379]}'],
      ["etcd: {}\n", "etcd: no endpoints; try: endpoints: [http://10.0.0.5:2379]"],
      [
        `${head}network: 10.5.0.0/16\n`,
        "network: not beside etcd (with etcd, the network is the one that is in there); " +
        "try: no network in the config",
      ],
      [`${head}  cert_file: /c\n`, "etcd: cert_file without key_file; try: both, or none"],
      [`${head}  key_file: /c\n`, "etcd: key_file without cert_file; try: both, or none"],
      [
        `${head}  username: me\n`,
        "etcd: username and password_file go together; try: both, or none",
      ],
      [
        `${head}mode: tap\n`,
        "etcd: not in mode tap (etcd has a subnet for each node, and frames are switched); " +
        "try: mode: tun",
      ],
    ] as const
  ) assertEquals(problems(text), [line], text);
});

Deno.test("config of etcd: the command line's endpoints take the place of the file's, or of a file", () => {
  const files = new Map([["/f", "etcd: {endpoints: [http://10.0.0.5], lease: 1h}\n"]]);
  const access = {
    readFile: (path: string) => {
      const text = files.get(path);
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
    env: () => undefined,
  };
  const etcd = ["http://10.0.0.6:2379"];
  const named = resolveConfig({ config: "/f", etcd }, access, undefined).config.etcd;
  assertEquals([named?.endpoints, named?.lease_ms], [etcd, 3_600_000]);
  const bare = resolveConfig({ etcd }, access, undefined);
  assertEquals([bare.source, bare.config.etcd?.endpoints, bare.config.nodes], ["etcd", etcd, []]);
  assertThrows(
    () => resolveConfig({ etcd, specs: ["172.2.0.0/16=10.0.0.1"] }, access, undefined),
    UsageError,
    "--etcd and inline peers",
  );
});

Deno.test("config of etcd: values", () => {
  const why = (text: string) => readEtcdEndpoint(text).problem?.why;
  assertEquals(why("10.0.0.5:2379"), "neither http:// nor https:// is in front");
  assertEquals(
    why("http://me:pw@10.0.0.5"),
    "user and password go into username and password_file",
  );
  assertEquals(why("http://10.0.0.5:2379/v3"), "something comes after its port");
  assertEquals(why("http://10.0.0.500"), "an octet is over 255");
  for (const text of ["", "/", "x", "/a b", "/a//b", "/ä"]) {
    assertEquals(readEtcdPrefix(text).problem !== undefined, true, text);
  }
  assertEquals([readLease("5s"), readLease("720h")], [{ value: 5_000 }, { value: 2_592_000_000 }]);
  for (const text of ["4s", "721h", "10", "1d", "0s"]) {
    assertEquals(readLease(text).problem !== undefined, true, text);
  }
});
