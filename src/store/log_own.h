/* What the files of the commit log share: the handle, and looking at what is there. */
#ifndef LAMINA_STORE_LOG_OWN_H
#define LAMINA_STORE_LOG_OWN_H

#include "checkpoint.h"
#include "log.h"

struct lam_commitlog {
    struct lam_commitlog_options options; /* nothing in it is NULL but log */
    char root[LAM_PATH_MAX];
    struct lam_state *state;  /* never NULL; replaced, never changed in place */
    uint64_t seen, log_from;  /* newest checkpoint on disk that was seen, and its log_from; 0 and 1: none */
    struct lam_error fate;    /* code not 0: what a commit ended with whose fate is unknown; no other is tried */
    struct lam_buf buf;       /* of the file being read */
};

/* What one look at the folders found, from a number on. */
struct lam_log_listing {
    uint64_t *commits;        /* sorted */
    size_t count, cap;
    uint64_t checkpoint;      /* newest below the limit that was given; 0: none */
};

void lam_log_listing_release(struct lam_log_listing *listing);

/*
 * Lists commits >= from and the newest checkpoint below limit, from the newest folder downwards: as far as from, or as a checkpoint
 * from which it is shorter to go on. LAM_E_NOT_FOUND: no log.
 */
int lam_log_list(struct lam_commitlog *log, uint64_t from, uint64_t limit, struct lam_log_listing *listing, struct lam_error *err);

/* Looks at the newest checkpoint on disk, and keeps its log_from. What every reading of a commit ends with. */
int lam_log_look(struct lam_commitlog *log, struct lam_error *err);

/* root/log/0000, and a file in it. */
int lam_log_folder_path(const struct lam_commitlog *log, char path[LAM_PATH_MAX], uint64_t folder, struct lam_error *err);
int lam_log_full_path(const struct lam_commitlog *log, char path[LAM_PATH_MAX], uint64_t number, const char *suffix, struct lam_error *err);

/* Reads and parses commit number. LAM_E_NOT_FOUND; else as lam_commit_read. */
int lam_log_read(struct lam_commitlog *log, uint64_t number, struct lam_commit *commit, struct lam_error *err);

/* The state with one commit more, in place of the one before. */
int lam_log_fold(struct lam_commitlog *log, const struct lam_commit *commit, struct lam_error *err);

/* Is name the file of a commit (suffix ".json") or checkpoint (".ckpt")? */
bool lam_log_number_of(const char *name, const char *suffix, uint64_t *number);

#endif
