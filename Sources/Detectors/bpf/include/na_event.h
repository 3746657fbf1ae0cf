/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all detectors share between kernel and daemon: the head of an event, the settings of a rule, its totals.
 *
 * These headers are the only definition of the layouts. clang -target bpf and Swift's Clang importer read the same
 * files, so they use plain C types and include nothing. Largest members first, padding written out, no bit-fields.
 */
#ifndef NA_EVENT_H
#define NA_EVENT_H

#define NA_COMM_LEN 16	 /* TASK_COMM_LEN */
#define NA_IFNAME_LEN 16 /* IFNAMSIZ */
#define NA_CGROUP_LEN 64 /* leaf directory name; longer ones are cut */
#define NA_STACK_MAX 24	 /* frames; the deepest receive path measured has 21 */
#define NA_HEADER_MAX 96 /* first bytes of a packet: Ethernet + IPv6 + TCP with options fit */
#define NA_RULES_MAX 32	 /* per detector */
#define NA_HOOKS_MAX 8	 /* per detector */

enum na_kind {
	NA_KIND_EVENT = 1,
	NA_KIND_SUMMARY = 2, /* written by the sweep: suppressed events of a quiet key, no stack */
};

enum na_direction {
	NA_DIRECTION_NONE = 0, /* a state change, not a packet */
	NA_DIRECTION_RX = 1,
	NA_DIRECTION_TX = 2,
};

/* Identity of "the same" anomaly. detail, a, b and c belong to the rule. */
struct na_key {
	unsigned long long a;
	unsigned long long b;
	unsigned long long c;
	unsigned long long netns_cookie; /* never used twice, unlike the inode; 0 before Linux 5.12 */
	unsigned int netns;		 /* inode of the network namespace */
	unsigned int ifindex;
	unsigned int also; /* the other rules that the same packet breaks, as bits: they share this event's fate */
	unsigned short rule;
	unsigned short detail;
};

struct na_event_head {
	struct na_key key;
	unsigned long long boottime_ns; /* CLOCK_BOOTTIME of this event */
	unsigned long long first_ns;	/* first and newest event of the key */
	unsigned long long last_ns;
	unsigned long long suppressed; /* events of the key since its last emitted one, this one not counted */
	unsigned long long location;   /* who dropped the packet (kfree_skb), else 0 */
	unsigned long long stack[NA_STACK_MAX];
	unsigned int kind;
	unsigned int probe; /* index in the detector's list of probes */
	unsigned int direction;
	unsigned int pid; /* thread group id; means something in process context only */
	unsigned int stack_depth;
	unsigned int drop_reason; /* enum skb_drop_reason of the running kernel, where location is set */
	char comm[NA_COMM_LEN];
	char ifname[NA_IFNAME_LEN];
	char master[NA_IFNAME_LEN]; /* the bridge or bond that the interface belongs to; empty for none */
	char cgroup[NA_CGROUP_LEN];
	unsigned int is_gateway; /* 1: the address concerned is the next hop of the namespace's default route */
	unsigned int reserved;
};

/* One array slot per rule, written by the daemon at start and at reload while the programs run. */
struct na_rule_settings {
	unsigned long long dedup_interval_ns; /* 0: every event is emitted */
	unsigned long long token_interval_ns; /* RateLimitIntervalSec / RateLimitBurst */
	unsigned long long burst_window_ns;   /* RateLimitIntervalSec */
	unsigned int threshold;		      /* the rule's configurable number, 0 if it has none */
	unsigned int reserved;
};

/* One slot: what the judging of a packet depends on besides the rules' own settings. */
struct na_config {
	unsigned long long turn;       /* of the programs that judge; of all others nothing happens */
	unsigned long long started_ns; /* CLOCK_BOOTTIME; what went before is not remembered */
	unsigned long long seed;       /* of the memory's hash: nobody outside shall choose what is forgotten */
	unsigned int enabled;	       /* rules that are judged, as bits */
	unsigned int memory_sets;      /* entries of the memory map */
	unsigned int has_globs;	       /* [Trust] names interfaces */
	unsigned int has_trust;	       /* [Trust] names MACs or addresses */
	unsigned int generation;       /* 0 or 1: which half of the trust maps holds; a reload fills the other first */
	unsigned int reserved;
};

/*
 * One per-CPU array slot per rule; never reset, never evicted. seen stands last because user space copies the slot
 * front to back while programs run: what it read as settled had been seen.
 */
struct na_rule_totals {
	unsigned long long emitted;
	unsigned long long deduplicated;
	unsigned long long limited;
	unsigned long long overflow;
	unsigned long long lost_ring;
	unsigned long long trusted; /* met the rule, but [Trust] excuses it: not in seen */
	unsigned long long seen;
};

/*
 * One thing remembered about earlier packets; four of them are a set, and a set is a slot of the memory map. An entry
 * ends by itself; one that is given up for another before its time is counted as forgotten.
 */
struct na_memory {
	unsigned long long tag;	     /* hash of what it is about */
	unsigned long long until_ns; /* worth nothing from then on */
	unsigned long long a;
	unsigned long long b;
};

#define NA_MEMORY_WAYS 4

struct na_memory_set {
	struct na_memory ways[NA_MEMORY_WAYS];
};

/* Argument and answer of the sweep program: the context of one run. */
struct na_sweep {
	unsigned long long now_ns;  /* in: CLOCK_BOOTTIME */
	unsigned long long next_ns; /* out: when the next key wants a sweep; 0 when none is left */
	unsigned int budget;	    /* in: summaries to write at most; out: what is left of it */
	unsigned int is_final;	    /* in: 1 writes every key's summary now */
	unsigned int keys;	    /* out: keys still in the table */
	unsigned int ring_full;	    /* out: 1 if the ring had no room; nothing was lost, sweep again */
};

_Static_assert(sizeof(struct na_key) == 48, "na_key has no holes");
_Static_assert(sizeof(struct na_event_head) == 424, "na_event_head has no holes");
_Static_assert(sizeof(struct na_rule_settings) == 32, "na_rule_settings has no holes");
_Static_assert(sizeof(struct na_config) == 48, "na_config has no holes");
_Static_assert(sizeof(struct na_memory_set) == 128, "na_memory_set is two cache lines");
_Static_assert(sizeof(struct na_rule_totals) == 56, "na_rule_totals has no holes");

#endif
