/* Sizes and durations as people write them: "8 MiB", "2s". */
#ifndef LAMINA_CONFIG_UNITS_H
#define LAMINA_CONFIG_UNITS_H

#include <stdbool.h>

/* false: it is none. */
bool lam_size_parse(const char *text, double *bytes);
bool lam_duration_parse(const char *text, double *seconds);

#endif
