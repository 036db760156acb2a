#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "private.h"

#define TRY_AGAIN_US 50000 /* between two looks: a token may take as long as NFS caches a folder */
#define SLACK_MS 2000      /* ranks that look until the very end still have to vote */

enum state { LOOKING, AGREEING, DONE };

struct lam_check {
    struct lam_comm *comm;
    const struct lam_fs *fs;
    const char *store;
    const char *const *roots;
    size_t root_count;
    enum state state;
    int64_t timeout_ms, deadline_us, next_us;
    char token[LAM_PATH_MAX]; /* its path; empty: rank 0 could not write it */
    bool told, written;
    struct lam_agree agree;
    int result;
    struct lam_error error;
};

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The token contains its own name: it is random, so no other store has one like it. */
static int write_token(struct lam_check *check, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc;

    if ((rc = lam_path_join(path, check->store, "token", err)) || (rc = lam_fs_temporary(check->token, path, err)))
        return rc;
    if ((rc = lam_fs_publish(check->fs, check->token, lam_sv_of(base_of(check->token)), err)))
        return rc;
    check->written = true;
    return 0;
}

static int see_token(struct lam_check *check, struct lam_error *err)
{
    struct lam_buf bytes;
    int rc;

    lam_buf_init(&bytes, LAM_PATH_MAX);
    rc = lam_fs_read_all(check->fs, check->token, &bytes, err);
    if (!rc && !lam_sv_eq(lam_buf_sv(&bytes), lam_sv_of(base_of(check->token))))
        rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s has other bytes than rank 0 wrote", check->token);
    lam_buf_release(&bytes);
    return rc;
}

static int see_roots(const struct lam_check *check, struct lam_error *err)
{
    struct stat st;

    for (size_t i = 0; i < check->root_count; i++) {
        int failed = check->fs->ops->stat(check->fs->arg, check->roots[i], &st);

        if (failed)
            return LAM_FAIL(err, LAM_E_NOT_FOUND, "source %s cannot be seen here: %s", check->roots[i], strerror(-failed));
    }
    return 0;
}

static int agree_on(struct lam_check *check, int rc, struct lam_error *outcome, struct lam_error *err)
{
    char host[64] = "?";

    if (rc && check->comm->size > 1) {
        gethostname(host, sizeof host - 1);
        LAM_PASS(outcome, rc, "on host %s", host);
    }
    check->state = AGREEING;
    return lam_comm_agree_start(&check->agree, check->comm, rc ? outcome : NULL, check->timeout_ms + SLACK_MS, err);
}

static void on_token(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_check *check = arg;
    char name[256];

    (void)src;
    (void)type;
    check->told = true;
    check->token[0] = '\0';
    if (bytes.len == 0 || bytes.len >= sizeof name)
        return;
    memcpy(name, bytes.ptr, bytes.len);
    name[bytes.len] = '\0';
    if (lam_path_join(check->token, check->store, name, NULL))
        check->token[0] = '\0';
}

int lam_check_start(struct lam_check **out, struct lam_comm *comm, const struct lam_fs *fs, const char *store, const char *const *roots,
                    size_t root_count, int64_t timeout_ms, struct lam_error *err)
{
    struct lam_check *check = calloc(1, sizeof *check);
    struct lam_error outcome = {0};
    int rc, found;

    *out = NULL;
    if (!check)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a check");
    *check = (struct lam_check){.comm = comm, .fs = fs, .store = store, .roots = roots, .root_count = root_count, .timeout_ms = timeout_ms};
    check->deadline_us = lam_mono_us(comm->clock) + timeout_ms * 1000;
    if (comm->rank) {
        rc = lam_comm_on(comm, TYPE_TOKEN, TYPE_TOKEN, on_token, check, err);
    } else {
        if (!(found = write_token(check, &outcome)) && !(found = see_token(check, &outcome)))
            found = see_roots(check, &outcome);
        rc = lam_comm_send_all(comm, TYPE_TOKEN, lam_sv_of(check->written ? base_of(check->token) : ""), err);
        if (!rc)
            rc = agree_on(check, found, &outcome, err);
    }
    if (rc) {
        lam_check_free(check);
        return rc;
    }
    *out = check;
    return 0;
}

/* One look of another rank than 0: votes when it has seen everything, or cannot any more. */
static int look(struct lam_check *check, struct lam_error *err)
{
    struct lam_error outcome = {0};
    int64_t now = lam_mono_us(check->comm->clock);
    int rc;

    if ((!check->told || now < check->next_us) && now < check->deadline_us)
        return 0;
    check->next_us = now + TRY_AGAIN_US;
    if (!check->told) {
        rc = LAM_FAIL(&outcome, LAM_E_TIMEOUT, "rank 0 did not say where its token is");
        return agree_on(check, rc, &outcome, err);
    }
    if (!check->token[0])
        return agree_on(check, 0, NULL, err); /* rank 0 has the reason */
    if ((rc = see_token(check, &outcome))) {
        if (now < check->deadline_us)
            return 0;
        LAM_PASS(&outcome, rc, "the store %s is not the one that rank 0 sees", check->store);
    } else {
        rc = see_roots(check, &outcome);
    }
    return agree_on(check, rc, &outcome, err);
}

int lam_check_test(struct lam_check *check, struct lam_error *err)
{
    int rc;

    if (check->state < AGREEING && (rc = look(check, err)))
        return rc;
    if (check->state < AGREEING)
        return LAM_PENDING;
    if (check->state == AGREEING) {
        if ((rc = lam_comm_agree_test(&check->agree, &check->error)) == LAM_PENDING)
            return rc;
        check->state = DONE;
        check->result = rc;
    }
    if (check->result && err)
        *err = check->error;
    return check->result;
}

void lam_check_free(struct lam_check *check)
{
    if (!check)
        return;
    if (check->comm->rank)
        lam_comm_off(check->comm, TYPE_TOKEN);
    if (check->written)
        check->fs->ops->unlink(check->fs->arg, check->token); /* one that stays is swept: its name says that it is temporary */
    free(check);
}
