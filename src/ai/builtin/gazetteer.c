#include "gazetteer.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD 16
#define CLUE_BYTES 12
#define LIMIT 60 /* of a weight, either way */

static const char magic[4] = {'G', 'A', 'Z', '1'};

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get32(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

void lam_gazetteer_free(struct lam_gazetteer *gazetteer)
{
    if (!gazetteer)
        return;
    free(gazetteer->clues);
    free(gazetteer->slots);
    free(gazetteer);
}

int lam_gazetteer_new(uint32_t count, struct lam_gazetteer **gazetteer, struct lam_error *err)
{
    struct lam_gazetteer *made = calloc(1, sizeof *made);
    size_t slots = 16;

    *gazetteer = NULL;
    while (slots < (size_t)count * 2)
        slots *= 2;
    if (made) {
        made->count = count;
        made->mask = slots - 1;
        made->clues = calloc(count + 1u, sizeof *made->clues);
        made->slots = calloc(slots, sizeof *made->slots);
    }
    if (!made || !made->clues || !made->slots) {
        lam_gazetteer_free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a gazetteer of %u clues", count);
    }
    *gazetteer = made;
    return 0;
}

void lam_gazetteer_index(struct lam_gazetteer *gazetteer)
{
    for (uint32_t c = 0; c < gazetteer->count; c++) {
        uint64_t hash = gazetteer->clues[c].hash;
        size_t i = hash & gazetteer->mask;

        gazetteer->filter[hash >> 54] |= (uint64_t)1 << (hash >> 48 & 63);
        while (gazetteer->slots[i])
            i = (i + 1) & gazetteer->mask;
        gazetteer->slots[i] = c + 1;
    }
}

int lam_gazetteer_write(const struct lam_gazetteer *gazetteer, struct lam_buf *buf, struct lam_error *err)
{
    size_t len = HEAD + (size_t)gazetteer->count * CLUE_BYTES;
    unsigned char *p;
    int rc;

    if ((rc = lam_buf_reserve(buf, len, err)))
        return rc;
    p = (unsigned char *)buf->ptr + buf->len;
    memcpy(p, magic, 4);
    put32(p + 4, gazetteer->count);
    put32(p + 8, gazetteer->names);
    put32(p + 12, 0);
    p += HEAD;
    for (uint32_t i = 0; i < gazetteer->count; i++, p += 8) {
        put32(p, (uint32_t)gazetteer->clues[i].hash);
        put32(p + 4, (uint32_t)(gazetteer->clues[i].hash >> 32));
    }
    for (uint32_t i = 0; i < gazetteer->count; i++, p += 4) {
        for (int t = 0; t < LAM_NAME_TYPES; t++)
            p[t] = (unsigned char)gazetteer->clues[i].weight[t];
        p[3] = gazetteer->clues[i].common;
    }
    buf->len += len;
    return 0;
}

/* One clue of foreign bytes; false: no writer made it. */
static bool read_clue(struct lam_clue *clue, const unsigned char *hash, const unsigned char *rest, uint64_t before)
{
    clue->hash = get32(hash) | (uint64_t)get32(hash + 4) << 32;
    if (clue->hash <= before || rest[3] > 2)
        return false;
    clue->common = rest[3];
    for (int t = 0; t < LAM_NAME_TYPES; t++) {
        int weight = rest[t] < 128 ? rest[t] : rest[t] - 256;

        if (weight < -LIMIT || weight > LIMIT)
            return false;
        clue->weight[t] = (int8_t)weight;
    }
    return true;
}

int lam_gazetteer_read(struct lam_sv bytes, struct lam_gazetteer **gazetteer, struct lam_error *err)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    struct lam_gazetteer *made;
    uint64_t before = 0;
    uint32_t count;
    int rc;

    *gazetteer = NULL;
    if (bytes.len < HEAD || memcmp(p, magic, 4) || get32(p + 12))
        return LAM_FAIL(err, LAM_E_CORRUPT, "no gazetteer: %zu bytes that begin otherwise", bytes.len);
    count = get32(p + 4);
    if (count > LAM_GAZETTEER_MAX || get32(p + 8) > count || bytes.len != HEAD + (size_t)count * CLUE_BYTES)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a gazetteer of %u clues in %zu bytes", count, bytes.len);
    if ((rc = lam_gazetteer_new(count, &made, err)))
        return rc;
    made->names = get32(p + 8);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_clue(&made->clues[i], p + HEAD + (size_t)i * 8, p + HEAD + (size_t)count * 8 + (size_t)i * 4, before)) {
            lam_gazetteer_free(made);
            return LAM_FAIL(err, LAM_E_CORRUPT, "clue %u of a gazetteer is out of order or out of range", i);
        }
        before = made->clues[i].hash;
    }
    lam_gazetteer_index(made);
    *gazetteer = made;
    return 0;
}
