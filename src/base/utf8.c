#include "utf8.h"

size_t lam_utf8_decode(const char *ptr, size_t len, uint32_t *rune)
{
    const unsigned char *p = (const unsigned char *)ptr;
    uint32_t r;

    if (len == 0)
        return 0;
    if (p[0] < 0x80) {
        *rune = p[0];
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf && len >= 2 && (p[1] & 0xc0) == 0x80) {
        *rune = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if ((p[0] & 0xf0) == 0xe0 && len >= 3 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
        r = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        *rune = r;
        return r >= 0x800 && (r < 0xd800 || r > 0xdfff) ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4 && len >= 4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80) {
        r = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        *rune = r;
        return r >= 0x10000 && r <= 0x10ffff ? 4 : 0;
    }
    return 0;
}

size_t lam_utf8_len(const char *ptr, size_t len)
{
    uint32_t rune;

    return lam_utf8_decode(ptr, len, &rune);
}

size_t lam_utf8_valid(struct lam_sv sv)
{
    size_t i = 0;

    while (i < sv.len) {
        uint64_t eight;
        size_t len;

        while (sv.len - i >= 8) { /* most text is ASCII: eight bytes a step */
            memcpy(&eight, sv.ptr + i, 8);
            if (eight & 0x8080808080808080u)
                break;
            i += 8;
        }
        if (i == sv.len || !(len = lam_utf8_len(sv.ptr + i, sv.len - i)))
            return i;
        i += len;
    }
    return sv.len;
}

struct lam_sv lam_utf8_cut(struct lam_sv sv, size_t max)
{
    if (sv.len <= max)
        return sv;
    while (max > 0 && ((unsigned char)sv.ptr[max] & 0xc0) == 0x80)
        max--;
    return lam_sv(sv.ptr, max);
}
