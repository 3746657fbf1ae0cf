/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of the tun-gso detector. */
#ifndef NA_TUN_GSO_EVENT_H
#define NA_TUN_GSO_EVENT_H

#include "na_event.h"

/*
 * The order is the order of precedence: a packet that breaks several has an entry under the first of them, which names
 * the others. The three about drops stand alone: what they are about is known by where it was dropped.
 */
enum gso_rule {
	GSO_RULE_SIZE_WITHOUT_TYPE,
	GSO_RULE_TYPE_WITHOUT_SIZE,
	GSO_RULE_BY_FRAGS,
	GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION,
	GSO_RULE_UNSUPPORTED_TYPE,
	GSO_RULE_READ_FAILED, /* a drop */
	GSO_RULE_MIXED_TYPES,
	GSO_RULE_IP_MISMATCH,
	GSO_RULE_L4_MISMATCH,
	GSO_RULE_TINY_SIZE,
	GSO_RULE_ECN_WITHOUT_TCP,
	GSO_RULE_CHECKSUM_START,
	GSO_RULE_LENGTH_MISMATCH,
	GSO_RULE_SIZE_EXCEEDS_PAYLOAD,
	GSO_RULE_SEGS_MISMATCH,
	GSO_RULE_HEADER_REJECTED,      /* a drop */
	GSO_RULE_SEGMENTATION_REFUSED, /* a drop */
	GSO_RULE_SIZE_EXCEEDS_MTU,
	GSO_RULE_SHORT_HEADER,
	GSO_RULE_UFO,
	GSO_RULE_WITHOUT_CHECKSUM,
	GSO_RULE_TRACE, /* not a rule that a packet breaks: every GSO packet has an entry of its own */
	GSO_RULE_COUNT,
};

enum gso_probe {
	GSO_PROBE_NETIF_RECEIVE_SKB_ENTRY,
	GSO_PROBE_NAPI_GRO_RECEIVE_ENTRY,
	GSO_PROBE_NAPI_GRO_FRAGS_ENTRY,
	GSO_PROBE_NET_DEV_QUEUE,
	GSO_PROBE_NET_DEV_START_XMIT,
	GSO_PROBE_KFREE_SKB,
	GSO_PROBE_COUNT,
};

/*
 * Members of the drivers' own structures. Where a driver is a module, the kernel's BTF does not have its types and
 * libbpf may only look into modules with CAP_SYS_ADMIN: the daemon reads the offsets from the module's BTF file.
 */
enum gso_member {
	GSO_MEMBER_TUN_FILE_TUN, /* struct tun_file, tun */
	GSO_MEMBER_TUN_FLAGS,	 /* struct tun_struct, flags */
	GSO_MEMBER_TUN_DEV,	 /* struct tun_struct, dev */
	GSO_MEMBER_QUEUE_TAP,	 /* struct tap_queue, tap */
	GSO_MEMBER_QUEUE_FLAGS,	 /* struct tap_queue, flags */
	GSO_MEMBER_TAP_DEV,	 /* struct tap_dev, dev */
	GSO_MEMBER_COUNT,
};

/* na_key.detail; 0 where the rule has no sub-cases. */
enum gso_detail {
	GSO_DETAIL_NONE = 0,
	GSO_DETAIL_TCPV4_ON_OTHER = 1, /* gso-ip-mismatch */
	GSO_DETAIL_TCPV6_ON_OTHER = 2,
	GSO_DETAIL_TCP_ON_OTHER = 10, /* gso-l4-mismatch */
	GSO_DETAIL_UDP_ON_OTHER = 11,
	GSO_DETAIL_SCTP_ON_OTHER = 12,
	GSO_DETAIL_NOT_ENCAPSULATED = 20, /* gso-tunnel-without-encapsulation */
	GSO_DETAIL_INNER_IS_OUTER = 21,
	GSO_DETAIL_TINY = 30,		/* gso-tiny-size: below the threshold */
	GSO_DETAIL_MINUTE = 31,		/* below 8 bytes: one packet becomes thousands */
	GSO_DETAIL_READ_TYPE = 40,	/* gso-read-failed: no virtio-net header can say what the packet is */
	GSO_DETAIL_READ_READER = 41,	/* it could: the reader left no room for it */
	GSO_DETAIL_SEGS_COUNT = 50,	/* gso-segs-mismatch: gso_segs is not what gso_size makes of the data */
	GSO_DETAIL_SEGS_TOO_MANY = 51,	/* more than a UDP packet may be cut into */
	GSO_DETAIL_MTU_SENT = 60,	/* gso-size-exceeds-mtu */
	GSO_DETAIL_MTU_RECEIVED = 61,	/* from the device's owner, which may know better than our side */
	GSO_DETAIL_CHECKSUM_START = 70, /* gso-checksum-start: not at the transport header */
	GSO_DETAIL_CHECKSUM_FIELD = 71, /* its place in that header is another protocol's */
};

