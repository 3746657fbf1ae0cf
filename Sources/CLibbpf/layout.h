#ifndef NA_CLIBBPF_LAYOUT_H
#define NA_CLIBBPF_LAYOUT_H
/*
 * A number for the shape of all that an object's maps hold: two objects of the same number can use each other's maps.
 * Made of the maps' definitions and, by the object's own type information, of the members of every structure of ours.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <string.h>

/* FNV-1a, 64 bits. */
static inline uint64_t na_digest(uint64_t digest, const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ULL;
	return digest;
}

static inline uint64_t na_digest_number(uint64_t digest, uint64_t number)
{
	return na_digest(digest, &number, sizeof(number));
}

static inline uint64_t na_digest_text(uint64_t digest, const char *text)
{
	return na_digest(digest, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* The kernel's own structures, of which the programs name a few members, are nothing that is kept. */
static inline int na_is_ours(const char *name)
{
	return name && (!strncmp(name, "na_", 3) || !strncmp(name, "arp_", 4) || !strncmp(name, "gso_", 4));
}

static inline uint64_t na_digest_structure(uint64_t digest, const struct btf *btf, const struct btf_type *type)
{
	const struct btf_member *member = btf_members(type);

	digest = na_digest_number(na_digest_text(digest, btf__name_by_offset(btf, type->name_off)), type->size);
	for (int i = 0; i < btf_vlen(type); i++) {
		digest = na_digest_text(digest, btf__name_by_offset(btf, member[i].name_off));
		digest = na_digest_number(digest, btf_member_bit_offset(type, i));
		digest = na_digest_number(digest, btf__resolve_size(btf, member[i].type));
	}
	return digest;
}

static inline uint64_t na_layout_digest(const struct bpf_object *object)
{
	const struct btf *btf = bpf_object__btf(object);
	uint64_t digest = 0xcbf29ce484222325ULL;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__is_internal(map))
			continue;
		digest = na_digest_text(digest, bpf_map__name(map));
		digest = na_digest_number(digest, bpf_map__type(map));
		digest = na_digest_number(digest, bpf_map__key_size(map));
		digest = na_digest_number(digest, bpf_map__value_size(map));
	}
	for (unsigned int id = 1; btf && id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);

		if (btf_is_struct(type) && na_is_ours(btf__name_by_offset(btf, type->name_off)))
			digest = na_digest_structure(digest, btf, type);
	}
	return digest;
}

/* What a map's descriptor leads to; false if it is none. */
static inline int na_map_facts(int descriptor, struct bpf_map_info *facts)
{
	uint32_t bytes = sizeof(*facts);

	memset(facts, 0, sizeof(*facts));
	return bpf_obj_get_info_by_fd(descriptor, facts, &bytes) == 0;
}
#endif
