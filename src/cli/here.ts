/** The config as this machine finds it, and what is needed to know which node this is. */

import { EMBEDDED_CONFIG } from "../config/embedded.ts";
import { escapeControls } from "../base/text.ts";
import { accessFor, type ConfigOptions, resolveConfig } from "../config/load.ts";
import { hostNames, type LocalView } from "../config/self.ts";
import type { LoadedConfig } from "../config/types.ts";
import { formatAddress } from "../net/prefix.ts";
import { ConfigError } from "../base/errors.ts";
import { readKeyFile } from "../host/key_file.ts";
import { erase } from "../wire/keys.ts";
import { PrivateKey } from "../wireguard/x25519.ts";
import { resolveHost } from "../peers/resolve.ts";
import { complain } from "./output.ts";

/** A config and this machine's view of its nodes. */
export interface Here {
  readonly loaded: LoadedConfig;
  readonly view: LocalView;
}

/** This machine's public key; undefined where the config has no keys, or the file cannot be read. */
function ownPublicKey({ config }: LoadedConfig, file: string | undefined): Uint8Array | undefined {
  if (!config.keys) return undefined;
  try {
    const key = readKeyFile(file ?? config.keys.privateKeyFile);
    const { publicKey } = new PrivateKey(key);
    erase(key);
    return publicKey;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Loads the config, resolves its host names and lists the local addresses. Throws ConfigError. */
export async function loadHere(
  options: ConfigOptions & { readonly privateKeyFile?: string | undefined },
): Promise<Here> {
  const loaded = resolveConfig(options, await accessFor(options), EMBEDDED_CONFIG);
  const hosts = new Map(
    await Promise.all(
      hostNames(loaded.config).map(async (host): Promise<[string, readonly string[]]> => [
        host,
        (await resolveHost(host)).map(({ bytes }) => formatAddress(bytes)),
      ]),
    ),
  );
  const addresses = Deno.networkInterfaces().map(({ address }) => address);
  const publicKey = ownPublicKey(loaded, options.privateKeyFile);
  return { loaded, view: { addresses, hosts, publicKey } };
}

/** Prints the warnings of a config. */
export function warnOf({ loaded }: Here): void {
  for (const warning of loaded.warnings) complain(`tunnet: warn: ${warning}\n`);
}

/** Which config is used: the whole path of a file, with all links followed. */
export function configName({ file, source }: LoadedConfig): string {
  try {
    return escapeControls(file === undefined ? source : Deno.realPathSync(file));
  } catch {
    // It has just been replaced.
    return escapeControls(source);
  }
}
