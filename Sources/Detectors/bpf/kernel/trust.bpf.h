/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What [Trust] takes out of what a packet breaks, before any of it counts.
 *
 * The daemon fills one generation of the tables while the programs read the other, then switches `config.generation`:
 * no packet is judged by half of a reload.
 */
#ifndef NA_TRUST_BPF_H
#define NA_TRUST_BPF_H

#include "gate.bpf.h"
#include "na_trust.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * NA_GLOB_WORDS);
	__type(key, __u32);
	__type(value, struct na_glob_word);
} globs SEC(".maps");

static long na_look_at_word(struct bpf_map *map, __u32 *index, struct na_glob_word *word, struct na_glob_search *search)
{
	if (*index - search->first_word < NA_GLOB_WORDS)
		na_try_word(word, search);
	return 0;
}

/* The rules that are not judged on the device, as bits. A walk with a callback: the verifier looks at one word only. */
__noinline __u32 na_ignored_on(__u64 device)
{
	struct na_config *known = na_config_slot();
	struct na_glob_search search = {};

	if (!known)
		return 0;
	search.first_word = known->generation * NA_GLOB_WORDS;
	na_read_ifname(search.name, (void *)device);
	bpf_for_each_map_elem(&globs, na_look_at_word, &search, 0);
	return na_ignored_rules(&search);
}

/* What is left of the rules broken on a device; what is excused is counted as trusted. */
static __always_inline __u32 na_left_by_trust(const struct na_config *known, __u32 broken, __u32 excused, __u64 device)
{
	broken &= known->enabled;
	if (!broken)
		return 0;
	if (known->has_globs)
		excused |= na_ignored_on(device);
	excused &= broken;
	if (excused)
		na_book_rules(excused, NA_FATE_TRUSTED);
	return broken & ~excused;
}

#endif
