/** Looks at the files that hold keys. */

import { ConfigError } from "../../../base/errors.ts";
import type { Config, NodeConfig } from "../../../config/types.ts";
import { readKeyFile } from "../../../host/key_file.ts";
import { erase } from "../../../wire/keys.ts";
import { PrivateKey } from "../../../wireguard/x25519.ts";
import { keyFilesOf } from "../../setup/systemd.ts";
import type { KeyFileFacts } from "../facts.ts";

function look(path: string, isPrivate: boolean): KeyFileFacts {
  try {
    const key = readKeyFile(path);
    const publicKey = isPrivate ? new PrivateKey(key).publicKey : undefined;
    erase(key);
    return publicKey ? { path, publicKey } : { path };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [problem] = error.problems;
    return { path, problem: { what: problem!.what, fix: problem!.how } };
  }
}

/** The key files of this node; `privateKeyFile` in place of the one that the config names. */
export function readKeyFiles(
  config: Config,
  self: NodeConfig,
  privateKeyFile: string | undefined,
): readonly KeyFileFacts[] {
  const [own, ...shared] = keyFilesOf(config, self);
  if (own === undefined) return [];
  return [look(privateKeyFile ?? own, true), ...shared.map((path) => look(path, false))];
}
