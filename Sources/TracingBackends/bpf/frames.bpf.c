// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names kernel addresses for a daemon that may not read /proc/kallsyms: the daemon puts addresses into the map, runs
 * the program, and reads lines such as "arp_process+0x40/0x9d0". No symbol table in memory, right after module loads.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAMES_PER_RUN 8 /* bpf_snprintf() takes at most 12 arguments */
#define FRAMES_TEXT 1024 /* 8 times KSYM_NAME_LEN's usual use; longer text is cut */

struct frame_names {
	__u64 addresses[FRAMES_PER_RUN];
	char text[FRAMES_TEXT];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_names);
} frames SEC(".maps");

SEC("syscall")
int name_frames(void *ctx)
{
	static const char format[] = "%pB\n%pB\n%pB\n%pB\n%pB\n%pB\n%pB\n%pB\n";
	__u32 zero = 0;
	struct frame_names *names = bpf_map_lookup_elem(&frames, &zero);

	if (!names)
		return 1;
	return bpf_snprintf(names->text, sizeof(names->text), format, names->addresses, sizeof(names->addresses)) < 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
