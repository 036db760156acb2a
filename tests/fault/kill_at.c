/*
 * Preloaded into the real program: kills it at the n-th call that makes, names, removes or syncs a file.
 *
 *     LAMINA_KILL_AT=7        SIGKILL instead of the 7th call
 *     LAMINA_KILL_AT=-7       SIGKILL when the 7th is done, before it returns
 *     LAMINA_KILL_COUNT=FILE  the number of such calls, when the program ends by itself
 *     LAMINA_KILL_UNDER=DIR   only what happens to paths under it counts (a sync counts always)
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static long moment(void)
{
    const char *text = getenv("LAMINA_KILL_AT");

    return text ? strtol(text, NULL, 10) : 0;
}

static int counts(const char *path)
{
    const char *under = getenv("LAMINA_KILL_UNDER");

    return !path || !under || !strncmp(path, under, strlen(under));
}

static long before(const char *path)
{
    long number = counts(path) ? atomic_fetch_add(&calls, 1) + 1 : 0;

    if (number && number == moment())
        kill(getpid(), SIGKILL);
    return number;
}

static void after(long number)
{
    if (number && -number == moment())
        kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define SPOIL(path, call)              \
    do {                               \
        long number = before(path);    \
        int rc = call;                 \
                                       \
        after(number);                 \
        return rc;                     \
    } while (0)

int link(const char *from, const char *to) { SPOIL(to, REAL(link)(from, to)); }
int rename(const char *from, const char *to) { SPOIL(to, REAL(rename)(from, to)); }
int unlink(const char *path) { SPOIL(path, REAL(unlink)(path)); }
int mkdir(const char *path, mode_t mode) { SPOIL(path, REAL(mkdir)(path, mode)); }
int fsync(int fd) { SPOIL(NULL, REAL(fsync)(fd)); }
int fdatasync(int fd) { SPOIL(NULL, REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t len) { SPOIL(NULL, REAL(ftruncate)(fd, len)); }

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("LAMINA_KILL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", atomic_load(&calls));
    fclose(file);
}
