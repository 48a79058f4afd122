/** The config as this machine finds it, and what is needed to know which node this is. */

import { EMBEDDED_CONFIG } from "../config/embedded.ts";
import { escapeControls } from "../base/text.ts";
import { accessFor, type ConfigOptions, resolveConfig } from "../config/load.ts";
import { hostNames, type LocalView } from "../config/self.ts";
import type { LoadedConfig } from "../config/types.ts";
import { formatAddress } from "../net/prefix.ts";
import { resolveHost } from "../peers/resolve.ts";
import { complain } from "./output.ts";

/** A config and this machine's view of its nodes. */
export interface Here {
  readonly loaded: LoadedConfig;
  readonly view: LocalView;
}

/** Loads the config, resolves its host names and lists the local addresses. Throws ConfigError. */
export async function loadHere(options: ConfigOptions): Promise<Here> {
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
  return { loaded, view: { addresses, hosts } };
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
