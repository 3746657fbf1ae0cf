#ifndef NA_CLIBBPF_SHIM_H
#define NA_CLIBBPF_SHIM_H
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

/* A va_list cannot be handled portably in Swift: this prints libbpf's message into one line of text. */
typedef void (*na_libbpf_line_fn)(int level, const char *text);

/* In a function, because the importer drops a header's static variables. */
static inline na_libbpf_line_fn *na_libbpf_line_handler(void)
{
	static na_libbpf_line_fn handler;

	return &handler;
}

static inline int na_libbpf_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, arguments);
	if (*na_libbpf_line_handler())
		(*na_libbpf_line_handler())((int)level, text);
	return 0;
}

static inline void na_libbpf_set_line_handler(na_libbpf_line_fn handler)
{
	*na_libbpf_line_handler() = handler;
	libbpf_set_print(na_libbpf_print);
}
#endif
