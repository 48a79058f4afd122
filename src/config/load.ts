/** Where the config comes from: the command line, a file, or the executable itself. */

import { ConfigError, type ErrorParts, UsageError } from "../base/errors.ts";
import { CONFIG_MAX_BYTES } from "../base/limits.ts";
import { assemble, type Overrides } from "./assemble.ts";
import { parseInline } from "./inline.ts";
import { isStdin, readConfigFile, readConfigStdin, STDIN_SOURCE } from "./load_file.ts";
import { parseConfig } from "./parse.ts";
import { Problems } from "./problems.ts";
import type { LoadedConfig } from "./types.ts";
import { quote } from "./values.ts";

/** Names the file when no -c does. */
export const CONFIG_VARIABLE = "TUNNET_CONFIG";

/** Looked for in this order when neither -c nor the variable names a file. */
const CONFIG_PATHS = ["tunnet.yaml", "/etc/tunnet/tunnet.yaml"] as const;

/** `source` of the config inside the executable. */
export const EMBEDDED_SOURCE = "embedded";

/** `source` of a config that is nothing but the endpoints of etcd. */
const ETCD_SOURCE = "etcd";

/** What loading needs of the system; tests give another. */
export interface ConfigAccess {
  /** The first `max_bytes` of a file, undefined if there is no such file. Throws a ConfigError. */
  readFile(path: string, max_bytes: number): Uint8Array | undefined;
  /** What has come from standard input; undefined where that is not read. */
  readonly stdin?: Uint8Array;
  /** An environment variable. */
  env(name: string): string | undefined;
}

/** What the command line says about where the config comes from, and what overrides it. */
export interface ConfigOptions extends Overrides {
  /** Value of -c. */
  readonly config?: string;
  /** Value of --node. */
  readonly node?: string;
  /** Inline peers; with any, no file is read. */
  readonly specs?: readonly string[];
  /** This node's own pod subnets; only with inline peers. */
  readonly local?: readonly string[];
  /** Bind address, HOST[:PORT]. */
  readonly listen?: string;
}

/** The real files and environment; standard input is left alone. */
export const systemAccess: ConfigAccess = {
  readFile: readConfigFile,
  env: (name) => Deno.env.get(name),
};

/** The same, with standard input where that is what the options name. Throws a ConfigError. */
export async function accessFor({ config }: ConfigOptions): Promise<ConfigAccess> {
  if (!isStdin(config ?? systemAccess.env(CONFIG_VARIABLE) ?? "")) return systemAccess;
  return { ...systemAccess, stdin: await readConfigStdin(CONFIG_MAX_BYTES + 1) };
}

function fail(parts: ErrorParts): never {
  throw new ConfigError([parts]);
}

function decode(bytes: Uint8Array, path: string): string {
  if (bytes.length > CONFIG_MAX_BYTES) {
    fail({
      what: `${path}: the file is too large`,
      why: `at most ${CONFIG_MAX_BYTES / 1024 / 1024} MiB`,
      how: "a tunnet.yaml",
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail({ what: `${path}: not a text`, why: "it is not UTF-8", how: "a tunnet.yaml" });
  }
}

function readText(path: string, access: ConfigAccess): string | undefined {
  const bytes = access.readFile(path, CONFIG_MAX_BYTES + 1);
  return bytes && decode(bytes, path);
}

function fromFile(text: string, path: string, overrides: Overrides): LoadedConfig {
  return Object.freeze({ ...parseConfig(text, path, overrides), file: path });
}

/** Reads the file that was named, `by` what if not the command line; its absence is an error. */
function readNamed(path: string, by: string, access: ConfigAccess, overrides: Overrides) {
  if (isStdin(path)) {
    if (access.stdin) {
      return parseConfig(decode(access.stdin, STDIN_SOURCE), STDIN_SOURCE, overrides);
    }
    fail({ what: `${STDIN_SOURCE}: not read by this command`, how: "-c FILE" });
  }
  const text = path === "" ? undefined : readText(path, access);
  if (text !== undefined) return fromFile(text, path, overrides);
  return fail({
    what: `${path || '""'}: cannot be read`,
    why: by === "" ? "no such file" : `no such file, named by ${by}`,
    how: "tunnet init > tunnet.yaml, which writes one to start from",
  });
}

function loadFile(
  options: ConfigOptions,
  access: ConfigAccess,
  embedded: string | undefined,
): LoadedConfig {
  if (options.config !== undefined) return readNamed(options.config, "", access, options);
  const variable = access.env(CONFIG_VARIABLE);
  if (variable) return readNamed(variable, `$${CONFIG_VARIABLE}`, access, options);
  for (const path of CONFIG_PATHS) {
    const text = readText(path, access);
    if (text !== undefined) return fromFile(text, path, options);
  }
  if (embedded !== undefined) return parseConfig(embedded, EMBEDDED_SOURCE, options);
  if (options.etcd) {
    const config = assemble({ networks: [], nodes: [] }, options, new Problems(""));
    return Object.freeze({ config, source: ETCD_SOURCE, warnings: [] });
  }
  throw new NoConfigError([{
    what: "no config",
    why: `neither ./${CONFIG_PATHS[0]} nor ${CONFIG_PATHS[1]} exists`,
    how: "tunnet init > tunnet.yaml, or -c FILE",
  }]);
}

/** None was named, and none is where one is looked for. */
export class NoConfigError extends ConfigError {}

function clash(what: string, why: string, how: string): never {
  throw new UsageError({ what, why, how });
}

/**
 * Finds and checks the config: inline peers if there are any, else the file of
 * -c, of $TUNNET_CONFIG, ./tunnet.yaml, /etc/tunnet/tunnet.yaml, or the text
 * inside the executable. Throws UsageError when options exclude each other,
 * ConfigError when the config is absent or wrong.
 */
export function resolveConfig(
  options: ConfigOptions,
  access: ConfigAccess,
  embedded: string | undefined,
): LoadedConfig {
  const specs = options.specs ?? [];
  if (specs.length === 0) {
    if (options.local !== undefined && options.local.length > 0) {
      clash(
        "--local without inline peers",
        "a config has the subnets of each node",
        "--peer=CIDR=HOST, or no --local",
      );
    }
    return loadFile(options, access, embedded);
  }
  if (options.etcd !== undefined) {
    clash("--etcd and inline peers", "each says who the peers are", "one of the two");
  }
  if (options.config !== undefined) {
    clash(
      "-c and inline peers",
      `${quote(specs[0]!)} says who the peers are, and so does ${quote(options.config)}`,
      "one of the two",
    );
  }
  if (options.node !== undefined) {
    clash(
      "--node and inline peers",
      "inline, this node has no name in any file",
      "--local CIDR and --listen HOST for this node",
    );
  }
  return parseInline({ specs, local: options.local, listen: options.listen }, options);
}
