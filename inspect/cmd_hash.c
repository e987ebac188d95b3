/* cmd_hash.c - `ingot hash`: what two people compare to know that they have the same bytes. */
#include "inspect/commands.h"

#include "format/digest.h"
#include "format/error.h"
#include "format/file.h"
#include "inspect/cli/human.h"
#include "inspect/cli/json.h"
#include "inspect/cli/json_rows.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/progress.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/files.h"
#include "inspect/hashes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_MANIFEST, OPT_SHA256, OPT_JSON, OPT_THREADS, OPT_QUIET, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_MANIFEST] = { .name = "manifest",
                       .letter = 'm',
                       .help = "Print only the files' digests, in lines that `xxhsum -c` reads" },
    [OPT_SHA256] = { .name = "sha256", .help = "Print only the files' SHA-256, in lines that `sha256sum -c` reads" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_THREADS] = THREADS_OPTION("Threads; as many as there are CPUs when not given"),
    [OPT_QUIET] = QUIET_OPTION("No progress bar"),
};

/* What is listed below the files: every section of an .ingot file, every tensor of another checkpoint. */
struct item {
    const char *name, *kind;
    size_t name_len;
    uint64_t n_bytes;
    const char *part_file;        /* of a source */
    struct ingot_digest recorded; /* of an .ingot file */
    uint32_t target;              /* of an alias: the number of its tensor; else UINT32_MAX */
    const char *lacking;          /* why there are no bytes to take a digest of; NULL: they are here */
};

struct listing {
    struct checkpoint cp;
    size_t n_files, n_items;
    struct item *items;
    struct ingot_digest *digests; /* of the files, then of the items */
    struct sha256 *sha256;        /* of the files, when these are asked for; else NULL */
    size_t n_different;           /* items that are not what the index says */
    bool id_differs;
};

/* ------------------------------------------------------------------------------------------------ what there is */

static struct item item_of_section(const struct ingot_file *file, uint32_t i)
{
    struct ingot_section s = ingot_section_at(file, i);
    return (struct item){ .name = s.name,
                          .name_len = s.name_len,
                          .kind = ingot_kind_name(s.kind),
                          .n_bytes = s.raw_bytes,
                          .recorded = s.digest,
                          .target = s.target };
}

static struct item item_of_tensor(const struct checkpoint *cp, size_t i)
{
    struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
    return (struct item){ .name = t.name,
                          .name_len = t.name_len,
                          .kind = "tensor",
                          .n_bytes = t.n_bytes,
                          .part_file = t.part_file,
                          .target = UINT32_MAX,
                          .lacking = t.origin.n_slices > 0      ? "in slices"
                                     : checkpoint_is_absent(&t) ? "not here"
                                                                : NULL };
}

/* An alias has no bytes of its own, and a tensor without bytes may lie in no file at all. */
static void add_item(struct listing *l, struct hash_span *spans, size_t i, size_t *hint)
{
    struct hash_span *span = &spans[l->n_files + i];
    l->items[i] = l->cp.file ? item_of_section(l->cp.file, (uint32_t)i) : item_of_tensor(&l->cp, i);
    const void *data =
        l->cp.file ? ingot_section_at(l->cp.file, (uint32_t)i).data : checkpoint_tensor_at(&l->cp, i).data;
    if (l->items[i].target != UINT32_MAX || !checkpoint_file_of(&l->cp, data, hint, &span->off)) return;
    span->map = checkpoint_file_at(&l->cp, *hint).map;
    span->n_bytes = l->items[i].n_bytes;
}

static struct hash_span *list_spans(struct listing *l, bool files_only)
{
    size_t hint = 0;
    l->n_files = checkpoint_file_count(&l->cp);
    l->n_items = files_only ? 0 : l->cp.file ? ingot_section_count(l->cp.file) : l->cp.n_tensors;
    l->items = memory_array(l->n_items, sizeof *l->items);
    l->digests = memory_array(l->n_files + l->n_items, sizeof *l->digests);
    struct hash_span *spans = memory_array(l->n_files + l->n_items, sizeof *spans);
    for (size_t i = 0; i < l->n_files; i++) {
        const struct file_map *map = checkpoint_file_at(&l->cp, i).map;
        spans[i] = (struct hash_span){ .map = map, .n_bytes = map->size, .plain = true };
    }
    for (size_t i = 0; i < l->n_items; i++) add_item(l, spans, i, &hint);
    return spans;
}

