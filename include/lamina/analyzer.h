/*
 * Analyzers: what turns a record's text into an enrichment.
 *
 * An analyzer is a table of callbacks. A handle belongs to one thread; what several handles share (a model) is immutable.
 * submit takes rows whose record is filled and answers into their enrichment; the rows stay where they are until poll has
 * returned their ticket. An analyzer that answers at once (builtin) does its work in submit.
 *
 * Answers are a function of text, tasks and model alone: never of the clock, the rank, the thread, or the rows beside.
 */
#ifndef LAMINA_ANALYZER_H
#define LAMINA_ANALYZER_H

#include <lamina/block.h>

enum lam_task {
    LAM_TASK_CLASSIFY = 1,
    LAM_TASK_ENTITIES = 2,
    LAM_TASK_SUMMARIZE = 4,
    LAM_TASK_SENTIMENT = 8,
    LAM_TASK_KEYWORDS = 16,
    LAM_TASK_LANGUAGE = 32,
    LAM_TASK_EMBED = 64,
    LAM_TASK_CUSTOM = 128, /* a question of the job's own; only models answer it */
    LAM_TASK_TITLE = 256,  /* a title for a record without one, into the record, with LAM_ROW_TITLE_MADE */
    LAM_TASK_READABILITY = 512 /* into the record's structure */
};

struct lam_label {
    struct lam_sv name, description; /* description: words that stand for the label */
};

/* An identifier of the job's own; both views are followed by a NUL. */
struct lam_pattern {
    struct lam_sv name;       /* the type of its entities */
    struct lam_sv expression; /* model/regex.h */
};

struct lam_tasks {
    uint32_t wanted; /* enum lam_task, or-ed */
    const struct lam_label *labels;
    size_t label_count;
    double abstain_below;  /* an answer less sure than this is not given: `other` stands there, or no category. 0: all are given */
    struct lam_sv other;   /* empty: none */
    double multi_label;    /* every label at least this sure is told besides the best one; 0: the best one alone */
    uint32_t sentences;    /* of a summary */
    uint32_t max_keywords;
    uint32_t dim;          /* of an embedding */
    const struct lam_pattern *patterns; /* by name */
    size_t pattern_count;
    struct lam_sv country; /* ISO 3166, two capitals: where phone numbers without a country are from; empty: not known */
    struct lam_sv custom_prompt, custom_schema; /* words, and a JSON Schema; empty where there is no such task */
};

struct lam_analyzer; /* one handle; each implementation has its own */

struct lam_analyzer_ops {
    const char *name;

    /* tasks is borrowed and outlives the handle. */
    int (*open)(const struct lam_tasks *tasks, struct lam_analyzer **analyzer, struct lam_error *err);

    /*
     * Takes rows for analysis; strings of the answers go into block's arena. LAM_PENDING: full, poll first.
     * A row that cannot be answered keeps LAM_ROW_PENDING; one without text gets LAM_ROW_NO_TEXT.
     */
    int (*submit)(struct lam_analyzer *analyzer, struct lam_block *block, size_t first, size_t count, void *ticket, struct lam_error *err);

    /* The ticket of a submission that is done, in any order; LAM_PENDING: none is; LAM_END: none is under way. */
    int (*poll)(struct lam_analyzer *analyzer, void **ticket, struct lam_error *err);

    void (*close)(struct lam_analyzer *analyzer);
};

/* No model, no network: words of the label descriptions, patterns, word lists, hashed vectors (ai/builtin). */
extern const struct lam_analyzer_ops lam_analyzer_builtin;

#endif
