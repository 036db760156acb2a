#include "unicode.h"

static const struct unicode_map *find(const struct unicode_map *maps, size_t count, uint32_t rune)
{
    size_t lo = 0, hi = count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (maps[mid].from == rune)
            return &maps[mid];
        if (maps[mid].from < rune)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static unsigned apply(const struct unicode_map *map, uint32_t rune, uint32_t to[3])
{
    unsigned count = 0;

    if (!map) {
        to[0] = rune;
        return 1;
    }
    for (; count < 3 && map->to[count]; count++)
        to[count] = map->to[count];
    return count;
}

unsigned unicode_strip(uint32_t rune, uint32_t to[3])
{
    uint32_t hangul = rune - 0xac00;

    if (rune < 0xc0) {
        to[0] = rune;
        return 1;
    }
    if (rune >= 0xac00 && rune <= 0xd7a3) {
        to[0] = 0x1100 + hangul / 588;
        to[1] = 0x1161 + hangul % 588 / 28;
        to[2] = 0x11a7 + hangul % 28;
        return hangul % 28 ? 3 : 2;
    }
    return apply(find(unicode_stripped, unicode_stripped_count, rune), rune, to);
}

unsigned unicode_to_lower(uint32_t rune, uint32_t to[3])
{
    if (rune < 128) {
        to[0] = rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
        return 1;
    }
    return apply(find(unicode_lower, unicode_lower_count, rune), rune, to);
}

static bool among(const struct unicode_range *ranges, size_t count, uint32_t rune)
{
    size_t lo = 0, hi = count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (rune >= ranges[mid].first && rune <= ranges[mid].last)
            return true;
        if (ranges[mid].last < rune)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

bool unicode_is_punctuation(uint32_t rune)
{
    if (rune < 128)
        return (rune >= 33 && rune <= 47) || (rune >= 58 && rune <= 64) || (rune >= 91 && rune <= 96) || (rune >= 123 && rune <= 126);
    return among(unicode_punctuation, unicode_punctuation_count, rune);
}

bool unicode_is_blank(uint32_t rune)
{
    return (rune >= 9 && rune <= 13) || rune == ' ' || rune == 0x85 || rune == 0xa0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 ||
           rune == 0x2029 || rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

bool unicode_is_other(uint32_t rune)
{
    if (rune < 128)
        return rune < 32 || rune == 127;
    return among(unicode_other, unicode_other_count, rune);
}

bool unicode_is_chinese(uint32_t rune)
{
    return (rune >= 0x4e00 && rune <= 0x9fff) || (rune >= 0x3400 && rune <= 0x4dbf) || (rune >= 0x20000 && rune <= 0x2a6df) || (rune >= 0x2a700 && rune <= 0x2b73f) ||
           (rune >= 0x2b740 && rune <= 0x2b81f) || (rune >= 0x2b920 && rune <= 0x2ceaf) || (rune >= 0xf900 && rune <= 0xfaff) || (rune >= 0x2f800 && rune <= 0x2fa1f);
}
