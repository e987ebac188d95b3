/* assemble.c - the parts of a tensor, each a piece of a source seen as a matrix in the orientation of the result, side
 * by side or one below the other. */
#include "convert/planner.h"

#include "format/error.h"

/* A source tensor as a matrix in the orientation of the result; dimensions of 1 in front are nothing. */
static enum ingot_status view_source(struct planner *p, const struct plan_part *part, bool is_matrix,
                                     struct ingot_view *out)
{
    const struct ingot_source_tensor *t = part->source;
    uint32_t skip = 0;
    while (t->rank - skip > 2 && t->shape[skip] == 1) skip++;
    const uint32_t rank = t->rank - skip;
    if (rank > 2 || (is_matrix && rank < 2)) return planner_fail_shape(p, t, is_matrix ? "a matrix" : "a vector");
    const uint64_t *shape = t->shape + skip, *strides = t->strides + skip;
    *out = (struct ingot_view){ .data = t->data, .dtype = t->block ? INGOT_F32 : t->dtype, 1, 1, 1, 1 };
    if (rank > 0) {
        out->n_cols = out->row_stride = shape[rank - 1];
        out->col_stride = strides[rank - 1];
    }
    if (rank == 2) {
        out->n_rows = shape[0];
        out->row_stride = strides[0];
    }
    if (part->transposed)
        *out = (struct ingot_view){ out->data, out->dtype, out->n_cols, out->n_rows, out->col_stride, out->row_stride };
    return INGOT_OK;
}

/* Which piece of its source a part is. */
static enum ingot_status cut(struct planner *p, const struct slot *slot, struct plan_part *part)
{
    const struct ingot_source_tensor *t = part->source;
    const uint32_t n = slot->rule->n_to;
    struct ingot_view *v = &part->view;
    bool is_vector = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] == DIM_NONE;
    bool by_rows = slot->rule->axis == AXIS_OUT && !(is_vector && v->n_rows == 1);
    uint64_t *extent = by_rows ? &v->n_rows : &v->n_cols;
    char shape[200];
    if (*extent % n != 0)
        return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, NULL,
                          "shape %s cannot be split into %u equal parts",
                          shape_text(t->rank, t->shape, shape, sizeof shape), n);
    *extent /= n;
    *(by_rows ? &part->from_row : &part->from_col) = *extent * slot->piece;
    return INGOT_OK;
}

/* Blocks run along the source's rows: they are not taken apart. All pieces are as wide as this one, so it also begins
 * with a block if it ends with one. */
static enum ingot_status check_blocks(struct planner *p, const struct plan_part *part)
{
    const struct ingot_source_tensor *t = part->source;
    if (!t->block) return INGOT_OK;
    if (part->transposed)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name, "give a checkpoint of f32, f16 or bf16",
                          "blocks of %s cannot be transposed", t->dtype_name);
    if (part->view.n_cols % t->block->n_elems != 0)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name, "give a checkpoint of f32, f16 or bf16",
                          "blocks of %s cannot be cut into", t->dtype_name);
    return INGOT_OK;
}

/* Puts a part below or beside those before it. */
static enum ingot_status attach(struct planner *p, struct slot *slot, uint32_t i)
{
    struct plan_part *part = &slot->parts[i];
    bool is_vector = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] == DIM_NONE;
    bool below = slot->rule->axis == AXIS_OUT && !is_vector;
    const struct ingot_view *v = &part->view;
    if (i == 0) {
        slot->n_rows = v->n_rows;
        slot->n_cols = v->n_cols;
        return INGOT_OK;
    }
    if (below ? v->n_cols != slot->n_cols : v->n_rows != slot->n_rows)
        return planner_fail_shape(p, part->source,
                                  below ? "as many inputs as the part before it has"
                                        : "as many outputs as the part before it has");
    uint64_t *extent = below ? &slot->n_rows : &slot->n_cols;
    *(below ? &part->row : &part->col) = *extent;
    *extent += below ? v->n_rows : v->n_cols;
    return INGOT_OK;
}

static enum ingot_status assemble(struct planner *p, struct slot *slot)
{
    bool is_matrix = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] != DIM_NONE;
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < slot->rule->from.n && status == INGOT_OK; i++) {
        struct plan_part *part = &slot->parts[i];
        if (!part->source) continue;
        status = view_source(p, part, is_matrix, &part->view);
        if (status == INGOT_OK) status = cut(p, slot, part);
        if (status == INGOT_OK) status = check_blocks(p, part);
        if (status == INGOT_OK) status = attach(p, slot, i);
    }
    return status;
}

/* --------------------------------------------------------------------------------------------------------- trimming */

/* Whether an element of these rows has a bit set. */
static bool has_bits(const struct ingot_view *v, uint64_t row, uint64_t end)
{
    const size_t size = ingot_dtype_size(v->dtype);
    for (; row < end; row++)
        for (uint64_t col = 0; col < v->n_cols; col++) {
            const uint8_t *elem = (const uint8_t *)v->data + (row * v->row_stride + col * v->col_stride) * size;
            for (size_t i = 0; i < size; i++)
                if (elem[i]) return true;
        }
    return false;
}

/* A whole tensor whose last rows hold nothing but +0. Blocks are not looked into: their zeros have many spellings. */
static bool can_trim(const struct slot *slot, uint64_t n_rows)
{
    if (slot->rule->from.n != 1 || slot->rule->n_to != 1) return false;
    const struct plan_part *part = slot->parts;
    return part->source->data && !part->source->block && part->view.dtype != INGOT_DTYPE_NONE &&
           !has_bits(&part->view, n_rows, slot->n_rows);
}

bool planner_trim_vocabulary(struct planner *p, uint32_t n_rows)
{
    struct slot *slots[] = { planner_slot(p, PROFILE_WTE, 0), planner_slot(p, PROFILE_HEAD, 0) };
    for (size_t i = 0; i < 2; i++)
        if (slots[i]->rule && (slots[i]->n_rows != slots[0]->n_rows || !can_trim(slots[i], n_rows))) return false;
    for (size_t i = 0; i < 2; i++)
        if (slots[i]->rule) slots[i]->n_rows = slots[i]->parts->view.n_rows = n_rows;
    return true;
}

/* ----------------------------------------------------------------------------------------------------------- public */

enum ingot_status planner_fail_shape(struct planner *p, const struct ingot_source_tensor *t, const char *expected)
{
    char shape[200];
    return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, ADVICE_SHAPE, "shape %s, expected %s",
                      shape_text(t->rank, t->shape, shape, sizeof shape), expected);
}

enum ingot_status planner_assemble(struct planner *p)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < p->n_slots && status == INGOT_OK; i++)
        if (p->slots[i].rule) status = assemble(p, &p->slots[i]);
    return status;
}
