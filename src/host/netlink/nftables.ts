/** A table of packet filter rules (nf_tables). */

import { ERRNO } from "../../../ffi/errno.ts";
import { SyscallError } from "../../../ffi/libc.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from "../../../ffi/netlink.ts";
import * as nft from "../../../ffi/nftables.ts";
import { Exchange } from "./exchange.ts";
import { type Attribute, encodeMessage, nestedAttribute, textAttribute } from "./message.ts";
import { PinnedSocket } from "./socket.ts";

const BUFFER_BYTES = 8 * 1024;

/** A step of a rule: nft's expressions, by name. */
export type Expression = Attribute;

function bytes(type: number, data: readonly number[]): Attribute {
  return { type, data: Uint8Array.from(data) };
}

function number(type: number, value: number): Attribute {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, value);
  return { type, data };
}

function expression(name: string, attributes: readonly Attribute[]): Expression {
  return nestedAttribute(nft.NFTA_LIST_ELEM, [
    textAttribute(nft.NFTA_EXPR.name, name),
    nestedAttribute(nft.NFTA_EXPR.data, attributes),
  ]);
}

/** The register is the packet's transport protocol. */
export const loadProtocol: Expression = expression("meta", [
  number(nft.NFTA_META.register, nft.NFT_REG.first),
  number(nft.NFTA_META.key, nft.NFT_META_L4PROTO),
]);

/** The register is some bytes of the transport header. */
export function loadTransport(offset: number, length: number): Expression {
  return expression("payload", [
    number(nft.NFTA_PAYLOAD.register, nft.NFT_REG.first),
    number(nft.NFTA_PAYLOAD.base, nft.NFT_PAYLOAD_TRANSPORT_HEADER),
    number(nft.NFTA_PAYLOAD.offset, offset),
    number(nft.NFTA_PAYLOAD.length, length),
  ]);
}

/** The register is the interface that leads to the packet's source, or 0 if it came in by another. */
export const loadReversePath: Expression = expression("fib", [
  number(nft.NFTA_FIB.register, nft.NFT_REG.first),
  number(nft.NFTA_FIB.result, nft.NFT_FIB_RESULT_OIF),
  number(nft.NFTA_FIB.flags, nft.NFTA_FIB_F.saddr | nft.NFTA_FIB_F.iif),
]);

/** Goes on if the register holds these bytes. */
export function isEqual(...data: readonly number[]): Expression {
  return expression("cmp", [
    number(nft.NFTA_CMP.register, nft.NFT_REG.first),
    number(nft.NFTA_CMP.operation, nft.NFT_CMP_EQ),
    nestedAttribute(nft.NFTA_CMP.data, [bytes(nft.NFTA_DATA.value, data)]),
  ]);
}

/** Counts the packet. */
export const count: Expression = expression("counter", []);

/** Drops the packet. */
export const drop: Expression = expression("immediate", [
  number(nft.NFTA_IMMEDIATE.register, nft.NFT_REG.verdict),
  nestedAttribute(nft.NFTA_IMMEDIATE.data, [
    nestedAttribute(nft.NFTA_DATA.verdict, [number(nft.NFTA_VERDICT_CODE, nft.NF_DROP)]),
  ]),
]);

function generic(family: number, subsystem = 0): Uint8Array {
  return Uint8Array.of(family, 0, subsystem >> 8, subsystem & 0xff);
}

/** A socket whose every message is a batch of its own. */
class BatchSocket extends PinnedSocket {
  override send(message: Uint8Array<ArrayBuffer>): void {
    const [begin, end] = [nft.NFNL_MSG_BATCH_BEGIN, nft.NFNL_MSG_BATCH_END].map((type) =>
      encodeMessage(
        { type, flags: NLM_F_REQUEST, sequence: 0 },
        generic(0, nft.NFNL_SUBSYS_NFTABLES),
      )
    );
    super.send(Uint8Array.from([...begin!, ...message, ...end!]));
  }
}

/** The name of the only chain. */
const CHAIN = "forward";

/**
 * A table for what this host passes on. Whoever has its name has made it: it may be there from a
 * process that was killed. It is not bound to its socket (NFT_TABLE_F_OWNER): `nft -j` 1.0.6 cuts
 * off its output at such a table.
 */
export class ForwardTable {
  readonly #exchange = new Exchange(new BatchSocket(nft.NETLINK_NETFILTER, BUFFER_BYTES));

  /** Throws a SyscallError where the kernel has no netfilter. */
  constructor(readonly name: string) {}

  /** Makes it, without rules; tells whether it was not there. Throws a SyscallError. */
  make(): boolean {
    try {
      this.#request(nft.NFT_MSG.newTable, NLM_F_CREATE | NLM_F_EXCL, [
        textAttribute(nft.NFTA_TABLE_NAME, this.name),
      ]);
      return true;
    } catch (error) {
      if (error instanceof SyscallError && error.errno === ERRNO.EEXIST) return false;
      throw error;
    }
  }

  /** Makes these its only rules. Throws a SyscallError. */
  replace(rules: readonly (readonly Expression[])[]): void {
    this.#request(nft.NFT_MSG.newChain, NLM_F_CREATE, [
      textAttribute(nft.NFTA_CHAIN.table, this.name),
      textAttribute(nft.NFTA_CHAIN.name, CHAIN),
      nestedAttribute(nft.NFTA_CHAIN.hook, [
        number(nft.NFTA_HOOK.number, nft.NF_INET_FORWARD),
        number(nft.NFTA_HOOK.priority, nft.NF_IP_PRI_RAW),
      ]),
      textAttribute(nft.NFTA_CHAIN.type, "filter"),
    ]);
    const place = [
      textAttribute(nft.NFTA_RULE.table, this.name),
      textAttribute(nft.NFTA_RULE.chain, CHAIN),
    ];
    this.#request(nft.NFT_MSG.deleteRule, 0, place);
    for (const rule of rules) {
      const steps = nestedAttribute(nft.NFTA_RULE.expressions, rule);
      this.#request(nft.NFT_MSG.newRule, NLM_F_CREATE | nft.NLM_F_APPEND, [...place, steps]);
    }
  }

  /** Removes it. Throws a SyscallError. */
  remove(): void {
    try {
      this.#request(nft.NFT_MSG.deleteTable, 0, [textAttribute(nft.NFTA_TABLE_NAME, this.name)]);
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === ERRNO.ENOENT)) throw error;
    } finally {
      this.#exchange.close();
    }
  }

  #request(type: number, flags: number, attributes: readonly Attribute[]): void {
    this.#exchange.request({
      type: nft.NFNL_SUBSYS_NFTABLES << 8 | type,
      flags,
      body: generic(nft.NFPROTO_INET),
      attributes,
    });
  }
}
