/* parts.h - any range of a section's bytes from the parts of its tensor: pieces side by side or one above the other,
 * strided views, blocks. What ingot_pack() is for one plain view, this is for everything that a plan can say. */
#ifndef INGOT_PARTS_H
#define INGOT_PARTS_H

#include "convert/plan.h"

/* Elements that are gathered before they are packed: at least one panel of 4096 inputs. */
#define PARTS_TILE_ELEMS    65536u
#define PARTS_SCRATCH_BYTES (PARTS_TILE_ELEMS * sizeof(double))

/* Bytes [off, off + n) of the section that holds `t`, written to dst: see ingot_pack(), whose terms for off, n, dst and
 * stats are these too. `scratch` has PARTS_SCRATCH_BYTES, aligned to 64, and is needed by one call at a time. The parts
 * stand in bands: those that begin in one row are of one height, so that a result is a stack of bands, each a row of
 * parts. */
void parts_pack(const struct plan_tensor *t, uint64_t off, void *dst, size_t n, void *scratch,
                struct ingot_cast_stats *stats);

#endif
