// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What any program on a hook costs: entering and leaving it. Compiled once per hook, with -DHOOK=netif_receive_skb. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TRACEPOINT_(hook) "tp_btf/" #hook
#define TRACEPOINT(hook) TRACEPOINT_(hook)
#define NAME_(hook) empty_##hook
#define NAME(hook) NAME_(hook)

SEC(TRACEPOINT(HOOK))
int NAME(HOOK)(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
