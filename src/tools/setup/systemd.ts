/** `tunnet setup --systemd`: a unit that runs the node with CAP_NET_ADMIN and CAP_BPF only. Pure. */

import type { HttpListen } from "../../config/service.ts";
import type { Config, NodeConfig } from "../../config/types.ts";
import { credentialName } from "../../base/credentials.ts";
import {
  FORWARDING_STAYS,
  forwardingLines,
  LEFT_ALONE,
  NEEDS_ROOT,
  podVersions,
  PREPARE,
  scriptHead,
  type SetupInput,
  shellWord,
} from "./script.ts";

/** Where the parts of the service are on the host. */
export const SERVICE = {
  program: "/usr/local/bin/tunnet",
  config: "/etc/tunnet/tunnet.yaml",
  prepare: PREPARE,
  unit: "/etc/systemd/system/tunnet.service",
  sysctl: "/etc/sysctl.d/60-tunnet.conf",
} as const;

/** A ping from the program must come within this time: six of its own five-second rounds. */
const WATCHDOG_S = 30;

/** Ports below need a capability of their own (capabilities(7)). */
const FIRST_FREE_PORT = 1024;

/** What the unit is made from. */
export interface UnitInput {
  readonly self: NodeConfig;
  /** Where the config has HTTP served. */
  readonly http?: HttpListen | undefined;
  /** The config is in the executable itself: none is named. */
  readonly embedded: boolean;
  /** Files with keys, which root alone may read. */
  readonly keyFiles?: readonly string[];
  /** Members come from etcd: the node has no name in a file, and files of its own to write. */
  readonly etcd?: boolean;
}

/** The files with keys that this node reads: its own, and those shared with others. */
export function keyFilesOf({ keys, nodes }: Config, self: NodeConfig): readonly string[] {
  if (!keys) return [];
  const shared = nodes.filter(({ name }) => name !== self.name)
    .flatMap((node) => node.keys?.presharedKeyFile ?? []);
  return [...new Set([keys.privateKeyFile, ...shared])];
}

/** All files that root alone may read: those for etcd too. */
export function secretFilesOf(config: Config, self: NodeConfig): readonly string[] {
  const { privateKeyFile, keyFile, passwordFile } = config.etcd ?? {};
  const files = [...keyFilesOf(config, self), privateKeyFile, keyFile, passwordFile];
  return [...new Set(files.filter((file) => file !== undefined))];
}

/** The user of the service may not read them: systemd does, at each start. */
function credentialLines(files: readonly string[]): string {
  if (files.length === 0) return "";
  const lines = files.map((path) =>
    `LoadCredential=${credentialName(path)}:${path.replaceAll("%", "%%")}\n`
  );
  return "# Keys, which root alone may read; a changed one needs a restart.\n" + lines.join("");
}

/** The unit file: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5). */
export function unitFile({ self, http, embedded, keyFiles = [], etcd = false }: UnitInput): string {
  const ports = [self.endpoint.port, http?.port ?? FIRST_FREE_PORT];
  const port = ports.some((one) => one < FIRST_FREE_PORT) ? ["CAP_NET_BIND_SERVICE"] : [];
  const capabilities = ["CAP_NET_ADMIN", "CAP_BPF", "CAP_SYS_ADMIN", ...port].join(" ");
  const config = (embedded ? "" : ` --config ${SERVICE.config}`) +
    (etcd ? "" : ` --node ${self.name}`);
  return `[Unit]
Description=tunnet: the pods of several nodes as one network
Wants=network-online.target
After=network-online.target docker.service
# A peer's name may be long in coming: try for ever.
StartLimitIntervalSec=0

[Service]
# READY=1 comes when the device carries packets.
Type=notify
# With full rights: bridges and firewall rules that a reboot forgets, if their script is kept here.
ExecStartPre=+/bin/sh -c '[ ! -e ${SERVICE.prepare} ] || exec /bin/sh ${SERVICE.prepare}'
ExecStart=${SERVICE.program} --peer${config}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# A config that is wrong stays wrong.
RestartPreventExitStatus=2
WatchdogSec=${WATCHDOG_S}
TimeoutStopSec=15

# No user of the host, and three rights only: to configure the network, to load programs that carry
# packets within the kernel, and, until it is up, to make a network namespace for their helper.
# Without CAP_BPF or CAP_SYS_ADMIN, packets go by the lanes.
DynamicUser=yes
AmbientCapabilities=${capabilities}
CapabilityBoundingSet=${capabilities}
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
${
    credentialLines(keyFiles)
  }# The socket of \`tunnet status\`, and what a portable executable unpacks.
RuntimeDirectory=tunnet${etcd ? ` ${SUBNET_FOLDER}` : ""}
${etcd ? STATE_LINES : ""}CacheDirectory=tunnet
CacheDirectoryMode=0700
# It is started from there: systemd 257, not 252, mounts the folder noexec (DynamicUser).
ExecPaths=%C/tunnet
Environment=TUNNET_CACHE=%C/tunnet/unpacked

# Nothing else of the host. (Not MemoryDenyWriteExecute: JavaScript is compiled as it runs.)
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateMounts=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=net
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service @pkey bpf
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
`;
}