static void compare_with_index(struct listing *l)
{
    const struct ingot_file *file = l->cp.file;
    struct ingot_digest *digests = l->digests + l->n_files;
    struct ingot_section model;
    if (!file || l->n_items == 0) return;
    for (size_t i = 0; i < l->n_items; i++) {
        if (l->items[i].target != UINT32_MAX) digests[i] = digests[l->items[i].target];
        l->n_different += !digest_equal(digests[i], l->items[i].recorded);
    }
    const uint8_t *bytes = ingot_find(file, INGOT_NAME_MODEL, &model) ? model.data : NULL;
    l->id_differs = !digest_equal(content_id(file->records, file->n, file->names, bytes), file->info.content_id);
}

/* ----------------------------------------------------------------------------------------------------- telling */

static void print_head(const struct listing *l)
{
    char shown[1024];
    if (l->cp.file)
        paragraph_sentence(stdout, 0, 2, "%s  content id%s", human_digest(l->cp.file->info.content_id).text,
                           l->id_differs ? ", which is not that of the content" : "");
    for (size_t i = 0; i < l->n_files; i++) {
        struct checkpoint_file f = checkpoint_file_at(&l->cp, i);
        printf("%s  %s\n", human_digest(l->digests[i]).text, ingot_escape(f.path, strlen(f.path), shown, sizeof shown));
    }
    putchar('\n');
}

static void item_cells(struct table *table, const struct listing *l, size_t i, bool files)
{
    const struct item *item = &l->items[i];
    struct ingot_digest digest = l->digests[l->n_files + i];
    char shown[4 * INGOT_MAX_NAME + 8];
    table_cell(table, "%s", item->lacking ? item->lacking : human_digest(digest).text);
    table_cell(table, "%s", item->kind);
    table_cell(table, "%" PRIu64, item->n_bytes);
    table_cell(table, "%s", ingot_escape(item->name, item->name_len, shown, sizeof shown));
    if (l->n_different > 0)
        table_cell(table, "%s", digest_equal(digest, item->recorded) ? "" : human_digest(item->recorded).text);
    if (files) table_cell(table, "%s", ingot_escape(item->part_file, strlen(item->part_file), shown, sizeof shown));
}

/* The last column is what the index records, where that differs; of several files, which one. */
static void print_table(const struct listing *l)
{
    const struct table_column columns[] = {
        { .title = "xxh3-128", .kept = true },
        { .title = "kind", .drop = 2 },
        { .title = "bytes", .right = true, .drop = 3 },
        { .title = "name", .flexible = true },
        { .title = l->cp.file ? "in the index" : "file", .kept = l->cp.file != NULL, .drop = 1 },
    };
    bool files = !l->cp.file && l->n_files > 1, last = l->n_different > 0 || files;
    struct table table = table_begin(columns, last ? 5 : 4);
    print_head(l);
    for (size_t i = 0; i < l->n_items; i++) item_cells(&table, l, i, files);
    table_end(&table);
}

/* As a manifest has it. */
struct digest_text {
    char text[2 * SHA256_BYTES + 1];
};

static struct digest_text file_digest(const struct listing *l, size_t i)
{
    struct digest_text d;
    if (l->sha256)
        sha256_text(&l->sha256[i], d.text);
    else
        snprintf(d.text, sizeof d.text, "%s", human_digest(l->digests[i]).text);
    return d;
}

static json_t *files_json(const struct listing *l)
{
    json_t *array = json_array();
    for (size_t i = 0; i < l->n_files; i++) {
        struct checkpoint_file f = checkpoint_file_at(&l->cp, i);
        json_t *row = json_object();
        json_put(row, "file", json_text(f.path, strlen(f.path)));
        json_put(row, "bytes", json_count(f.map->size));
        if (l->sha256)
            json_put(row, "sha256", json_string(file_digest(l, i).text));
        else
            json_put(row, "digest", json_digest(l->digests[i]));
        json_add(array, row);
    }
    return array;
}

static json_t *item_json(const struct listing *l, size_t i)
{
    const struct item *item = &l->items[i];
    json_t *row = json_object();
    json_put(row, "name", json_text(item->name, item->name_len));
    json_put(row, "kind", json_string(item->kind));
    json_put(row, "bytes", json_count(item->n_bytes));
    json_put(row, "digest", item->lacking ? json_null() : json_digest(l->digests[l->n_files + i]));
    if (l->cp.file) json_put(row, "recorded", json_digest(item->recorded));
    if (item->part_file) json_put(row, "file", json_text(item->part_file, strlen(item->part_file)));
    return row;
}

