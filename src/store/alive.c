#include "alive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"

#define COUNTER_TEXT 21 /* 20 digits and a newline */

static int alive_path(char path[LAM_PATH_MAX], const char *root, const char *run, const char *name, struct lam_error *err)
{
    char part[LAM_RUN_ID + 16];

    snprintf(part, sizeof part, "runs/%.*s%s", LAM_RUN_ID - 1, run, name);
    return lam_path_join(path, root, part, err);
}

int lam_alive_start(struct lam_alive *alive, const struct lam_fs *fs, const char *root, const char *run, struct lam_error *err)
{
    int rc;

    alive->fs = fs;
    alive->fd = -1;
    alive->counter = 0;
    if (!lam_segment_path_valid(run) || strchr(run, '/') || strlen(run) >= LAM_RUN_ID)
        return LAM_FAIL(err, LAM_E_INVALID, "'%.40s' is no id of a run", run);
    if ((rc = alive_path(alive->path, root, run, "", err)) || (rc = lam_fs_mkdirs(fs, alive->path, err)) ||
        (rc = alive_path(alive->path, root, run, "/alive", err)))
        return rc;
    if ((alive->fd = fs->ops->open(fs->arg, alive->path, O_WRONLY | O_CREAT, 0644)) < 0) {
        rc = LAM_FAIL(err, LAM_E_IO, "create %s: %s", alive->path, strerror(-alive->fd));
        alive->fd = -1;
        return rc;
    }
    if ((rc = lam_alive_raise(alive, err)))
        lam_alive_stop(alive);
    return rc;
}

int lam_alive_raise(struct lam_alive *alive, struct lam_error *err)
{
    char text[COUNTER_TEXT + 1];
    int rc;

    snprintf(text, sizeof text, "%020" PRIu64 "\n", ++alive->counter);
    if ((rc = lam_fs_write_at(alive->fs, alive->fd, text, COUNTER_TEXT, 0, err)))
        return LAM_PASS(err, rc, "%s", alive->path);
    rc = alive->fs->ops->fsync(alive->fs->arg, alive->fd); /* a client of a network file system sends it only then */
    return rc ? LAM_FAIL(err, LAM_E_IO, "sync %s: %s", alive->path, strerror(-rc)) : 0;
}

void lam_alive_stop(struct lam_alive *alive)
{
    if (alive->fd < 0)
        return;
    alive->fs->ops->close(alive->fs->arg, alive->fd);
    alive->fs->ops->unlink(alive->fs->arg, alive->path); /* a failure costs the next one 10 s */
    alive->fd = -1;
}

int lam_alive_read(const struct lam_fs *fs, const char *root, const char *run, uint64_t *counter, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    struct lam_buf text;
    int rc = alive_path(path, root, run, "/alive", err);

    if (rc)
        return rc;
    lam_buf_init(&text, 4096);
    if (!(rc = lam_fs_read_all(fs, path, &text, err)))
        *counter = lam_hash64(text.ptr, text.len); /* only a change counts, so a write that was seen half is one too */
    lam_buf_release(&text);
    return rc;
}

/* The first line of a file in /proc; "" where there is none. Not through the file layer: it is no part of the store. */
static void first_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");

    text[0] = '\0';
    if (!file)
        return;
    if (!fgets(text, (int)size, file))
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

/* Field 22 of /proc/PID/stat, after the name, which may hold anything. 0: no such process. */
static uint64_t started_at(uint64_t pid)
{
    char path[64], text[1024], *at;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    first_line(path, text, sizeof text);
    if (!(at = strrchr(text, ')')))
        return 0;
    if (at[1] == ' ' && (at[2] == 'Z' || at[2] == 'X'))
        return 0; /* ended, nobody has waited for it yet */
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

int lam_holder_self(struct lam_holder *holder, const char *job, const char *run, struct lam_error *err)
{
    struct stat st;

    memset(holder, 0, sizeof *holder);
    if (strlen(run) >= sizeof holder->run)
        return LAM_FAIL(err, LAM_E_INVALID, "'%.40s' is no id of a run", run);
    if (gethostname(holder->host, sizeof holder->host - 1))
        return LAM_FAIL(err, LAM_E_IO, "name of this host: %s", strerror(errno));
    first_line("/proc/sys/kernel/random/boot_id", holder->boot, sizeof holder->boot);
    holder->pid = (uint64_t)getpid();
    holder->started = started_at(holder->pid);
    holder->pid_namespace = stat("/proc/self/ns/pid", &st) ? 0 : (uint64_t)st.st_ino;
    snprintf(holder->job, sizeof holder->job, "%s", job);
    memcpy(holder->run, run, strlen(run) + 1);
    return 0;
}

enum lam_process lam_holder_process(const struct lam_holder *holder, const struct lam_holder *self)
{
    uint64_t started;

    if (strcmp(holder->host, self->host) || strcmp(holder->boot, self->boot) || !holder->boot[0] || holder->pid_namespace != self->pid_namespace)
        return LAM_PROCESS_FOREIGN;
    started = started_at(holder->pid);
    return started && started == holder->started ? LAM_PROCESS_RUNS : LAM_PROCESS_GONE;
}
