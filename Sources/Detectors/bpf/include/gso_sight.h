/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a script sees of a packet with GSO metadata, and its judging. */
#ifndef NA_GSO_SIGHT_H
#define NA_GSO_SIGHT_H

#include "na_host.h"
#include "tun_gso_event.h"

#define GSO_SIGHT_BYTES 128 /* a VXLAN tunnel's headers over IPv4 with TCP inside have 124 */
#define GSO_SIGHT_EVENTS 2  /* a packet may have a trace besides its entry */

/* What the packet was doing. */
enum gso_sight_way {
	GSO_SIGHT_PASSING, /* at one of the first five probes */
	GSO_SIGHT_REFUSED, /* dropped when its owner wrote it, before it had a device */
	GSO_SIGHT_DROPPED,
};

/* A packet. Offsets are from the start of its buffer; host byte order. */
struct gso_sight {
	struct na_sight at;
	unsigned long long features; /* NETIF_F_* of the device */
	unsigned long long location; /* who dropped it */
	unsigned int drop_reason;
	unsigned int gso_type;
	unsigned int length;
	unsigned int data_length; /* of the part that is not linear */
	unsigned int linear_end;
	unsigned int mtu;
	unsigned int tun_flags; /* 0 if not known */
	unsigned int bytes_at;	/* offset of bytes */
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned short mac_header;
	unsigned short network_header;
	unsigned short transport_header;
	unsigned short inner_network_header;
	unsigned short checksum_start;
	unsigned short checksum_offset;
	unsigned short protocol;
	unsigned short device_type;
	unsigned short data;	   /* offset of the packet's data */
	unsigned char way;	   /* enum gso_sight_way */
	unsigned char device_kind; /* enum gso_device_kind */
	unsigned char encapsulation;
	unsigned char ip_summed;
	unsigned char from_owner;  /* of a macvtap or ipvtap, on its way out */
	unsigned char drop_site;   /* enum gso_drop_site */
	unsigned char bytes_count; /* of them that were taken */
	unsigned char bytes[GSO_SIGHT_BYTES];
	unsigned char padding[5];
};

/* Returns how many events it made, none where all is well. */
int gso_judge_sight(struct na_host *host, const struct gso_sight *seen, struct gso_event *events);

#endif
