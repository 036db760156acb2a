/*
 * Refining: one raw item after the other becomes an analysed row, or a reject with its reason; the same way in the batch layer, the speed
 * layer and a recomputation.
 *
 *     raw bytes ─parse→ text, structure ─extract→ record ─analyze→ row in a block
 *          └──────────── anything wrong with it ────────────→ reject in the block
 *
 * A bad record never stops a job: what is wrong with it is data. Only memory, a full block and cancellation are errors here. A refiner belongs to one
 * thread. The parser and the analyzer are plugged in.
 */
#ifndef LAMINA_PROCESS_REFINE_H
#define LAMINA_PROCESS_REFINE_H

#include <lamina/analyzer.h>

#include "base/clock.h"
#include "model/extract.h"

struct lam_document {
    struct lam_sv title, text, structure;
    const char *media_type;
};

struct lam_refine_options {
    size_t max_record;    /* bytes of a line, row or message */
    size_t max_document;  /* bytes of a file that is one document */
    unsigned max_depth;   /* of JSON */
    size_t max_raw;       /* bytes of a reject's raw that are kept */
    const struct lam_tasks *tasks;
    enum lam_layer layer;
    enum lam_depth depth;
    const struct lam_clock *clock;

    /* Opens an analyzer's handle for this thread. */
    int (*open_analyzer)(void *arg, struct lam_analyzer **analyzer, struct lam_error *err);
    const struct lam_analyzer_ops *analyzer;

    /* A document's bytes to text; views live until the next call. name decides the type where media_type is NULL. */
    int (*parse)(void *parser, struct lam_sv name, const char *media_type, struct lam_sv bytes, struct lam_document *document, struct lam_error *err);
    void *parser;
    void *arg; /* of open_analyzer */
};

/* An item as a source gives it. All borrowed. */
struct lam_raw {
    const struct lam_extract *settings;
    struct lam_position pos;
    struct lam_sv path;       /* of a corpus, below its root; ptr NULL for a stream */
    struct lam_sv name;       /* of a document: decides its type where media_type is NULL */
    struct lam_sv place;      /* for whoever reads a reject: the file's path, or "topic/partition" */
    int64_t arrival_us, mtime_us, message_us;
    struct lam_sv bytes;
    const char *media_type;   /* "application/json": a record; NULL or another: a document to be parsed */
    bool document;            /* the whole file: parse decides what it is */
    bool has_key, null_value; /* of a message */
    struct lam_sv key;
    struct lam_sv raw;        /* what a reject keeps; as a rule the same as bytes */
};

struct lam_refiner;

int lam_refiner_new(struct lam_refiner **refiner, const struct lam_refine_options *options, struct lam_error *err);
void lam_refiner_free(struct lam_refiner *refiner); /* NULL-safe */

/* Adds a row or a reject to block. LAM_E_LIMIT: the block is full and nothing was added. */
int lam_refiner_add(struct lam_refiner *refiner, const struct lam_raw *raw, struct lam_block *block, struct lam_error *err);

/* Adds a reject for an item that its source already found to be bad, or that a rule leaves out. */
int lam_refiner_reject(struct lam_refiner *refiner, const struct lam_raw *raw, enum lam_reject_kind kind, struct lam_sv reason, struct lam_block *block,
                       struct lam_error *err);

/* Analyses the rows from first on and fills in their provenance. After it they are answered, or flagged LAM_ROW_PENDING. */
int lam_refiner_analyze(struct lam_refiner *refiner, struct lam_block *block, size_t first, struct lam_error *err);

/* What the job does with an answer that is not sure enough (tasks.abstain_below): `other` stands in its place, or no category. Confidence stays. */
void lam_refine_abstain(const struct lam_tasks *tasks, struct lam_enrichment *enr);

/* Leaves the rows from first on for later: they are LAM_ROW_PENDING, with no answers. */
void lam_refiner_defer(struct lam_refiner *refiner, struct lam_block *block, size_t first);

/* Opens the analyzer anew, because what open_analyzer gives has changed. On failure the old one stays. */
int lam_refiner_reopen(struct lam_refiner *refiner, struct lam_error *err);

/* The JSON of the record that was added last, for rules; its root is absent where it was none. Until the next add. */
const struct lam_json *lam_refiner_json(const struct lam_refiner *refiner);

#endif
