/** Rights, the tun driver, the device and the port: what a start needs. Pure. */

import { NO_HOST } from "../../../config/types.ts";
import { formatAddress } from "../../../net/prefix.ts";
import { type Check, checksOf, type Finding } from "../check.ts";
import type { Facts, Holder, HostFacts } from "../facts.ts";
import { deviceOf, isRunning } from "../view.ts";

function nameOf({ name, pid }: Holder): string {
  return name === "" ? `process ${pid}` : `${name} (process ${pid})`;
}

function rights({ netAdmin }: HostFacts): Finding[] {
  if (netAdmin) return [];
  return [{
    why: "without it tunnet can make no device, and the doctor cannot see the firewall",
    fix: "sudo tunnet doctor",
  }];
}

function tunDriver({ tunDevice }: HostFacts): Finding[] {
  switch (tunDevice) {
    case "ok":
      return [];
    case "EACCES":
    case "EPERM":
      return [{ why: "this user may not open it", fix: "chmod 0666 /dev/net/tun" }];
    case "ENOTTY":
    case "EISDIR":
      return [{
        why: tunDevice === "EISDIR" ? "it is a folder" : "it is not the tun driver's device",
        fix: "rm -r /dev/net/tun && mknod -m 0666 /dev/net/tun c 10 200",
      }];
    case "ENOENT":
      return [{
        why: "it is not there; in a container, start that with --device /dev/net/tun",
        fix: "mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200",
      }];
    default:
      return [{ why: `the kernel has no tun driver loaded (${tunDevice})`, fix: "modprobe tun" }];
  }
}

function device(facts: Facts): Finding[] {
  const { config, deviceHolders } = facts;
  const link = deviceOf(facts);
  if (!link) return [];
  if (link.kind !== "tun") {
    return [{
      why: `${link.name} is a ${link.kind ?? "hardware"} device, not one of the tun driver`,
      fix: link.kind ? `ip link del dev ${link.name}` : undefined,
    }];
  }
  if (isRunning(facts)) {
    if (link.up) return [];
    return [{ why: `${link.name} is down`, fix: `ip link set dev ${link.name} up` }];
  }
  const [holder] = deviceHolders;
  if (!holder) return [];
  return [{
    why: `${nameOf(holder)} has ${config.device} open, and is not this node's tunnet`,
    fix: `kill ${holder.pid}`,
  }];
}

function port(facts: Facts): Finding[] {
  const { portHolders, self } = facts;
  const [holder] = portHolders;
  if (!holder || isRunning(facts)) return [];
  const { port } = self.endpoint;
  return [{
    why: `${holder.pid > 0 ? nameOf(holder) : "another program"} uses UDP port ${port}`,
    fix: holder.pid > 0 ? `kill ${holder.pid}` : `ss -lunp 'sport = :${port}'`,
  }];
}

function ownAddress({ self, selfAddresses, links }: Facts): Finding[] {
  const { host } = self.endpoint;
  if (host === NO_HOST) return [];
  if (selfAddresses.length === 0) {
    return [{
      why: `the name ${host} of ${self.name} is not known`,
      fix: `echo '192.0.2.1 ${host}' >>/etc/hosts # with this host's address`,
    }];
  }
  const local = new Set(
    links.flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address.bytes))),
  );
  const texts = selfAddresses.map(({ bytes }) => formatAddress(bytes));
  if (texts.some((text) => local.has(text) || text.startsWith("127."))) return [];
  return [{
    why: `no interface has ${texts[0]}, the address of ${self.name}: is this the right node?`,
    fix: "tunnet --peer --listen 0.0.0.0 # where that address is translated on the way",
  }];
}

/** Those that need no config. */
export function bareHostChecks(facts: HostFacts): readonly Check[] {
  return [
    ...checksOf("rights", "root or CAP_NET_ADMIN", "this process has it", rights(facts)),
    ...checksOf("tun_driver", "/dev/net/tun", "it can be opened", tunDriver(facts)),
  ];
}

/** The checks of this family. */
export function hostChecks(facts: Facts): readonly Check[] {
  const { config, self } = facts;
  const running = isRunning(facts);
  return [
    ...bareHostChecks(facts),
    ...checksOf(
      "device",
      `the device ${config.device}`,
      running ? "tunnet has it, and it is up" : "nothing is in its way",
      device(facts),
    ),
    ...checksOf(
      "port",
      `UDP port ${self.endpoint.port}`,
      running ? "tunnet listens on it" : "it is free",
      port(facts),
    ),
    ...checksOf(
      "own_address",
      `the address of ${self.name}`,
      self.endpoint.host === NO_HOST
        ? "it needs none: it calls the others"
        : `${self.endpoint.host} is an address of this host`,
      ownAddress(facts),
    ),
  ];
}
