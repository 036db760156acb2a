/*
 * Commits: what one writer adds to the log at once, built in memory, written as one JSON object, and read back from hostile bytes.
 *
 *     {"format":1, "time":µs, "id":"32 hex digits", "base":number, "terms":{"batch":number,…}, "based_on":[path,…], "actions":[…]}
 *
 * base is the number of the state that the commit was computed from. What it removes, masks or names in based_on must still be live
 * and untouched since base when it takes effect; else it is in conflict and is computed anew. `add` and all else commute.
 *
 * A term commit has exactly one action, `term`, and no terms; every other commit carries the terms of the layers that it acts for, at
 * least one. All texts are UTF-8 without NUL. docs/formats.md has every field.
 */
#ifndef LAMINA_STORE_COMMIT_H
#define LAMINA_STORE_COMMIT_H

#include "model/cutoff.h"

#include "entry.h"

#define LAM_COMMIT_FORMAT 1
#define LAM_COMMIT_BYTES ((size_t)64 << 20)   /* a commit is never larger */
#define LAM_COMMIT_NAME 1024                  /* longest name of a source, life or model, in bytes */
#define LAM_COMMIT_TEXT ((size_t)4 << 20)     /* longest part of a job, info or cursor */
#define LAM_COMMIT_VALUE ((size_t)64 << 10)   /* longest order value */

/* Who writes. serve takes no term. */
enum lam_term_layer { LAM_TERM_BATCH, LAM_TERM_SPEED, LAM_TERM_UPKEEP, LAM_TERMS };

const char *lam_term_layer_name(int layer); /* "batch", …; NULL for none */

/* The process that holds a term: enough to find out whether it lives, and to name it. */
struct lam_holder {
    char host[256];
    uint64_t pid, started;   /* started: clock ticks since boot, field 22 of /proc/PID/stat */
    char boot[40];           /* boot_id of the kernel, and the number of the pid namespace: pid means something only where both are equal */
    uint64_t pid_namespace;
    char job[256];
    char run[LAM_RUN_ID];
};

/* Invariant 6: read = live + superseded + deleted + quarantined + filtered; pending and unavailable are parts of live. */
struct lam_counts {
    int64_t read, live, superseded, deleted, quarantined, filtered, pending, unavailable;
};

/* Sums that wrap rather than overflow, for commits are foreign bytes. */
void lam_counts_add(struct lam_counts *sum, const struct lam_counts *more);

struct lam_life_counts {
    uint32_t source, life;
    struct lam_counts counts; /* in a commit: what is added to the sums */
};

/* The last record archived of a partition, to be read again at start. */
struct lam_witness {
    uint64_t offset;
    int64_t timestamp_ms; /* as the broker has it; -1: none */
    uint32_t crc32c;      /* of the record's key and value */
};

struct lam_archived {
    uint32_t partition;
    uint64_t next; /* archive position: the first offset that is not archived */
    bool has_witness;
    struct lam_witness witness;
};

enum lam_action_type {
    LAM_ACTION_TERM,
    LAM_ACTION_SOURCE,
    LAM_ACTION_LIFE,
    LAM_ACTION_JOB,
    LAM_ACTION_ADD,
    LAM_ACTION_REMOVE,
    LAM_ACTION_MASK,
    LAM_ACTION_ARCHIVE,
    LAM_ACTION_MODEL,
    LAM_ACTION_PUBLISH,
    LAM_ACTION_HORIZON,
    LAM_ACTIONS
};

const char *lam_action_name(int type); /* "term", …; NULL for none */

struct lam_action {
    enum lam_action_type type;
    union {
        struct { uint32_t layers; struct lam_holder *holder; } term; /* layers: 1 << enum lam_term_layer, or-ed */
        struct { char *name; } source;
        struct { char *source, *name; } life;
        struct { char *identity, *analysis, *rest; } job;
        struct { struct lam_segment_entry *entry; } add;
        struct { char *path; } remove;
        struct { char *path; struct lam_segment_entry *entry; } mask; /* entry NULL: no row is masked any more */
        struct { uint32_t source, life, count; struct lam_archived *partitions; char *cursor; } archive; /* cursor NULL: unchanged */
        struct { char *name, *kind, *path, *info; } model;
        struct { uint64_t view; char run[LAM_RUN_ID]; uint32_t range_bits; struct lam_cutoff cutoff; uint32_t count; struct lam_life_counts *counts; } publish;
        struct { uint32_t len; uint8_t *value; } horizon;
    };
};

