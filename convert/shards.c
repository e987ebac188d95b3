/* shards.c - the index: {"metadata": .., "weight_map": {"name of a tensor": "name of a file", ..}}. */
#include "convert/shards.h"

#include "convert/array.h"
#include "convert/json_walk.h"

#include <string.h>

#define MAX_SHARDS   4096
#define MAX_INDEX    UINT64_C(100000000)
#define ADVICE_INDEX "get another copy of the index or remove it"

/* One line of the index: which shard holds the tensor. */
struct placed {
    char *name, *shard;
    bool held; /* the shard really has it */
};

struct weight_map {
    struct placed *entries;
    size_t n, cap;
};

/* A shard lies in the directory itself: its name is no path. */
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static enum ingot_status read_string(struct json_text text, const char *path, char **out, struct ingot_error *err)
{
    json_t *value = NULL;
    enum ingot_status status = json_parse(text, path, 6 * INGOT_MAX_NAME + 2, &value, err);
    if (status == INGOT_OK && !json_is_string(value))
        status = ingot_fail(err, INGOT_E_SOURCE, text.off, path, ADVICE_INDEX, "expected the name of a file");
    if (status == INGOT_OK && !(*out = strdup(json_string_value(value)))) status = fail_memory(err, path);
    json_decref(value);
    return status;
}

static enum ingot_status add_placed(struct weight_map *map, const char *path, struct json_text key,
                                    struct json_text value, struct ingot_error *err)
{
    struct placed *grown = array_grow(map->entries, &map->cap, map->n, sizeof *grown);
    if (!grown) return fail_memory(err, path);
    map->entries = grown;
    struct placed *entry = &grown[map->n++];
    *entry = (struct placed){ 0 };
    if (map->n > INGOT_MAX_SECTIONS)
        return ingot_fail(err, INGOT_E_LIMIT, key.off, path, NULL, "more than %u tensors", INGOT_MAX_SECTIONS);
    enum ingot_status status = read_string(key, path, &entry->name, err);
    if (status == INGOT_OK) status = read_string(value, path, &entry->shard, err);
    if (status == INGOT_OK && !is_plain_name(entry->shard))
        status = ingot_fail(err, INGOT_E_SOURCE, value.off, path, ADVICE_INDEX,
                            "a shard must be the name of a file in the same directory");
    return status;
}

static enum ingot_status read_weight_map(struct weight_map *map, const char *path, struct json_text text,
                                         struct ingot_error *err)
{
    struct json_walk walk = json_walk_begin(text, path);
    struct json_text key, value;
    bool more = true;
    for (;;) {
        enum ingot_status status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) return status;
        status = add_placed(map, path, key, value, err);
        if (status != INGOT_OK) return status;
    }
}

/* Finds "weight_map"; the other members ("metadata") say nothing that the shards do not say. */
static enum ingot_status read_index(struct weight_map *map, const struct input *index, struct ingot_error *err)
{
    if (index->map.size > MAX_INDEX)
        return ingot_fail(err, INGOT_E_LIMIT, 0, index->path, NULL, "the index has more than 100 MB");
    struct json_text text = { (const char *)index->map.bytes, index->map.size, 0 }, key, value;
    struct json_walk walk = json_walk_begin(text, index->path);
    bool more = true;
    size_t n_maps = 0;
    enum ingot_status status = INGOT_OK;
    while (status == INGOT_OK) {
        status = json_walk_next(&walk, &key, &value, &more, err);
        if (status != INGOT_OK || !more) break;
        if (!json_key_is(key, "weight_map")) continue;
        n_maps++;
        status = read_weight_map(map, index->path, value, err);
    }
    if (status == INGOT_OK && n_maps != 1)
        status = ingot_fail(err, INGOT_E_SOURCE, 0, index->path, ADVICE_INDEX, "%zu members \"weight_map\", expected 1",
                            n_maps);
    return status;
}

static int by_shard(const void *a, const void *b)
{
    return strcmp(((const struct placed *)a)->shard, ((const struct placed *)b)->shard);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct placed *)a)->name, ((const struct placed *)b)->name);
}

static enum ingot_status open_each(struct ingot_source *src, struct weight_map *map, shard_open_fn open_shard,
                                   struct ingot_error *err)
{
    if (map->n > 0) qsort(map->entries, map->n, sizeof *map->entries, by_shard);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < map->n && status == INGOT_OK; i++) {
        if (i > 0 && by_shard(&map->entries[i - 1], &map->entries[i]) == 0) continue;
        if (src->n_files > MAX_SHARDS)
            return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, src->path, NULL, "more than %d shards", MAX_SHARDS);
        status = open_shard(src, map->entries[i].shard, err);
    }
    return status;
}

/* Every tensor that a shard holds must stand in the index with that shard. Marks what was found. */
static enum ingot_status check_listed(const struct ingot_source *src, struct weight_map *map, struct ingot_error *err)
{
    for (size_t i = 0; i < src->n_tensors; i++) {
        const struct ingot_source_tensor *t = &src->tensors[i];
        struct placed wanted = { .name = (char *)(uintptr_t)t->name };
        struct placed *found = map->n ? bsearch(&wanted, map->entries, map->n, sizeof wanted, by_name) : NULL;
        if (!found || strcmp(found->shard, t->file) != 0)
            return ingot_fail(err, INGOT_E_SOURCE, t->file_off, t->name, ADVICE_INDEX,
                              "the index does not list this tensor for the shard that holds it");
        found->held = true;
    }
    return INGOT_OK;
}

/* Every tensor of the index must have been found. */
static enum ingot_status check_held(const struct weight_map *map, struct ingot_error *err)
{
    char shard[160];
    for (size_t i = 0; i < map->n; i++) {
        const struct placed *entry = &map->entries[i];
        if (!entry->held)
            return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, entry->name, ADVICE_INDEX,
                              "the index lists this tensor for %s, which does not hold it",
                              ingot_escape(entry->shard, strlen(entry->shard), shard, sizeof shard));
    }
    return INGOT_OK;
}

/* Sorts by name. */
static enum ingot_status check_listed_once(struct weight_map *map, struct ingot_error *err)
{
    if (map->n > 0) qsort(map->entries, map->n, sizeof *map->entries, by_name);
    for (size_t i = 1; i < map->n; i++)
        if (by_name(&map->entries[i - 1], &map->entries[i]) == 0)
            return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, map->entries[i].name, ADVICE_INDEX,
                              "the index lists this tensor twice");
    return INGOT_OK;
}

enum ingot_status shards_open(struct ingot_source *src, const char *index_name, shard_open_fn open_shard,
                              struct ingot_error *err)
{
    struct weight_map map = { 0 };
    const struct input *index;
    enum ingot_status status = source_add_file(src, index_name, &index, err);
    if (status == INGOT_OK) status = read_index(&map, index, err);
    if (status == INGOT_OK) status = open_each(src, &map, open_shard, err);
    if (status == INGOT_OK) status = check_listed_once(&map, err);
    if (status == INGOT_OK) status = check_listed(src, &map, err);
    if (status == INGOT_OK) status = check_held(&map, err);
    for (size_t i = 0; i < map.n; i++) {
        free(map.entries[i].name);
        free(map.entries[i].shard);
    }
    free(map.entries);
    return status;
}
