/**
 * What a device that others have made was like before it was changed, noted on the device itself, as
 * its alias (ip-link(8)): a process that is killed puts nothing back, but the next one does. The note
 * is where the device is, goes with it, and takes no right but the one to change it.
 */

import { SyscallError } from "../../ffi/libc.ts";
import { RTPROT_TUNNET_DEVICE } from "../../ffi/netlink.ts";
import { LINK_ALIAS_MAX_BYTES } from "../base/limits.ts";
import { formatAddress } from "../net/prefix.ts";
import type { Sysctl } from "./ip_forward.ts";
import type { LinkAddress, LinkInfo, Rtnetlink } from "./netlink/rtnetlink.ts";
import { type RouterSetting, writeRouterSettings } from "./router_discovery.ts";

/** What a note begins with; JSON follows. */
const HEAD = "tunnet puts back: ";

/** What is noted. */
interface Noted {
  readonly mtu: number;
  readonly up: boolean;
  /** The alias that it had. */
  readonly alias: string;
  /** Addresses that it is given. */
  readonly addresses: readonly string[];
  /** Whether it is made a port of a bridge. */
  readonly joins: boolean;
  readonly settings: readonly RouterSetting[];
  /** Whether it is made to take packets from this host's own addresses. */
  readonly accepts?: boolean | undefined;
}

/** What is about to be done to a device, besides its MTU and state. */
export interface DeviceChange {
  readonly addresses: readonly Omit<LinkAddress, "index">[];
  readonly joins: boolean;
  readonly settings: readonly RouterSetting[];
  readonly accepts?: boolean | undefined;
}

const textOf = ({ address, length_bits }: Omit<LinkAddress, "index">): string =>
  `${formatAddress(address.bytes)}/${length_bits}`;

function parseNote(alias: string | undefined): Noted | undefined {
  if (!alias?.startsWith(HEAD)) return undefined;
  try {
    const { mtu, up, alias: before, addresses, joins, settings, accepts } = JSON.parse(
      alias.slice(HEAD.length),
    );
    const isPair = (one: unknown) =>
      Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === "string");
    const isNote = Number.isInteger(mtu) && typeof up === "boolean" &&
      typeof before === "string" && typeof joins === "boolean" && Array.isArray(addresses) &&
      addresses.every((one) => typeof one === "string") && Array.isArray(settings) &&
      settings.every(isPair);
    const noted = {
      mtu,
      up,
      alias: before,
      addresses,
      joins,
      settings,
      accepts: accepts === true || undefined,
    };
    return isNote ? noted : undefined;
  } catch {
    return undefined;
  }
}

/** Does what it can: the rest was done already, or the device is gone. */
function attempt(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

/**
 * Puts a device back as it was before a process changed it that has not done so itself; tells
 * whether there is a note of such a one.
 */
export function putBack(rt: Rtnetlink, device: string, sysctl?: Sysctl): boolean {
  const link = rt.getLink(device);
  const noted = parseNote(link?.alias);
  if (!link || !noted) return false;
  const { index } = link;
  for (const route of rt.routes(index)) {
    if (route.protocol === RTPROT_TUNNET_DEVICE) attempt(() => rt.removeRoute(route));
  }
  for (const found of rt.addresses(index)) {
    if (!noted.addresses.includes(textOf(found))) continue;
    attempt(() => rt.removeAddress(index, found.address, found.length_bits));
  }
  if (noted.joins && link.master !== 0) attempt(() => rt.setLink(index, { master: 0 }));
  writeRouterSettings(device, noted.settings, sysctl);
  if (noted.accepts) attempt(() => rt.setLink(index, { acceptLocal: false }));
  attempt(() => rt.setLink(index, { mtu_bytes: noted.mtu, up: noted.up ? undefined : false }));
  attempt(() => rt.setLink(index, { alias: noted.alias }));
  return true;
}

/** A note on a device, until `clear`. */
export class DeviceNote {
  private constructor(
    readonly rt: Rtnetlink,
    readonly index: number,
    readonly noted: Noted,
  ) {}

  /** Notes a device as it is; undefined where there is no room for that, or none for an alias. */
  static write(rt: Rtnetlink, link: LinkInfo, change: DeviceChange): DeviceNote | undefined {
    const { index, mtu_bytes: mtu, up, alias = "" } = link;
    const { joins, settings, accepts } = change;
    const present = rt.addresses(index).map(textOf);
    const addresses = change.addresses.map(textOf).filter((one) => !present.includes(one));
    const note = new DeviceNote(rt, index, { mtu, up, alias, addresses, joins, settings, accepts });
    return note.#put() ? note : undefined;
  }

  /** Notes addresses that the device is given in addition; what results is in place of this note. */
  add(more: DeviceChange["addresses"]): DeviceNote {
    const { rt, index, noted } = this;
    const known = [...noted.addresses, ...rt.addresses(index).map(textOf)];
    const fresh = more.map(textOf).filter((one) => !known.includes(one));
    if (fresh.length === 0) return this;
    const next = { ...noted, addresses: [...noted.addresses, ...fresh] };
    const note = new DeviceNote(rt, index, next);
    return note.#put() ? note : this;
  }

  /** All has been put back. */
  clear(): void {
    const { rt, index, noted } = this;
    if (rt.getLink(index)) attempt(() => rt.setLink(index, { alias: noted.alias }));
  }

  #put(): boolean {
    const alias = HEAD + JSON.stringify(this.noted);
    if (new TextEncoder().encode(alias).length > LINK_ALIAS_MAX_BYTES) return false;
    try {
      this.rt.setLink(this.index, { alias });
      return true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return false;
    }
  }
}
