/**
 * nf_tables over netlink (linux/netfilter/nfnetlink.h, nf_tables.h). Numbers in attributes are in
 * network order.
 */

export const NETLINK_NETFILTER = 12;

/** Of a message's type the upper byte: the subsystem. */
export const NFNL_SUBSYS_NFTABLES = 10;
/** Changes are between these two. */
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
/** struct nfgenmsg: a family, a version, the subsystem of a batch in network order. */
export const NFGENMSG_BYTES = 4;
export const NFPROTO_INET = 1;
/** On a request to make something: behind what is there. */
export const NLM_F_APPEND = 0x800;

export const NFT_MSG = {
  newTable: 0,
  deleteTable: 2,
  newChain: 3,
  newRule: 6,
  deleteRule: 8,
} as const;

export const NFTA_TABLE_NAME = 1;

export const NFTA_CHAIN = { table: 1, name: 3, hook: 4, type: 7 } as const;
export const NFTA_HOOK = { number: 1, priority: 2 } as const;
export const NF_INET_FORWARD = 2;
/** Before what others filter (linux/netfilter_ipv4.h, NF_IP_PRI_RAW). */
export const NF_IP_PRI_RAW = -300;

export const NFTA_RULE = { table: 1, chain: 2, expressions: 4 } as const;
export const NFTA_LIST_ELEM = 1;
export const NFTA_EXPR = { name: 1, data: 2 } as const;
export const NFTA_DATA = { value: 1, verdict: 2 } as const;
export const NFTA_VERDICT_CODE = 1;
export const NF_DROP = 0;
export const NFT_REG = { verdict: 0, first: 1 } as const;

export const NFTA_META = { register: 1, key: 2 } as const;
export const NFT_META_L4PROTO = 16;
export const NFTA_CMP = { register: 1, operation: 2, data: 3 } as const;
export const NFT_CMP_EQ = 0;
export const NFTA_PAYLOAD = { register: 1, base: 2, offset: 3, length: 4 } as const;
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
/** A route lookup: its result here is the interface's index, 0 if it is not the one asked for. */
export const NFTA_FIB = { register: 1, result: 2, flags: 3 } as const;
export const NFT_FIB_RESULT_OIF = 1;
export const NFTA_FIB_F = { saddr: 1, iif: 8 } as const;
export const NFTA_IMMEDIATE = { register: 1, data: 2 } as const;
