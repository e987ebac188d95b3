/* json_print.c - trees on stdout, whole or row by row; what --yaml asked for, is decided here. */
#include "inspect/cli/json_rows.h"

#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/yaml.h"

#include <assert.h>
#include <stdio.h>

#define INDENT 2

static bool speaks_yaml;

void json_speak_yaml(void)
{
    speaks_yaml = true;
}

static void put_line(int column)
{
    printf("\n%*s", column, "");
}

/* What jansson makes of a tree is ASCII with one control left in it, DEL, which only a string can hold. A line ends
 * only where the tree has it; the next one begins at `column`, where it is a part of a larger one. */
static int put_text(const char *text, size_t n, void *column)
{
    for (size_t i = 0, end = 0; end < n; i = ++end) {
        while (end < n && text[end] != 0x7F && text[end] != '\n') end++;
        fwrite(text + i, 1, end - i, stdout);
        if (end == n) break;
        if (text[end] == '\n')
            put_line(*(int *)column);
        else
            fputs("\\u007f", stdout);
    }
    return 0;
}

static void put_tree(const json_t *root, size_t flags, int column)
{
    json_dump_callback(root, put_text, &column, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
}

static void print(json_t *root, size_t flags)
{
    if (speaks_yaml) {
        yaml_print(root, stdout);
    } else {
        put_tree(root, flags, 0);
        putchar('\n');
    }
    report_flush(); /* a failure is remembered, and its cause while it is known */
    json_decref(root);
}

void json_end(json_t *root)
{
    print(root, JSON_INDENT(INDENT));
}

void json_end_line(json_t *root)
{
    print(root, JSON_COMPACT);
}

void json_stream_begin(json_t *root, const char *key)
{
    if (speaks_yaml) {
        yaml_print(root, stdout);
        printf("%s: ", key);
    } else {
        putchar('{');
        put_tree(root, JSON_COMPACT | JSON_EMBED, 0);
        printf(",\"%s\":", key);
    }
    json_decref(root);
}

void json_stream_end(void)
{
    puts(speaks_yaml ? "" : "}");
}

/* --------------------------------------------------------------------------------------------------- row by row */

/* The next thing in the innermost object, or in the list in which it is a row. */
static void next_json(struct json_rows *r, int column)
{
    if (r->any) putchar(',');
    put_line(column);
    r->any = true;
}

static void put_pairs(struct json_rows *r, json_t *object, int column)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        next_json(r, column);
        printf("\"%s\": ", key);
        put_tree(value, JSON_INDENT(INDENT) | JSON_ENCODE_ANY, column);
    }
}

static void open_json(struct json_rows *r, json_t *head, const char *key)
{
    const int column = 2 * INDENT * (int)r->depth;
    if (r->depth > 0) next_json(r, column);
    r->any = false;
    putchar('{');
    put_pairs(r, head, column + INDENT);
    next_json(r, column + INDENT);
    printf("\"%s\": [", key);
    r->any = false;
}

static void close_json(struct json_rows *r, json_t *tail)
{
    const int column = 2 * INDENT * (int)r->depth;
    if (r->any) put_line(column + INDENT);
    putchar(']');
    r->any = true;
    put_pairs(r, tail, column + INDENT);
    put_line(column);
    putchar('}');
    if (r->depth == 0) putchar('\n');
}

static void put_row(struct json_rows *r, const json_t *row)
{
    const int column = 2 * INDENT * (int)r->depth;
    next_json(r, column);
    put_tree(row, JSON_INDENT(INDENT) | JSON_ENCODE_ANY, column);
}

static void keep(struct json_rows *r, json_t *head, const char *key)
{
    json_t *list = json_array();
    json_put(head, key, list);
    if (r->depth == 0)
        r->tree = head;
    else
        json_add(r->kept[r->depth - 1].list, head);
    r->kept[r->depth].object = head;
    r->kept[r->depth].list = list;
}

void json_rows_open(struct json_rows *r, json_t *head, const char *key)
{
    assert(r->depth < JSON_ROWS_DEPTH);
    if (r->keeps) {
        keep(r, head, key);
    } else {
        if (speaks_yaml && r->depth == 0) r->yaml = yaml_open(stdout);
        if (r->yaml)
            yaml_list_open(r->yaml, head, key);
        else
            open_json(r, head, key);
        json_decref(head);
    }
    r->depth++;
}

void json_rows_add(struct json_rows *r, json_t *row)
{
    if (r->keeps) {
        json_add(r->kept[r->depth - 1].list, row);
        return;
    }
    if (r->yaml)
        yaml_row(r->yaml, row);
    else
        put_row(r, row);
    if (ferror(stdout)) report_flush(); /* the cause is known now, and may not be after the last row */
    json_decref(row);
}

void json_rows_close(struct json_rows *r, json_t *tail)
{
    r->depth--;
    if (r->keeps) {
        if (json_object_update(r->kept[r->depth].object, tail) != 0) report_no_memory();
    } else if (r->yaml) {
        yaml_list_close(r->yaml, tail);
        if (r->depth == 0) yaml_close(r->yaml);
    } else {
        close_json(r, tail);
    }
    if (!r->keeps && r->depth == 0) report_flush();
    json_decref(tail);
}
