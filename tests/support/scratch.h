/* A folder for one test: made under TMPDIR (else /tmp), removed with all that is in it. */
#ifndef LAMINA_TESTS_SCRATCH_H
#define LAMINA_TESTS_SCRATCH_H

#include <stddef.h>

#define SCRATCH_PATH 512

/* Ends the program with a word where there is none to be had. */
void scratch_make(char path[SCRATCH_PATH]);

/* Removes a folder or file and all below it; what is not there is fine. */
void scratch_remove(const char *path);

/* "dir/name" in one of a few buffers that are used in turn: for arguments of calls, not to be kept. */
const char *scratch_join(const char *dir, const char *name);

/* Writes a file, or reads one whole (malloc, with a NUL behind it; *len may be NULL). NULL: no such file. */
void scratch_write(const char *path, const void *bytes, size_t len);
char *scratch_read(const char *path, size_t *len);

/* Setup and teardown of a cmocka test: *state is the folder's path. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

#endif
