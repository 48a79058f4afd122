/** The running node that a command speaks to. */

import { netnsName } from "../host/netns.ts";
import { findSocket } from "../status/client.ts";
import type { Options } from "./commands.ts";

/** Path of its status socket. Throws a RunError where it is not clear which node is meant. */
export function socketOf({ socket, device }: Omit<Options["reload"], "json">): string {
  return findSocket({ socket, device, netns: netnsName(), uid: Deno.uid() ?? 0 });
}
