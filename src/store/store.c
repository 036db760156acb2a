#include "store.h"

#include <stdio.h>

static const char *const folders[] = {"log", "bronze", "speed", "silver", "gold", "models", "vectors", "cache", "quarantine", "runs"};

int lam_store_make(const struct lam_fs *fs, const char *root, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    int rc = lam_fs_mkdirs(fs, root, err);

    for (size_t i = 0; !rc && i < sizeof folders / sizeof *folders; i++)
        if (!(rc = lam_path_join(path, root, folders[i], err)))
            rc = lam_fs_mkdirs(fs, path, err);
    return rc ? LAM_PASS(err, rc, "make the store %s", root) : 0;
}

int lam_namer_next(void *arg, enum lam_segment_kind kind, char path[LAM_SEGMENT_PATH], struct lam_error *err)
{
    static const char *const of_kind[LAM_SEGMENT_KINDS] = {
        [LAM_SEGMENT_BRONZE_STREAM] = "bronze", [LAM_SEGMENT_BRONZE_CORPUS] = "bronze", [LAM_SEGMENT_MANIFEST] = "bronze",
        [LAM_SEGMENT_SPEED] = "speed",          [LAM_SEGMENT_SILVER] = "silver",        [LAM_SEGMENT_RUN] = "silver",
        [LAM_SEGMENT_MASK] = "silver",          [LAM_SEGMENT_QUARANTINE] = "quarantine", [LAM_SEGMENT_MODEL] = "models"};
    struct lam_namer *namer = arg;

    if (snprintf(path, LAM_SEGMENT_PATH, "%s/%s-%d-%u.h5", of_kind[kind], namer->run, namer->rank, atomic_fetch_add(&namer->next, 1)) < LAM_SEGMENT_PATH)
        return 0;
    return LAM_FAIL(err, LAM_E_LIMIT, "a segment's name is too long");
}

int lam_namer_staged(struct lam_namer *namer, char path[LAM_SEGMENT_PATH], struct lam_error *err)
{
    if (snprintf(path, LAM_SEGMENT_PATH, "runs/%s/rows-%d-%u.h5", namer->run, namer->rank, atomic_fetch_add(&namer->next, 1)) < LAM_SEGMENT_PATH)
        return 0;
    return LAM_FAIL(err, LAM_E_LIMIT, "a segment's name is too long");
}
