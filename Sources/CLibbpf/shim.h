#ifndef NA_CLIBBPF_SHIM_H
#define NA_CLIBBPF_SHIM_H
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"
#include "ring.h"

/*
 * What libbpf says, kept instead of printed: the last lines of the current load, for each thread that loads. In C,
 * because a va_list cannot be handled portably in Swift, nor a variable of a thread.
 */
#define NA_LIBBPF_LINES \
	32 /* enough for libbpf's own words after the kernel's verifier log, which comes as one message */
#define NA_LIBBPF_LINE_BYTES 512

struct na_libbpf_log {
	unsigned int count;
	char lines[NA_LIBBPF_LINES][NA_LIBBPF_LINE_BYTES];
};

static inline struct na_libbpf_log *na_libbpf_log(void)
{
	static __thread struct na_libbpf_log log;

	return &log;
}

static inline int na_libbpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	struct na_libbpf_log *log = na_libbpf_log();
	char *line = log->lines[log->count % NA_LIBBPF_LINES];
	char text[1024], *last;

	if (level > LIBBPF_INFO)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	if (text[0] && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = 0;
	last = strrchr(text, '\n');
	snprintf(line, NA_LIBBPF_LINE_BYTES, "%s", last ? last + 1 : text);
	log->count++;
	return 0;
}

/* Forgets what this thread's last load said. */
static inline void na_libbpf_start_log(void)
{
	na_libbpf_log()->count = 0;
	libbpf_set_print(na_libbpf_print);
}

/* How many lines are kept, and one of them, the oldest first. */
static inline unsigned int na_libbpf_log_count(void)
{
	unsigned int count = na_libbpf_log()->count;

	return count < NA_LIBBPF_LINES ? count : NA_LIBBPF_LINES;
}

static inline const char *na_libbpf_log_line(unsigned int index)
{
	struct na_libbpf_log *log = na_libbpf_log();
	unsigned int first = log->count < NA_LIBBPF_LINES ? 0 : log->count;

	return log->lines[(first + index) % NA_LIBBPF_LINES];
}

#define NA_THREADS_MAX 8

/* Runs `task` with each context, all at once, each on a thread of its own but the first; returns when all are done. */
static inline void na_run_together(void (*task)(void *), void **contexts, unsigned int count)
{
	pthread_t threads[NA_THREADS_MAX];
	unsigned char runs[NA_THREADS_MAX] = { 0 };

	for (unsigned int i = 1; i < count && i < NA_THREADS_MAX; i++)
		runs[i] = pthread_create(&threads[i], NULL, (void *(*)(void *))task, contexts[i]) == 0;
	for (unsigned int i = 0; i < count; i++)
		if (i >= NA_THREADS_MAX || !runs[i])
			task(contexts[i]);
	for (unsigned int i = 1; i < count && i < NA_THREADS_MAX; i++)
		if (runs[i])
			pthread_join(threads[i], NULL);
}
#endif
