/* Sizes and durations as people write them. The patterns in shape.h and the tables here say the same. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static bool parse(const char *text, const char *pattern, const struct unit *units, double *value)
{
    char *end;

    if (!lam_pattern_match(pattern, text))
        return false;
    *value = strtod(text, &end); /* the pattern admits digits and one point: no locale, no sign, no exponent */
    end += strspn(end, " ");
    while (strcmp(units->name, end))
        units++;
    *value *= units->factor;
    return true;
}

bool lam_size_parse(const char *text, double *bytes)
{
    static const struct unit units[] = {{"B", 1},
                                        {"kB", 1e3},
                                        {"KB", 1e3},
                                        {"MB", 1e6},
                                        {"GB", 1e9},
                                        {"TB", 1e12},
                                        {"KiB", 1024},
                                        {"MiB", 1048576},
                                        {"GiB", 1073741824},
                                        {"TiB", 1099511627776}};

    return parse(text, LAM_SIZE_PATTERN, units, bytes);
}

bool lam_duration_parse(const char *text, double *seconds)
{
    static const struct unit units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1},       {"sec", 1},     {"second", 1}, {"seconds", 1},
                                        {"m", 60},    {"min", 60},  {"minute", 60}, {"minutes", 60}, {"h", 3600},  {"hour", 3600},
                                        {"hours", 3600}, {"d", 86400}, {"day", 86400}, {"days", 86400}};

    return parse(text, LAM_DURATION_PATTERN, units, seconds);
}