static json_t *head_json(const struct listing *l)
{
    json_t *head = json_begin();
    json_put(head, "file", json_text(l->cp.path, strlen(l->cp.path)));
    json_put(head, "format", json_string(checkpoint_format(&l->cp)));
    if (l->cp.file) json_put(head, "content_id", json_digest(l->cp.file->info.content_id));
    json_put(head, "files", files_json(l));
    return head;
}

static void print_json(const struct listing *l)
{
    struct json_rows rows = { 0 };
    json_t *tail = json_object();
    json_rows_open(&rows, head_json(l), l->cp.file ? "sections" : "tensors");
    for (size_t i = 0; i < l->n_items; i++) json_rows_add(&rows, item_json(l, i));
    if (l->cp.file) json_put(tail, "ok", json_boolean(l->n_different == 0 && !l->id_differs));
    json_rows_close(&rows, tail);
}

/* A line ends with its name, so a name that would end the line cannot stand in one. */
static int print_manifest(const struct listing *l)
{
    for (size_t i = 0; i < l->n_files; i++) {
        struct checkpoint_file f = checkpoint_file_at(&l->cp, i);
        if (strpbrk(f.path, "\r\n\\"))
            return report_failure(INGOT_E_UNSUPPORTED, f.path, "rename it, or use --json",
                                  "a line of a manifest cannot hold this name");
    }
    for (size_t i = 0; i < l->n_files; i++)
        printf("%s  %s\n", file_digest(l, i).text, checkpoint_file_at(&l->cp, i).path);
    return CODE_OK;
}

static int print_listing(struct listing *l, bool json, bool manifest)
{
    compare_with_index(l);
    if (manifest && !json) return print_manifest(l);
    if (json && manifest)
        json_end(head_json(l));
    else if (json)
        print_json(l);
    else
        print_table(l);
    return l->n_different > 0 || l->id_differs ? CODE_NO : CODE_OK;
}

static int run_hash(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct listing l = { 0 };
    bool sha256 = args->values[OPT_SHA256].given, manifest = args->values[OPT_MANIFEST].given || sha256;
    if (checkpoint_open(args->operands[0], &l.cp, &err) != INGOT_OK) return report_error(&err);
    struct hash_span *spans = list_spans(&l, manifest);
    struct progress progress = progress_begin("hash", args->values[OPT_QUIET].given);
    struct hash_options how = { .n_threads = (uint32_t)args->values[OPT_THREADS].count,
                                .progress = progress_update,
                                .progress_ctx = &progress };
    if (sha256) l.sha256 = memory_array(l.n_files, sizeof *l.sha256);
    enum ingot_status status = sha256 ? hash_sha256(spans, l.n_files, &how, l.sha256, &err)
                                      : hash_spans(spans, l.n_files + l.n_items, &how, l.digests, &err);
    progress_end(&progress);
    int code = status == INGOT_OK ? print_listing(&l, args->values[OPT_JSON].given, manifest) : report_error(&err);
    free(spans);
    free(l.items);
    free(l.digests);
    free(l.sha256);
    checkpoint_close(&l.cp);
    return code;
}

const struct command command_hash = {
    .name = "hash",
    .summary = "print digests of the files, sections and tensors of a checkpoint",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = N_OPTIONS,
    .description =
        "Reads every byte and prints, for an .ingot file, its content id, the digest of the file and of every section; "
        "for any other checkpoint that convert reads, the digests of its files and of every tensor's bytes as they "
        "stand there: those that the provenance of a converted file records.\n\n"
        "The content id names weights and hyper-parameters: it stays the same when vocabulary, metadata or the place "
        "in the file differ. A section's or tensor's digest is the XXH3-128 of the XXH3-64s of its chunks of 4 MiB, a "
        "file's the XXH3-128 of its bytes.\n\n"
        "--manifest prints \"DIGEST  NAME\" for every file, the lines of `xxhsum -H2`: `xxhsum -c` checks them, and so "
        "needs no ingot. XXH3 finds accidents, at the speed of the disk; it is no proof against "
        "someone who wants to deceive: for that, --sha256 prints the lines of `sha256sum`, at less than the disk's "
        "speed.\n\n"
        "Exit code 1: a section of an .ingot file is not what its index records; both digests are printed.",
    .examples = "ingot hash gpt2.ingot\n"
                "ingot hash --manifest gpt2/ >gpt2.xxh && xxhsum -c gpt2.xxh\n"
                "ingot hash --sha256 gpt2/ | sha256sum -c\n"
                "ingot hash --json model.safetensors | jq -r '.tensors[] | .digest + \" \" + .name'",
    .run = run_hash,
};
