/* The nearest known word to one that is not known, for "did you mean". */
#ifndef LAMINA_CONFIG_NEAREST_H
#define LAMINA_CONFIG_NEAREST_H

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; letters' case counts half. Words are cut at 63 bytes. */
double lam_word_distance(const char *a, const char *b);

/* Keeps candidate in *best when it is nearer to word than *distance, and near enough at all. Start with NULL and any distance. */
void lam_nearest_try(const char *word, const char *candidate, const char **best, double *distance);

#endif