struct lam_commit {
    int64_t time_us;     /* set by lam_commit_seal */
    char id[LAM_RUN_ID]; /* the same */
    uint64_t base;
    uint64_t terms[LAM_TERMS]; /* 0: none of this layer */
    char **based_on;
    size_t based_on_count, based_on_cap;
    struct lam_action *actions;
    size_t action_count, action_cap;
};

/* A commit computed from the state with this number (state->number of the snapshot; 0: from nothing). */
void lam_commit_init(struct lam_commit *commit, uint64_t base);
void lam_commit_release(struct lam_commit *commit);

/* It acts for this layer, under this term. */
void lam_commit_set_term(struct lam_commit *commit, enum lam_term_layer layer, uint64_t term);

/*
 * Each adds one action, with copies of all that it is given. LAM_E_INVALID names what is wrong, LAM_E_MEMORY; the commit is then as it was.
 * `path` is that of a live segment.
 */
int lam_commit_based_on(struct lam_commit *commit, const char *path, struct lam_error *err); /* computed from this segment and its mask */
int lam_commit_term(struct lam_commit *commit, uint32_t layers, const struct lam_holder *holder, struct lam_error *err);
int lam_commit_source(struct lam_commit *commit, const char *name, struct lam_error *err);
int lam_commit_life(struct lam_commit *commit, const char *source, const char *name, struct lam_error *err);
int lam_commit_job(struct lam_commit *commit, const char *identity, const char *analysis, const char *rest, struct lam_error *err);
int lam_commit_add(struct lam_commit *commit, const struct lam_segment_entry *entry, struct lam_error *err);
int lam_commit_remove(struct lam_commit *commit, const char *path, struct lam_error *err); /* its mask goes with it */
int lam_commit_mask(struct lam_commit *commit, const char *path, const struct lam_segment_entry *entry, struct lam_error *err); /* replaces the mask in force */
int lam_commit_archive(struct lam_commit *commit, uint32_t source, uint32_t life, const struct lam_archived *partitions, uint32_t count,
                       const char *cursor, struct lam_error *err);
int lam_commit_model(struct lam_commit *commit, const char *name, const char *kind, const char *path, const char *info, struct lam_error *err);
int lam_commit_publish(struct lam_commit *commit, uint64_t view, const char *run, uint32_t range_bits, const struct lam_cutoff *cutoff,
                       const struct lam_life_counts *counts, uint32_t count, struct lam_error *err);
int lam_commit_horizon(struct lam_commit *commit, struct lam_sv value, struct lam_error *err);

/* Gives it its time and a random id: once, before it is written. */
int lam_commit_seal(struct lam_commit *commit, int64_t time_us, struct lam_error *err);

/* Is it whole: terms where they belong, a `term` alone? LAM_E_INVALID. Written and read commits pass it. */
int lam_commit_check(const struct lam_commit *commit, struct lam_error *err);

/* Adds its JSON. json's max should be LAM_COMMIT_BYTES. */
int lam_commit_write(const struct lam_commit *commit, struct lam_buf *json, struct lam_error *err);

/*
 * Reads a commit from hostile bytes: LAM_E_CORRUPT, LAM_E_LIMIT; LAM_E_INVALID: a newer program wrote it. commit is initialised here; release it after success.
 */
int lam_commit_read(struct lam_sv json, struct lam_commit *commit, struct lam_error *err);

/* 128 random bits as 32 hex digits: ids of commits and runs. */
int lam_random_id(char id[LAM_RUN_ID], struct lam_error *err);
bool lam_id_valid(const char *id); /* 32 lower-case hex digits */

#endif
