/** tshark (Wireshark's dissectors) as the judge of our decoders. */

import { assertEquals } from "../../assert.ts";
import { runProgram } from "../../../src/base/run_program.ts";

const FIELDS = [
  ...["frame.len", "frame.interface_name", "frame.packet_flags_direction", "frame.comment"],
  ...["eth.dst", "eth.src", "ieee8021ad.id", "ieee8021ad.priority", "vlan.id", "vlan.priority"],
  ...["arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.proto_ipv4"],
  ...["ip.hdr_len", "ip.len", "ip.ttl", "ip.id", "ip.flags.mf", "ip.frag_offset", "ip.proto"],
  ...["ip.src", "ip.dst"],
  ...["ipv6.plen", "ipv6.hlim", "ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.dstopts.nxt"],
  ...["ipv6.fraghdr.nxt", "ipv6.fraghdr.offset", "ipv6.fraghdr.more", "ipv6.fraghdr.ident"],
  ...["ipv6.src", "ipv6.dst"],
  ...["icmp.type", "icmp.code", "icmp.ident", "icmp.seq", "icmp.mtu"],
  ...["icmpv6.type", "icmpv6.code", "icmpv6.echo.identifier", "icmpv6.echo.sequence_number"],
  ...["icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address", "icmpv6.opt.linkaddr"],
  ...["icmpv6.nd.na.flag.r", "icmpv6.nd.na.flag.s", "icmpv6.nd.na.flag.o", "icmpv6.mtu"],
  ...["tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.len"],
  ...["tcp.window_size_value", "tcp.options.mss_val"],
  ...["udp.srcport", "udp.dstport", "udp.length"],
];

/** Between the values of a field that a packet has several of: one quoted in an error comes second. */
const AGGREGATOR = "\x1f";

/** One packet's fields by name. */
export class Row {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(line: string) {
    const cells = line.split("\t");
    this.#values = new Map(
      FIELDS.map((field, i) => [field, cells[i] ? cells[i]!.split(AGGREGATOR) : []]),
    );
  }
  all(field: string): readonly string[] {
    const values = this.#values.get(field);
    if (!values) throw new Error(`${field} was not asked for`);
    return values;
  }
  has(field: string): boolean {
    return this.all(field).length > 0;
  }
  /** The first value; "" where there is none. */
  text(field: string): string {
    return this.all(field)[0] ?? "";
  }
  number(field: string): number {
    return Number(this.text(field));
  }
  flag(field: string): boolean {
    return /^(1|True)$/.test(this.text(field));
  }
}

/** Every packet of a capture as tshark reads it. tshark may complain of nothing. */
export async function tsharkRows(
  file: string,
  filter?: string,
  preferences: readonly string[] = [],
): Promise<readonly Row[]> {
  const { code, stdout, stderr } = await runProgram("tshark", [
    ...["-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", `aggregator=${AGGREGATOR}`],
    ...["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"],
    ...preferences.flatMap((preference) => ["-o", preference]),
    ...(filter === undefined ? [] : ["-Y", filter]),
    ...FIELDS.flatMap((field) => ["-e", field]),
  ]);
  // tshark says that it runs as root; anything else would be about the file.
  const complaints = stderr.split("\n").filter((line) => !/^(Running as user.*)?$/.test(line));
  assertEquals([code, complaints], [0, []]);
  return stdout.split("\n").filter((line) => line !== "").map((line) => new Row(line));
}

const ICMP: Readonly<Record<number, string>> = { 0: "echo reply", 8: "echo request" };
const UNREACHABLE = ["network unreachable", "host unreachable", "protocol unreachable"]
  .concat("port unreachable", "fragmentation needed");
const ICMPV6: Readonly<Record<number, string>> = {
  1: "destination unreachable",
  2: "packet too big",
  128: "echo request",
  129: "echo reply",
  133: "router solicitation",
  135: "neighbor solicitation",
  136: "neighbor advertisement",
  143: "multicast listener report v2",
};

function icmpWords(row: Row): string[] {
  const type = row.number("icmp.type");
  const code = row.number("icmp.code");
  if (type === 3) {
    const mtu = code === 4 ? [`mtu ${row.text("icmp.mtu")}`] : [];
    return [`destination unreachable (${UNREACHABLE[code]})`, ...mtu, "about .."];
  }
  if (type === 11) return ["time exceeded (in transit) about .."];
  return [ICMP[type]!, `id ${row.number("icmp.ident")} seq ${row.text("icmp.seq")}`];
}

function icmpv6Words(row: Row): string[] {
  const type = row.number("icmpv6.type");
  const name = ICMPV6[type] ?? `type ${type}`;
  const mac = row.text("icmpv6.opt.linkaddr");
  const flag = (letter: string) => row.flag(`icmpv6.nd.na.flag.${letter}`);
  switch (type) {
    case 1: {
      const codes = ["no route", "", "", "address unreachable", "port unreachable"];
      return [name, `(${codes[row.number("icmpv6.code")]})`, "about .."];
    }
    case 2:
      return [name, `mtu ${row.text("icmpv6.mtu")}`, "about .."];
    case 128:
    case 129: {
      const id = row.number("icmpv6.echo.identifier");
      return [name, `id ${id} seq ${row.text("icmpv6.echo.sequence_number")}`];
    }
    case 133:
      return [name, mac ? `from ${mac}` : ""];
    case 135:
      return [name, `who-has ${row.text("icmpv6.nd.ns.target_address")}`, mac ? `from ${mac}` : ""];
    case 136: {
      const flags = [
        flag("r") ? "router" : "",
        flag("s") ? "solicited" : "",
        flag("o") ? "override" : "",
      ];
      const target = row.text("icmpv6.nd.na.target_address");
      return [name, target, mac ? `is-at ${mac}` : "", ...flags];
    }
    default:
      return [name];
  }
}