/** A test that a unit of this name runs something else. */
const FOREIGN_UNIT = `[ -e "$root${SERVICE.unit}" ] &&
  ! grep -q '^ExecStart=${SERVICE.program} ' "$root${SERVICE.unit}"`;

/** Where subnet.env is, below /run. */
const SUBNET_FOLDER = "flannel";

/** subnet.env outlives the service, as flanneld's does; the last members outlive the host's start. */
const STATE_LINES = `RuntimeDirectoryPreserve=yes
# What is kept for a start without etcd.
StateDirectory=tunnet
StateDirectoryMode=0700
`;

const SYSCTL = { 4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding" } as const;

/** The script that installs the unit, or with \`undo\` removes it. \`embedded\` as in UnitInput. */
export function systemdScript(input: SetupInput, embedded: boolean): string {
  const { self, undo } = input;
  if (undo) {
    return scriptHead(input, "systemd", [
      `Ends and removes the service of the node ${self.name}.`,
    ]) +
      LEFT_ALONE.trimStart() + `
root=\${DESTDIR:-}
[ -n "$root" ] || ${NEEDS_ROOT}
if ${FOREIGN_UNIT}; then
  left_alone "$root${SERVICE.unit}"
  exit 0
fi
systemd=no
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemd=yes
if [ "$systemd" = yes ] && [ -e ${SERVICE.unit} ]; then
  systemctl disable --quiet --now tunnet.service
fi
rm -f "$root${SERVICE.unit}" "$root${SERVICE.sysctl}"
[ "$systemd" = no ] || systemctl daemon-reload

` + FORWARDING_STAYS + `# ${SERVICE.program} and /etc/tunnet stay.\n`;
  }
  const { service: { http } = {}, etcd } = input.loaded.config;
  const keyFiles = secretFilesOf(input.loaded.config, self);
  const needs = [
    `  [ -x ${SERVICE.program} ] ||`,
    `    fail 'no ${SERVICE.program}; try: install -m 0755 tunnet ${SERVICE.program}'`,
    ...(embedded ? [] : [
      `  [ -r ${SERVICE.config} ] ||`,
      `    fail 'no ${SERVICE.config}; try: install -D -m 0644 tunnet.yaml ${SERVICE.config}'`,
    ]),
    ...keyFiles.map((path) => {
      const text = `no key file ${path}; try: sudo tunnet key, or copy it there with mode 0600`;
      return `  [ -r ${shellWord(path)} ] || fail ${shellWord(text)}`;
    }),
  ].join("\n");
  return scriptHead(input, "systemd", [
    `Runs the node ${self.name} as a service of systemd, from the next boot on and now.`,
    `It needs the executable as ${SERVICE.program}` +
    (embedded ? "." : ` and the config as ${SERVICE.config}.`),
    "With DESTDIR=DIR set, it only writes the files below DIR.",
  ]) + `root=\${DESTDIR:-}
if [ -z "$root" ]; then
  ${NEEDS_ROOT}${needs}
fi

# put FILE: writes standard input there; sets changed unless it was the same before.
changed=no
put() {
  mkdir -p "\${1%/*}"
  cat >"$1.new"
  if cmp -s "$1.new" "$1"; then
    rm "$1.new"
  else
    chmod 0644 "$1.new"
    mv "$1.new" "$1"
    changed=yes
  fi
}

if ${FOREIGN_UNIT}; then
  fail "$root${SERVICE.unit} runs something else; try: another name for it"
fi

# The service may not change the kernel's settings: this file does at boot.
put "$root${SERVICE.sysctl}" <<'END'
${podVersions(self).map((version) => `${SYSCTL[version]} = 1\n`).join("")}END

put "$root${SERVICE.unit}" <<'END'
${unitFile({ self, http, embedded, keyFiles, etcd: etcd !== undefined })}END

if [ -n "$root" ]; then
  exit 0
fi
` + forwardingLines(self) + `if [ ! -d /run/systemd/system ]; then
  fail 'the unit is written, but systemd does not run on this host'
fi
systemctl daemon-reload
systemctl enable --quiet tunnet.service
# Running again what has not changed must not cut connections.
if [ "$changed" = yes ]; then
  systemctl restart tunnet.service
else
  systemctl start tunnet.service
fi
`;
}
