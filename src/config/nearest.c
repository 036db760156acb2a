#include "nearest.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 63

static double least(double a, double b) { return a < b ? a : b; }

static double replace_cost(char a, char b)
{
    if (a == b)
        return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? 0.5 : 1;
}

double lam_word_distance(const char *a, const char *b)
{
    double rows[3][LONGEST + 1];
    double *before = rows[0], *above = rows[1], *row = rows[2];
    size_t m = strnlen(a, LONGEST), n = strnlen(b, LONGEST);

    for (size_t j = 0; j <= n; j++)
        above[j] = (double)j;
    for (size_t i = 1; i <= m; i++) {
        double *oldest = before;

        row[0] = (double)i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + replace_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[n];
}

void lam_nearest_try(const char *word, const char *candidate, const char **best, double *distance)
{
    double found = lam_word_distance(word, candidate);
    size_t len = strlen(word) < strlen(candidate) ? strlen(candidate) : strlen(word);

    if (found > (len <= 3 ? 1 : len <= 7 ? 2 : (double)len / 3))
        return;
    if (!*best || found < *distance) {
        *best = candidate;
        *distance = found;
    }
}