function tcpWords(row: Row): string[] {
  const flags = row.number("tcp.flags");
  const names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
  return [
    `[${names.filter((_, bit) => flags >> bit & 1).join(" ")}]`,
    `seq ${row.text("tcp.seq_raw")}`,
    flags & 0x10 ? `ack ${row.text("tcp.ack_raw")}` : "",
    `win ${row.text("tcp.window_size_value")}`,
    row.has("tcp.options.mss_val") ? `mss ${row.text("tcp.options.mss_val")}` : "",
    `len ${row.text("tcp.len")}`,
  ];
}

/** The IP header's words (tshark shows fragment offsets as they are: in units of 8 bytes), the protocol behind it, and whether this is a later fragment. */
function ipWords(row: Row): { words: string[]; protocol: string; later: boolean } {
  if (row.has("ip.src")) {
    const more = row.flag("ip.flags.mf");
    const offset = 8 * row.number("ip.frag_offset");
    const fragment = more || offset > 0
      ? `fragment id ${row.number("ip.id")} offset ${offset}${more ? "" : " last"}`
      : "";
    const head = `IPv4 hdrlen ${row.text("ip.hdr_len")} total ${row.text("ip.len")}`;
    const words = [head, `ttl ${row.text("ip.ttl")}`, fragment];
    return { words, protocol: row.text("ip.proto"), later: offset > 0 };
  }
  const words = [`IPv6 payload ${row.text("ipv6.plen")} hlim ${row.text("ipv6.hlim")}`];
  let protocol = row.text("ipv6.nxt");
  let later = false;
  for (const [field, name] of [["hopopts", "hop-by-hop"], ["dstopts", "destination options"]]) {
    if (!row.has(`ipv6.${field}.nxt`)) continue;
    words.push(name!);
    protocol = row.text(`ipv6.${field}.nxt`);
  }
  if (row.has("ipv6.fraghdr.nxt")) {
    const offset = 8 * row.number("ipv6.fraghdr.offset");
    const last = row.flag("ipv6.fraghdr.more") ? "" : " last";
    words.push(`fragment id ${row.number("ipv6.fraghdr.ident")} offset ${offset}${last}`);
    protocol = row.text("ipv6.fraghdr.nxt");
    later = offset > 0;
  }
  return { words, protocol, later };
}

/** What our line must say of a packet, by tshark's fields alone. */
export function expectedText(row: Row): string {
  const words: string[] = [`${row.text("frame.len")} B`];
  if (row.has("eth.src")) {
    words.push(`${row.text("eth.src")} > ${row.text("eth.dst")}`);
    for (const tag of ["ieee8021ad", "vlan"]) {
      row.all(`${tag}.id`).forEach((id, i) => {
        const priority = row.all(`${tag}.priority`)[i];
        words.push(`vlan ${id}`, priority === "0" ? "" : `prio ${priority}`);
      });
    }
  }
  if (row.has("arp.opcode")) {
    const sender = row.text("arp.src.proto_ipv4");
    words.push(
      row.text("arp.opcode") === "1"
        ? `ARP who-has ${row.text("arp.dst.proto_ipv4")} tell ${sender}`
        : `ARP ${sender} is-at ${row.text("arp.src.hw_mac")}`,
    );
    return words.join(" ").replaceAll(/ +/g, " ");
  }
  const { words: head, protocol, later } = ipWords(row);
  words.push(...head);
  words.push({ "1": "ICMP", "2": "IGMP", "6": "TCP", "17": "UDP", "58": "ICMPv6" }[protocol]!);
  const [source, destination] = row.has("ip.src")
    ? [row.text("ip.src"), row.text("ip.dst")]
    : [row.text("ipv6.src"), row.text("ipv6.dst")];
  const ports = later ? undefined : { "6": "tcp", "17": "udp" }[protocol];
  if (later || protocol === "2") words.push("data ..");
  else if (protocol === "1") words.push(...icmpWords(row));
  else if (protocol === "58") words.push(...icmpv6Words(row));
  else if (protocol === "6") words.push(...tcpWords(row));
  else words.push(`len ${row.number("udp.length") - 8}`);
  const end = (host: string, side: string) =>
    !ports
      ? host
      : `${host.includes(":") ? `[${host}]` : host}:${row.text(`${ports}.${side}port`)}`;
  words.push(`${end(source!, "src")} > ${end(destination!, "dst")}`);
  return words.filter((word) => word !== "").join(" ");
}

/** A line of ours from its length on, without what tshark has no field for: data, and quotations. */
export function comparable(line: string): string {
  return line
    .replace(/^\S+ \S+ (in|out) /, "")
    .replace(/ data \d+ B [0-9a-f]+(\.\.)? /, " data .. ")
    .replace(/ about .* > \S+ (?=\S+ > \S+$)/, " about .. ");
}
