/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the administrator vouches for ([Trust] in netanomaly.conf), as the programs look it up: the names of the
 * interfaces that are not judged, and the marks of MAC and address prefixes.
 */
#ifndef NA_TRUST_H
#define NA_TRUST_H

#include "na_event.h"

#ifdef __bpf__
#define NA_TRUST_INLINE static __attribute__((always_inline)) inline
#else
#define NA_TRUST_INLINE static inline
#endif

/* A pattern asks for at most NA_IFNAME_LEN - 1 characters: with the start, that is one state for each bit of a lane. */
#define NA_GLOB_LANE_BITS 16
#define NA_GLOB_LANES 4 /* patterns in a word */
#define NA_GLOB_WORDS 16
#define NA_GLOBS_MAX (NA_GLOB_WORDS * NA_GLOB_LANES)

/*
 * Four patterns, matched at once (Baeza-Yates and Gonnet, "A new approach to text searching", 1992). Bit n of a lane
 * says that the name so far matches the pattern's first n characters. Members are 64 bits wide, so that the daemon can
 * write the whole as a list of numbers.
 */
struct na_glob_word {
	unsigned long long step[256];		 /* by character: the states that it may lead to */
	unsigned long long start;		 /* states before the first character */
	unsigned long long stay;		 /* states that any character leaves as they are: those at a '*' */
	unsigned long long accept;		 /* states that are a match when the name ends */
	unsigned long long watch;		 /* those of them that are of WatchInterfaces= */
	unsigned long long rules[NA_GLOB_LANES]; /* rules that do not judge what the lane's pattern matches, as bits */
};

_Static_assert(sizeof(struct na_glob_word) == 8 * (256 + 4 + NA_GLOB_LANES), "na_glob_word has no holes");

/* A look at all words for one name. */
struct na_glob_search {
	char name[NA_IFNAME_LEN];
	unsigned long long watch;   /* not 0: there is WatchInterfaces=, and what none of it matches is not judged */
	unsigned long long watched; /* not 0: one of it matches */
	unsigned long long ignored; /* rules, as bits */
	unsigned int first_word;    /* of the generation that holds */
	unsigned int padding;
};

#define NA_RULES_ALL 0xffffffffu

/* na_trust_mark.flags */
enum na_trust_flag {
	NA_TRUST_VIRTUAL_MAC = 1,     /* of a MAC: in VirtualMACs= */
	NA_TRUST_SERVICE_ADDRESS = 1, /* of an address: in ServiceAddresses= */
};

/* Of a MAC or address prefix, with the marks of all prefixes that cover it: a lookup finds the longest one only. */
struct na_trust_mark {
	unsigned int flags;
	unsigned int rules; /* rules that do not judge such a sender, as bits */
};

/* Key of a table of prefixes: the generation, which changes with every reload, stands before the address. */
struct na_trust_prefix {
	unsigned int length; /* in bits, the generation's eight among them */
	unsigned char generation;
	unsigned char bytes[7]; /* network byte order */
};

/* Key of a known binding; with mac 0 it says that the address has any. */
struct na_trust_binding {
	unsigned long long mac;
	unsigned int ip; /* host byte order */
	unsigned int generation;
};

/* The patterns of one word that match the name, as their accepting states. */
NA_TRUST_INLINE unsigned long long na_glob_matches(const struct na_glob_word *word, const char *name)
{
	unsigned long long states = word->start;

	for (int i = 0; i < NA_IFNAME_LEN - 1; i++) {
		unsigned char c = name[i];
		unsigned long long next = (states << 1 & word->step[c]) | (states & word->stay);
		/* All ones until the name ends. No branch: the verifier would follow both sides of each. */
		unsigned long long goes_on = -(unsigned long long)((c + 255u) >> 8);

		states ^= (states ^ next) & goes_on;
	}
	return states & word->accept;
}

NA_TRUST_INLINE void na_try_word(const struct na_glob_word *word, struct na_glob_search *search)
{
	const unsigned long long lane_mask = (1 << NA_GLOB_LANE_BITS) - 1;
	unsigned long long matches = na_glob_matches(word, search->name);

	search->watch |= word->watch;
	search->watched |= matches & word->watch;
	for (int lane = 0; lane < NA_GLOB_LANES; lane++) {
		unsigned long long in_lane = matches >> lane * NA_GLOB_LANE_BITS & lane_mask;
		unsigned long long is_match = -((in_lane + lane_mask) >> NA_GLOB_LANE_BITS); /* all ones or none */

		search->ignored |= word->rules[lane] & is_match;
	}
}

/* The rules, as bits, that do not judge what happens on the interface that was searched for. */
NA_TRUST_INLINE unsigned int na_ignored_rules(const struct na_glob_search *search)
{
	return search->watch && !search->watched ? NA_RULES_ALL : search->ignored;
}

#endif
