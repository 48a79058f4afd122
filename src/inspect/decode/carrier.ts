/** What an IP header says about its payload, and the checksum that both take part in. Pure. */

import { foldChecksum, sum16 } from "../../net/checksum.ts";
import { type Findings, hexNumber, type Window } from "./window.ts";

/** What the IP header says about its payload. */
export interface Carrier {
  readonly protocol: number;
  readonly version: 4 | 6;
  /** It is a first fragment: its data goes on elsewhere. */
  readonly fragment: boolean;
  /** Length of the payload by the IP header. */
  readonly expected_bytes: number;
  /** The pseudo header's sum for a transport length; absent where it cannot be known. */
  readonly seed?: ((length_bytes: number) => number) | undefined;
}

/**
 * Notes a transport checksum that is not right. A partial one (only the pseudo
 * header's sum, to be completed by whoever sends the packet on) is named so.
 */
export function checkTransport(
  payload: Window,
  findings: Findings,
  carrier: Carrier,
  name: string,
  field: number,
  length_bytes: number,
): void {
  const { fragment, seed } = carrier;
  if (fragment || !seed || !payload.has(length_bytes)) return;
  const sum = sum16(payload.view, payload.at, length_bytes, seed(length_bytes));
  if (foldChecksum(sum) === 0) return;
  const found = payload.u16(field);
  if (found === (~foldChecksum(seed(length_bytes)) & 0xffff)) {
    return findings.note("checksum", `${name} partial`);
  }
  const right = foldChecksum(sum - found);
  findings.note("checksum", `${name} ${hexNumber(found, 4)}, right is ${hexNumber(right, 4)}`);
}
