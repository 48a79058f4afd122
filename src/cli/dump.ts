/** `tunnet dump`: one line for each packet that the kernel sends to a device. */

import { decodePacket, type LinkKind } from "../inspect/decode/decode.ts";
import { colourPaint, packetJson, packetLine, plainPaint } from "../inspect/decode/line.ts";
import { Summary } from "../inspect/dump/summary.ts";
import { AsyncPollWait } from "../io/poll_async.ts";
import { Burst } from "../io/arena.ts";
import { WallClock } from "../io/clock.ts";
import { RunError } from "../base/errors.ts";
import { DRAIN_TIMEOUT_MS, LINES_QUEUE_BYTES } from "../base/limits.ts";
import { configureDevice } from "../host/device_config.ts";
import { DeviceNote, putBack } from "../host/device_note.ts";
import { lockDevice } from "../host/device_lock.ts";
import type { LinkInfo, Rtnetlink } from "../host/netlink/rtnetlink.ts";
import { openRtnetlink } from "../host/netlink/linux.ts";
import { createLog, type Log } from "../base/log.ts";
import { formatAddress } from "../net/prefix.ts";
import { OutputQueue } from "../base/output_queue.ts";
import { Capture } from "../inspect/pcap/capture.ts";
import { LINK_TYPE } from "../inspect/pcap/pcapng.ts";
import { DEVICE_GONE, type OpenTun } from "../io/device.ts";
import { closeTun, LinuxTun, openTun } from "../io/tun_linux.ts";
import { VERSION } from "../base/version.ts";
import type { Mode } from "../wire/mode.ts";
import type { Options } from "./commands.ts";
import { colourful, complain } from "./output.ts";

/** The options, with what the device is. */
type DumpOptions = Options["dump"] & { readonly mode: Mode };

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One dump: what comes from the device goes to the lines and to the capture. */
class Dump {
  readonly #encoder = new TextEncoder();
  readonly #paint = colourful() ? colourPaint : plainPaint;
  readonly #link: LinkKind;
  readonly #lines: OutputQueue | undefined;
  readonly #summary = new Summary();
  readonly #clock = new WallClock();
  #wait: AsyncPollWait | undefined;
  #capture: Capture | undefined;
  #stopped = false;
  #told = false;
  #failure: unknown;

