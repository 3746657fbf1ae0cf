/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a script sees of ARP, and its judging. */
#ifndef NA_ARP_SIGHT_H
#define NA_ARP_SIGHT_H

#include "arp_event.h"
#include "na_host.h"

#define ARP_SIGHT_BYTES 56 /* Ethernet, two VLAN tags, ARP, rounded up to words */
#define ARP_SIGHT_UPPERS 3 /* devices above the one in question, each stacked on the one before */
#define ARP_SIGHT_EVENTS 2 /* a frame may have a trace besides its entry */

/* Bits of arp_sight.places above those of the two addresses. */
#define ARP_SIGHT_SENDER_IS_OURS 0x10000
#define ARP_SIGHT_DESTINATION_IS_OURS 0x20000

enum arp_sight_way {
	ARP_SIGHT_RECEIVED,
	ARP_SIGHT_SENT,
	ARP_SIGHT_DROPPED,
};

/* A frame. Offsets are from the start of its buffer. */
struct arp_sight {
	struct na_sight at;
	unsigned long long device_mac; /* first byte highest, in the low 48 bits */
	unsigned long long buffer;     /* address of the packet's buffer: clones of one frame share it */
	unsigned long long location;   /* who dropped it */
	unsigned int places; /* enum arp_place of the sender's address, of the target's eight bits above, ARP_SIGHT_* */
	unsigned int uppers[ARP_SIGHT_UPPERS]; /* interface indices, 0 for none */
	unsigned int domain;		       /* of the device that stands for the broadcast domain */
	unsigned int device_flags;	       /* IFF_* */
	unsigned int data_length;	       /* of the part that is not linear */
	unsigned int linear_end;
	unsigned int drop_reason;
	unsigned int received_on; /* skb_iif */
	unsigned short device_type;
	unsigned short mac_header;
	unsigned short data;	 /* offset of the packet's data */
	unsigned short protocol; /* of the buffer, host byte order */
	unsigned short vlan_tci; /* taken out of the frame; counts if has_vlan */
	unsigned char has_vlan;
	unsigned char device_address_length;
	unsigned char way;	  /* enum arp_sight_way */
	unsigned char is_process; /* sent by a packet socket */
	unsigned char padding;
	unsigned char bytes[ARP_SIGHT_BYTES]; /* from the Ethernet header on */
};

enum arp_change_kind {
	ARP_CHANGE_UPDATE,
	ARP_CHANGE_FAILED,
	ARP_CHANGE_NO_ROOM,
};

/* Something that happened in the neighbour table. Its namespace is not told: at.netns and at.ifindex are looked for. */
struct arp_change_sight {
	struct na_sight at;
	unsigned long long old_mac;
	unsigned long long new_mac;
	unsigned int ip;	 /* host byte order */
	unsigned int flags;	 /* NEIGH_UPDATE_F_* */
	unsigned int entries;	 /* of the whole table, when there is no room */
	unsigned char kind;	 /* enum arp_change_kind */
	unsigned char old_state; /* NUD_* */
	unsigned char new_state;
	unsigned char padding;
};

/* Both return how many events they made, none where all is well. Sights are to come in the order of their time. */
int arp_judge_frame_sight(struct na_host *host, const struct arp_sight *seen, struct arp_event *events);
int arp_judge_change_sight(struct na_host *host, const struct arp_change_sight *seen, struct arp_event *events);

#endif
