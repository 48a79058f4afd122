/** Values of the flags of `dump`, and of captures. Pure. */

import type { Mode } from "../../wire/mode.ts";
import { quote, readDevice, readMode, type Result } from "../../config/values.ts";
import {
  CAPTURE_FILES_DEFAULT,
  CAPTURE_FILES_MAX,
  CAPTURE_SIZE_MIN_BYTES,
} from "../../base/limits.ts";
import { type Address, parseAddress, parsePrefix } from "../../net/prefix.ts";
import { fail, type RawArgs, read, readAll } from "./raw_args.ts";

/** An address to give to a device, with the length of its network. */
export interface InterfaceAddress {
  readonly address: Address;
  readonly length_bits: number;
}

/** Where a capture goes: `-` is standard output. */
export interface CaptureArgs {
  readonly path: string;
  readonly size_bytes: number | undefined;
  readonly files: number;
}

/** Options of `dump`. */
export interface DumpOptions {
  readonly device: string;
  readonly mode: Mode;
  readonly addresses: readonly InterfaceAddress[];
  /** End after so many packets. */
  readonly count: number | undefined;
  readonly pcap: CaptureArgs | undefined;
  readonly json: boolean;
}

/** An address with its network's length; unlike a subnet, its host bits count. */
function readInterfaceAddress(text: string): Result<InterfaceAddress> {
  const parsed = parsePrefix(text);
  const address = parseAddress(text.slice(0, text.indexOf("/")));
  if (parsed && address) return { value: { address, length_bits: parsed.prefix.length_bits } };
  const how = "ADDRESS/LENGTH such as 192.168.1.1/24 or fd00::1/64";
  return { problem: { what: `${quote(text)} is not an address with its length`, how } };
}

/** A number of packets. */
function readCount(text: string): Result<number> {
  const count = /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 0;
  if (count > 0) return { value: count };
  return { problem: { what: `${quote(text)} is not a number of packets`, how: "1 or more" } };
}

/** A number of capture files to keep. */
function readCaptureFiles(text: string): Result<number> {
  const files = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0;
  if (files > 0 && files <= CAPTURE_FILES_MAX) return { value: files };
  return {
    problem: {
      what: `${quote(text)} is not a number of files`,
      how: `a number from 1 to ${CAPTURE_FILES_MAX}`,
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** A size in bytes: a number, with K, M or G for powers of 1,024. */
function readCaptureSize(text: string): Result<number> {
  const match = /^([1-9][0-9]{0,11})([KMG]?)$/i.exec(text);
  const size_bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : 0;
  if (size_bytes >= CAPTURE_SIZE_MIN_BYTES) return { value: size_bytes };
  return {
    problem: {
      what: `${quote(text)} is not a size of a capture file`,
      why: match ? `below ${CAPTURE_SIZE_MIN_BYTES / 1024}K` : undefined,
      how: "a number with K, M or G, such as 100M",
    },
  };
}

/** The flags of a capture; undefined without --pcap. */
export function readCapture(raw: RawArgs): CaptureArgs | undefined {
  const path = raw.value("pcap");
  const size_bytes = read(raw, "pcap-size", readCaptureSize);
  const files = read(raw, "pcap-files", readCaptureFiles);
  if (path === undefined && (size_bytes ?? files) !== undefined) {
    const flag = size_bytes === undefined ? "--pcap-files" : "--pcap-size";
    fail({ what: `${flag} without a capture`, how: "--pcap FILE" });
  }
  if (size_bytes === undefined && files !== undefined) {
    fail({ what: "--pcap-files without a size to begin a new one at", how: "--pcap-size SIZE" });
  }
  if (path === "-" && size_bytes !== undefined) {
    fail({ what: "--pcap-size: standard output is one stream", how: "--pcap FILE" });
  }
  return path === undefined
    ? undefined
    : { path, size_bytes, files: files ?? CAPTURE_FILES_DEFAULT };
}

/** The options of `dump`. Throws a UsageError. */
export function readDump(raw: RawArgs): DumpOptions {
  const text = raw.positional[0];
  if (text === undefined) fail({ what: "dump needs a device", how: "tunnet dump DEVICE" });
  const device = readDevice(text);
  if (device.problem) fail(device.problem);
  const options = {
    device: device.value,
    mode: read(raw, "mode", readMode) ?? "tun",
    addresses: readAll(raw, "address", readInterfaceAddress),
    count: read(raw, "count", readCount),
    pcap: readCapture(raw),
    json: raw.has("json"),
  };
  if (options.json && options.pcap?.path === "-") {
    fail({
      what: "--json and --pcap -",
      why: "both write to standard output",
      how: "--pcap FILE",
    });
  }
  return options;
}