  constructor(readonly options: DumpOptions, readonly log: Log) {
    this.#link = options.mode === "tap" ? "ethernet" : "ip";
    if (options.pcap?.path !== "-") {
      this.#lines = new OutputQueue(
        (bytes) => Deno.stdout.write(bytes),
        LINES_QUEUE_BYTES,
        (error) => this.#fail(error),
      );
    }
  }

  readonly stop = (): void => {
    this.#stopped = true;
    this.#wait?.wake();
  };

  async openCapture(): Promise<void> {
    const { pcap, device, mode } = this.options;
    if (!pcap) return;
    const described = {
      name: device,
      description: `${mode} device, as read by tunnet dump`,
      linkType: mode === "tap" ? LINK_TYPE.ethernet : LINK_TYPE.raw,
      snap_bytes: 0,
    };
    const application = `tunnet ${VERSION}`;
    this.#capture = await Capture.open(pcap, [described], application, (e) => this.#fail(e));
  }

  /** Reads until stopped, until the count is full, or until the device or a reader is gone. */
  async run(tun: OpenTun): Promise<void> {
    const { device, mode } = this.options;
    const reader = new LinuxTun(tun);
    const burst = new Burst();
    const wait = new AsyncPollWait(reader.fd);
    this.#wait = wait;
    this.log.info("ready", `reading ${device} (${mode}); Ctrl-C ends it`, { device, mode });
    while (!this.#stopped) {
      const sound = await wait.sleep();
      this.#clock.read();
      // Bounded, so that others on this thread get their turn as well.
      for (let i = 0; i < burst.slots && !this.#stopped; i++) {
        const taken = sound ? reader.read(burst, 0) : DEVICE_GONE;
        if (taken === DEVICE_GONE) {
          this.#failure = new RunError({ what: `the device ${device} was removed` });
          return;
        }
        if (taken === 0) break;
        this.#take(burst, 0);
      }
      this.#tellDrops();
    }
  }

  /** The last words; throws what ended the dump, if that was an error. */
  async finish(): Promise<void> {
    await this.#lines?.drain(DRAIN_TIMEOUT_MS);
    await this.#capture?.close();
    const { packets, bytes, protocols, text } = this.#summary;
    const lost = { lines: this.#lines?.dropped ?? 0, captured: this.#capture?.dropped ?? 0 };
    this.log.info("summary", text, { packets, bytes, protocols, dropped: lost });
    const said = [`${lost.lines} lines`, `${lost.captured} captured packets`].filter((_, i) =>
      [lost.lines, lost.captured][i]! > 0
    );
    if (said.length > 0) {
      this.log.warn("dropped", `${said.join(" and ")} were dropped: the reader is too slow`, lost);
    }
    if (this.#failure) throw this.#failure;
  }

  close(): void {
    this.#wait?.close();
  }

  #take(burst: Burst, slot: number): void {
    const { device, json, count } = this.options;
    const offset = burst.offset(slot);
    const length_bytes = burst.length[slot]!;
    const decoded = decodePacket(burst.view, offset, length_bytes, length_bytes, this.#link);
    this.#summary.add(decoded.protocol, length_bytes);
    const { seconds, nanoseconds } = this.#clock;
    if (this.#lines) {
      const time = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
      const met = { time, device, direction: "in", length_bytes } as const;
      const line = json
        ? JSON.stringify(packetJson(met, decoded))
        : packetLine(met, decoded, this.#paint);
      this.#lines.push(this.#encoder.encode(`${line}\n`));
    }
    this.#capture?.packet({
      interface: 0,
      time: { seconds, nanoseconds },
      direction: "in",
      bytes: burst.bytes.subarray(offset, offset + length_bytes),
      length_bytes,
    });
    if (this.#summary.packets === count) this.#stopped = true;
  }

  /** Says at once that lines are missing; how many, at the end. */
  #tellDrops(): void {
    if (this.#told || (this.#lines?.dropped ?? 0) + (this.#capture?.dropped ?? 0) === 0) return;
    this.#told = true;
    this.log.warn("slow_reader", "the reader is too slow: packets are dropped, and counted");
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.stop();
  }
}

/** Switches the device on with its addresses; the result takes that back. */
function configure(rt: Rtnetlink, { device, addresses }: DumpOptions, log: Log): () => void {
  putBack(rt, device);
  const link = rt.getLink(device);
  if (!link) throw new RunError({ what: `the device ${device} vanished` });
  const { index, mtu_bytes } = link;
  const note = DeviceNote.write(rt, link, { addresses, joins: false, settings: [] });
  const configured = configureDevice(rt, { index, mtu_bytes, addresses, routes: [] });
  const present = rt.addresses(index).map(({ address }) => formatAddress(address.bytes));
  for (const { address } of addresses) {
    const text = formatAddress(address.bytes);
    if (present.includes(text)) continue;
    log.warn("address", `${device} keeps the address that it has; ${text} is left out`);
  }
  return () => {
    configured.undo();
    note?.clear();
  };
}

/** Takes the device's lock. Throws a RunError where a node has it, which shows its packets itself. */
function lockForDump(rt: Rtnetlink, device: string): Disposable | undefined {
  try {
    return lockDevice(device, () => rt.getLink(device) !== undefined);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    const how = `sudo tunnet trace --device ${device}, or tcpdump -i ${device}`;
    throw new RunError({ ...error.parts, how });
  }
}

/** What a device carries that there is already, or else is to be made under this name. */
export function modeOf(device: string, link: LinkInfo | undefined): Mode {
  if (link?.kind === "tun") return link.ethernet ? "tap" : "tun";
  return /^tap\d*$/.test(device) ? "tap" : "tun";
}

/** Dumps a device until a signal or the count ends it; resolves to the exit status. */
export async function runDump(asked: Options["dump"]): Promise<number> {
  const log = createLog({
    level: "info",
    json: asked.json,
    untimed: true,
    write: complain,
    now: () => new Date(),
  });
  using rt = openRtnetlink();
  const mode = asked.mode ?? modeOf(asked.device, rt.getLink(asked.device));
  const options = { ...asked, mode };
  const dump = new Dump(options, log);
  // Before the device is made: a signal must never leave it half configured.
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, dump.stop);
  try {
    await dump.openCapture();
    using _lock = lockForDump(rt, options.device);
    const tun = openTun(options.device, options.mode, new Set());
    try {
      const undo = configure(rt, options, log);
      try {
        await dump.run(tun);
      } finally {
        undo();
      }
    } finally {
      closeTun(tun);
    }
    await dump.finish();
    return 0;
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, dump.stop);
    dump.close();
  }
}
