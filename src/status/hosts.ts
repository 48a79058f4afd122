/** Which names a request may be for. Pure. */

import { parseAddress } from "../net/prefix.ts";

/**
 * Whether the host of a request means this node: an address, `localhost`, or one of its names, in
 * lower case; `*.NAME` is every name below NAME. A page elsewhere can point a name of its own at
 * our address (DNS rebinding), but neither an address nor a name of ours.
 */
export function isOurHost(host: string, names: readonly string[]): boolean {
  return parseAddress(host) !== undefined || host === "localhost" ||
    names.some((name) => name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name);
}
