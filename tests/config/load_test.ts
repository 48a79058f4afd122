import {
  CONFIG_VARIABLE,
  type ConfigAccess,
  type ConfigOptions,
  EMBEDDED_SOURCE,
  resolveConfig,
} from "../../src/config/load.ts";
import { EMBEDDED_CONFIG } from "../../src/config/embedded.ts";
import { INLINE_SOURCE } from "../../src/config/inline.ts";
import { ConfigError, UsageError } from "../../src/base/errors.ts";
import { CONFIG_MAX_BYTES } from "../../src/base/limits.ts";
import { assertEquals, assertThrows } from "../assert.ts";

const yaml = (port: number) =>
  `port: ${port}\nnodes: [{name: a, address: 10.0.0.1, subnets: [172.1.0.0/16]}]\n`;

interface World {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly variable?: string;
  readonly embedded?: string;
}

function access({ files = {}, variable }: World): ConfigAccess {
  return {
    readFile(path, max_bytes) {
      const file = Object.hasOwn(files, path) ? files[path] : undefined;
      return (typeof file === "string" ? new TextEncoder().encode(file) : file)
        ?.subarray(0, max_bytes);
    },
    env: (name) => name === CONFIG_VARIABLE ? variable : undefined,
  };
}

const load = (options: ConfigOptions, world: World) =>
  resolveConfig(options, access(world), world.embedded);

Deno.test("resolveConfig: -c, then the variable, then the two paths, then the executable", () => {
  const files: Record<string, string> = {
    "c.yaml": yaml(1),
    "v.yaml": yaml(2),
    "tunnet.yaml": yaml(3),
    "/etc/tunnet/tunnet.yaml": yaml(4),
  };
  const found = (options: ConfigOptions, world: World) => {
    const { source, config } = load(options, { ...world, embedded: yaml(5) });
    return [source, config.port];
  };
  assertEquals(found({ config: "c.yaml" }, { files, variable: "v.yaml" }), ["c.yaml", 1]);
  assertEquals(found({}, { files, variable: "v.yaml" }), ["v.yaml", 2]);
  assertEquals(found({}, { files, variable: "" }), ["tunnet.yaml", 3]);
  delete files["tunnet.yaml"];
  assertEquals(found({}, { files }), ["/etc/tunnet/tunnet.yaml", 4]);
  assertEquals(found({}, {}), [EMBEDDED_SOURCE, 5]);
});

Deno.test("resolveConfig: inline peers need no file, flags override any config", () => {
  const inline = load({ specs: ["172.2.0.0/16=10.0.0.2"], local: ["172.1.0.0/16"], port: 9 }, {});
  assertEquals([inline.source, inline.config.port], [INLINE_SOURCE, 9]);
  const file = load({ device: "x", port: 9, mtu_bytes: 1400 }, { embedded: yaml(5) });
  assertEquals([file.config.device, file.config.port, file.config.mtu_bytes], ["x", 9, 1400]);
});

const TRY_INIT = "try: tunnet init > tunnet.yaml, which writes one to start from";

const BAD: readonly (readonly [
  name: string,
  options: ConfigOptions,
  world: World,
  error: string,
  kind: typeof ConfigError | typeof UsageError,
])[] = [
  [
    "nothing anywhere",
    {},
    {},
    "no config (neither ./tunnet.yaml nor /etc/tunnet/tunnet.yaml exists); " +
    "try: tunnet init > tunnet.yaml, or -c FILE",
    ConfigError,
  ],
  [
    "-c names no file",
    { config: "no.yaml" },
    { embedded: yaml(5) },
    `no.yaml: cannot be read (no such file); ${TRY_INIT}`,
    ConfigError,
  ],
  [
    "the variable names no file",
    {},
    { variable: "no.yaml", embedded: yaml(5) },
    `no.yaml: cannot be read (no such file, named by $TUNNET_CONFIG); ${TRY_INIT}`,
    ConfigError,
  ],
  [
    "not UTF-8",
    {},
    { files: { "tunnet.yaml": new Uint8Array([0x6e, 0xff, 0x0a]) } },
    "tunnet.yaml: not a text (it is not UTF-8); try: a tunnet.yaml",
    ConfigError,
  ],
  [
    "too large",
    {},
    { files: { "tunnet.yaml": new Uint8Array(CONFIG_MAX_BYTES + 1) } },
    "tunnet.yaml: the file is too large (at most 5 MiB); try: a tunnet.yaml",
    ConfigError,
  ],
  [
    "a bad embedded config",
    {},
    { embedded: "port: x\nnodes: [{name: a, address: 10.0.0.1, subnets: []}]" },
    'embedded: line 1: port: "x" is not a port (not a number); try: a number from 1 to 65535',
    ConfigError,
  ],
  [
    "a control character in the path",
    { config: "a\nb" },
    {},
    `a\\nb: cannot be read (no such file); ${TRY_INIT}`,
    ConfigError,
  ],
  [
    "-c with inline peers",
    { config: "c.yaml", specs: ["172.2.0.0/16=10.0.0.2"] },
    {},
    '-c and inline peers ("172.2.0.0/16=10.0.0.2" says who the peers are, and so does "c.yaml"); ' +
    "try: one of the two",
    UsageError,
  ],
  [
    "--node with inline peers",
    { node: "a", specs: ["172.2.0.0/16=10.0.0.2"] },
    {},
    "--node and inline peers (inline, this node has no name in any file); " +
    "try: --local CIDR and --listen HOST for this node",
    UsageError,
  ],
  [
    "--local without inline peers",
    { local: ["172.1.0.0/16"] },
    { embedded: yaml(5) },
    "--local without inline peers (a config has the subnets of each node); " +
    "try: --peer=CIDR=HOST, or no --local",
    UsageError,
  ],
];

for (const [name, options, world, line, kind] of BAD) {
  Deno.test(`resolveConfig refuses: ${name}`, () => {
    const error = assertThrows<ConfigError | UsageError>(() => load(options, world), kind);
    assertEquals(error.message, line);
    assertEquals(error.exitCode, 2);
  });
}

Deno.test("resolveConfig: standard input, where it was read", () => {
  const stdin = new TextEncoder().encode(yaml(7));
  for (const config of ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]) {
    const { source, file, config: { port } } = resolveConfig(
      { config },
      { ...access({}), stdin },
      undefined,
    );
    assertEquals([source, file, port], ["standard input", undefined, 7]);
    assertThrows(() => load({ config }, {}), ConfigError, "not read by this command");
  }
  const named = { ...access({ variable: "-" }), stdin };
  assertEquals(resolveConfig({}, named, undefined).config.port, 7);
});

Deno.test("EMBEDDED_CONFIG: absent in the source, on the one line that the build replaces", async () => {
  assertEquals(EMBEDDED_CONFIG, undefined);
  const source = await Deno.readTextFile(new URL("../../src/config/embedded.ts", import.meta.url));
  assertEquals(
    source.split("\n").filter((line) => line.startsWith("export")),
    ["export const EMBEDDED_CONFIG: string | undefined = undefined;"],
  );
});
