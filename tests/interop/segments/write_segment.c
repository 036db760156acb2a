/* write_segment FOLDER NAME: a rows segment whose values read_segment.py knows, and its entry as JSON on standard output. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"
#include "store/rows.h"

#define ROWS 500
#define DIM 4

static int add_row(struct lam_block *block, uint32_t i, struct lam_error *err)
{
    char key[32], text[64], order[8];
    float embedding[DIM] = {(float)i, (float)i / 2, 0, -1};
    struct lam_row row = {.rec = {.pos = {1, 2, {0}, 10 * (uint64_t)i}, .event_time_us = i, .arrival_us = 2 * (int64_t)i}, .enr = {.sentiment = NAN}};

    row.rec.key = lam_sv(key, (size_t)snprintf(key, sizeof key, "key %u", i));
    row.rec.hash = lam_hash64(row.rec.key.ptr, row.rec.key.len);
    row.rec.order = lam_sv(order, (size_t)snprintf(order, sizeof order, "%06u", i));
    if (i % 3)
        row.rec.text = lam_sv(text, (size_t)snprintf(text, sizeof text, "text of row %u: \xc3\xa4\xe2\x82\xac", i));
    row.enr.category = i % 2 ? LAM_SV("odd") : LAM_SV("even");
    row.enr.confidence = (float)i / ROWS;
    if (i % 5) {
        row.enr.embedding = embedding;
        row.enr.dim = DIM;
    }
    return lam_block_add_row(block, &row, err);
}

int main(int argc, char **argv)
{
    struct lam_block *block = lam_block_new(ROWS, 16 << 20);
    struct lam_segment_entry entry;
    struct lam_error err = {0};
    struct lam_buf json;
    int rc = 0;

    if (argc != 3 || !block)
        return 2;
    struct lam_target target = {&lam_fs_system, argv[1], argv[2], LAM_SEGMENT_SPEED};

    lam_buf_init(&json, 1 << 20);
    lam_segment_entry_init(&entry);
    for (uint32_t i = 0; !rc && i < ROWS; i++)
        rc = add_row(block, i, &err);
    if (!rc && !(rc = lam_rows_write(&target, &block, 1, DIM, true, &entry, NULL, &err)))
        rc = lam_segment_entry_write(&entry, &json, &err);
    if (rc)
        fprintf(stderr, "write_segment: %s\n", err.text);
    else
        printf("%.*s\n", (int)json.len, json.ptr);
    lam_segment_entry_release(&entry);
    lam_block_free(block);
    lam_buf_release(&json);
    return rc ? 1 : 0;
}