/* Where on its way through a device a packet is judged; each rule on the way out at one of the two places only. */
enum gso_stage {
	GSO_STAGE_RECEIVED,    /* from the device's owner, as it wrote it */
	GSO_STAGE_QUEUED,      /* before the kernel segments, or drops what it cannot segment */
	GSO_STAGE_HANDED_OVER, /* as the device gets it */
};

enum gso_device_kind {
	GSO_DEVICE_OTHER = 0,
	GSO_DEVICE_TUN = 1, /* rtnl kind "tun": both TUN and TAP */
	GSO_DEVICE_MACVTAP = 2,
	GSO_DEVICE_IPVTAP = 3,
};

/* The code that dropped a packet, by its name. */
enum gso_drop_site {
	GSO_DROP_OTHER = 1,
	GSO_DROP_TUN_WRITE = 2,	   /* tun_get_user, and tun_sendmsg for vhost's batches */
	GSO_DROP_TAP_WRITE = 3,	   /* tap_get_user: macvtap and ipvtap */
	GSO_DROP_SEGMENTATION = 4, /* validate_xmit_skb */
	GSO_DROP_READ = 5,	   /* tun_do_read, tap_do_read */
};

/*
 * The kernel's gso_type bits (SKB_GSO_* of linux/skbuff.h). They are an anonymous enum there, which CO-RE cannot look
 * up by name; the values have stood since 4.14, before tp_btf, and only grew. A test compares them with the running
 * kernel's BTF. FIXEDID moved from bit 3 to bit 30 in 6.18; bit 3 has no other use.
 */
enum gso_type_bit {
	GSO_TCPV4 = 1u << 0,
	GSO_DODGY = 1u << 1,
	GSO_TCP_ECN = 1u << 2,
	GSO_TCP_FIXEDID_OLD = 1u << 3,
	GSO_TCPV6 = 1u << 4,
	GSO_FCOE = 1u << 5,
	GSO_GRE = 1u << 6,
	GSO_GRE_CSUM = 1u << 7,
	GSO_IPXIP4 = 1u << 8,
	GSO_IPXIP6 = 1u << 9,
	GSO_UDP_TUNNEL = 1u << 10,
	GSO_UDP_TUNNEL_CSUM = 1u << 11,
	GSO_PARTIAL = 1u << 12,
	GSO_TUNNEL_REMCSUM = 1u << 13,
	GSO_SCTP = 1u << 14,
	GSO_ESP = 1u << 15,
	GSO_UDP = 1u << 16,
	GSO_UDP_L4 = 1u << 17,
	GSO_FRAGLIST = 1u << 18,
	GSO_TCP_ACCECN = 1u << 19,
	GSO_TCP_FIXEDID = 1u << 30,
	GSO_TCP_FIXEDID_INNER = 1u << 31,
};

#define GSO_IP_VERSION_NONE 0
#define GSO_IP_VERSION_HIDDEN 1 /* behind MPLS labels or a PPPoE header, which we do not follow */
#define GSO_L4_UNKNOWN 255 /* not in the linear area, a fragment, or behind more extension headers than we follow */

struct gso_event {
	struct na_event_head head;
	unsigned int gso_type; /* enum gso_type_bit */
	unsigned int length;   /* skb->len */
	unsigned int linear_length;
	unsigned int tun_flags; /* IFF_* of the tun device, 0 if not readable */
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned short protocol;    /* skb->protocol, host byte order */
	unsigned short source_port; /* host byte order, valid if has_ports */
	unsigned short destination_port;
	unsigned short headers_length; /* valid bytes in headers */
	unsigned char device_kind;
	unsigned char encapsulation;
	unsigned char ip_summed;   /* CHECKSUM_NONE, _UNNECESSARY, _COMPLETE, _PARTIAL */
	unsigned char ip_version;  /* 4, 6, or GSO_IP_VERSION_* */
	unsigned char l4_protocol; /* GSO_L4_UNKNOWN if not known */
	unsigned char has_ports;
	unsigned char has_gso; /* gso_* are valid: not in a header the kernel refused */
	unsigned char has_addresses;
	unsigned char source[16]; /* IPv4 in the first four bytes */
	unsigned char destination[16];
	unsigned char headers[NA_HEADER_MAX];
	unsigned int found;    /* the number that broke the rule, if one did */
	unsigned int expected; /* what it should be, or not exceed */
	unsigned char padding[4];
};

_Static_assert(sizeof(struct gso_event) == sizeof(struct na_event_head) + 176, "gso_event has no holes");

#endif
