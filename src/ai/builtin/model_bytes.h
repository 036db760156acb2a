/* Little-endian numbers to and from bytes: what the sections of the model artifact are written with. The same on every platform. */
#ifndef LAMINA_AI_MODEL_BYTES_H
#define LAMINA_AI_MODEL_BYTES_H

#include "base/buf.h"

static inline int lam_put32(struct lam_buf *buf, uint32_t value, struct lam_error *err)
{
    unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8), (unsigned char)(value >> 16),
                              (unsigned char)(value >> 24)};

    return lam_buf_add(buf, bytes, 4, err);
}

static inline int lam_put64(struct lam_buf *buf, uint64_t value, struct lam_error *err)
{
    int rc = lam_put32(buf, (uint32_t)value, err);

    return rc ? rc : lam_put32(buf, (uint32_t)(value >> 32), err);
}

static inline int lam_put_float(struct lam_buf *buf, float value, struct lam_error *err)
{
    uint32_t bits;

    memcpy(&bits, &value, 4);
    return lam_put32(buf, bits, err);
}

static inline int lam_put_floats(struct lam_buf *buf, const float *values, size_t count, struct lam_error *err)
{
    int rc = lam_buf_reserve(buf, 4 * count, err);

    for (size_t i = 0; i < count && !rc; i++)
        rc = lam_put_float(buf, values[i], err);
    return rc;
}

static inline uint32_t lam_get32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t lam_get64(const char *p) { return lam_get32(p) | (uint64_t)lam_get32(p + 4) << 32; }

/* Floats that are numbers within bounds: a damaged or hostile one would make every answer NaN. */
static inline bool lam_get_floats(const char *p, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = lam_get32(p + 4 * i);

        memcpy(&values[i], &bits, 4);
        if (!(values[i] > -1e6f && values[i] < 1e6f))
            return false;
    }
    return true;
}

/* Hashes, each greater than the one before. */
static inline bool lam_get_hashes(const char *p, uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hashes[i] = lam_get64(p + 8 * i);
        if (i && hashes[i] <= hashes[i - 1])
            return false;
    }
    return true;
}

#endif
