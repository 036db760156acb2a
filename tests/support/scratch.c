#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void scratch_make(char path[SCRATCH_PATH])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, SCRATCH_PATH, "%s/lamina-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void scratch_remove(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *scratch_join(const char *dir, const char *name)
{
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

void scratch_write(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
        perror(path);
        exit(1);
    }
}

char *scratch_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    size_t have = 0, cap = 0;

    if (!file)
        return NULL;
    for (;;) {
        size_t n;

        if (cap - have < 4096 && !(bytes = realloc(bytes, cap = cap ? 2 * cap : 65536)))
            abort();
        n = fread(bytes + have, 1, cap - have - 1, file);
        have += n;
        if (n == 0)
            break;
    }
    fclose(file);
    bytes[have] = '\0';
    if (len)
        *len = have;
    return bytes;
}

int scratch_setup(void **state)
{
    char *path = malloc(SCRATCH_PATH);

    if (!path)
        return -1;
    scratch_make(path);
    *state = path;
    return 0;
}

int scratch_teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}
