// SPDX-License-Identifier: Apache-2.0
/*
 * attach OBJECT...: loads and attaches every program of the objects, says "attached", and keeps them until its standard
 * input ends. Nothing is pinned: they go with this process. Those that do not attach are named and left out.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int attach_all(const char *path)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *program;

	if (!object || bpf_object__load(object))
		return -1;
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach(program))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char byte;

	for (int i = 1; i < argc; i++) {
		if (attach_all(argv[i]))
			fprintf(stderr, "cannot attach %s\n", argv[i]);
	}
	puts("attached");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
