/** Mode tap: the bridge whose port the device is, and what its other ports may send. Pure. */

import { MTU_ETHERNET_BYTES } from "../../../base/limits.ts";
import { shellWord } from "../../setup/script.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, LinkFacts } from "../facts.ts";
import { deviceOf, isRunning } from "../view.ts";
import { mtuFix } from "./routes.ts";

/** The bridge of the config, or else that of the device. */
function bridgeLink(facts: Facts): LinkFacts | undefined {
  const { config: { bridge }, links } = facts;
  const master = deviceOf(facts)?.master ?? 0;
  return links.find(({ name, index }) => bridge === undefined ? index === master : name === bridge);
}

function bridge(facts: Facts): Finding[] {
  const { config: { bridge: name, device: deviceName } } = facts;
  const link = bridgeLink(facts);
  if (name === undefined && !link) return [];
  if (!link) {
    const word = shellWord(name!);
    return [{
      why: `there is no bridge ${name}: tunnet does not start without it`,
      fix: `ip link add name ${word} type bridge && ip link set dev ${word} up`,
    }];
  }
  if (link.kind !== "bridge") {
    return [{ why: `${link.name} is a ${link.kind ?? "hardware"} device, not a bridge` }];
  }
  const word = shellWord(link.name);
  const found: Finding[] = [];
  if (!link.up) {
    found.push({
      why: `${link.name} is down: it passes no frames on`,
      fix: `ip link set dev ${word} up`,
    });
  }
  const device = deviceOf(facts);
  if (isRunning(facts) && device && device.master !== link.index) {
    found.push({
      why: `${deviceName} is no port of ${link.name}: its stations are not connected`,
      fix: `ip link set dev ${shellWord(deviceName)} master ${word}`,
    });
  }
  return found;
}

/** The largest packet that the device takes, as far as that is known. */
function deviceMtu(facts: Facts): number {
  const { config: { mtu_bytes } } = facts;
  const device = isRunning(facts) ? deviceOf(facts) : undefined;
  return device?.mtu_bytes ?? (mtu_bytes === "auto" ? MTU_ETHERNET_BYTES : mtu_bytes);
}

/** A frame that is too large for the port where it is to leave vanishes, and nobody is told. */
function ports(facts: Facts): Finding[] {
  const link = bridgeLink(facts);
  const mtu_bytes = deviceMtu(facts);
  const others = facts.links.filter(({ master, name }) =>
    link && master === link.index && name !== facts.config.device
  );
  const large = others.filter((port) => port.mtu_bytes > mtu_bytes);
  if (large.length === 0) return [];
  const most_bytes = Math.max(...large.map((port) => port.mtu_bytes));
  const names = large.slice(0, 3).map(({ name }) => name).join(", ");
  const more = large.length > 3 ? ` and ${large.length - 3} more` : "";
  return [{
    why: `stations behind ${names}${more} send frames of up to ${most_bytes} bytes, and ` +
      `${facts.config.device} takes ${mtu_bytes}: the bridge drops larger ones and tells nobody`,
    ...mtuFix(facts, most_bytes),
  }];
}

/** The checks of this family. */
export function bridgeChecks(facts: Facts): readonly Check[] {
  if (facts.config.mode !== "tap") return [];
  const name = facts.config.bridge ?? bridgeLink(facts)?.name;
  if (name === undefined) return [];
  return [
    ...checksOf(
      "bridge",
      `the bridge ${name}`,
      "the device is its port, and it is up",
      bridge(facts),
    ),
    ...checksOf(
      "bridge_mtu",
      `MTU of the ports of ${name}`,
      `none sends more than the device takes, which is ${deviceMtu(facts)} bytes`,
      ports(facts),
    ),
  ];
}
