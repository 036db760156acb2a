/*
 * The job: a job file, read and checked once as a whole, and from then on an immutable struct.
 *
 * One table (fields.c) describes every field: its type, limits, default, meaning, and to which of the three parts it belongs.
 * Checking, defaults, this struct and the JSON Schema that `lamina job schema` prints all come from it.
 *
 *     identity   what a record is: kind, key, order, event time, names of the sources      the store refuses a change
 *     analysis   what is asked about it: text fields, tasks, labels, parsers, analyzer     a change is a new full view
 *     rest       everything else                                                           free
 *
 * All strings are UTF-8 without a NUL inside and are followed by one, views included: view.ptr is a C string. Strings that
 * were not given are NULL (views: ptr NULL, len 0). All of it lives until lam_job_free and may be read by any thread.
 * Paths in the file, and in --set, are relative to the folder of the job file; the struct has them absolute.
 * Sizes are bytes, durations microseconds. In the file a size is an integer or "8 MiB", a duration a number of seconds or "10 min".
 */
#ifndef LAMINA_CONFIG_JOB_H
#define LAMINA_CONFIG_JOB_H

#include <lamina/analyzer.h>
#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "model/order.h"
#include "model/rules.h"

#include "deep.h"

#define LAM_JOB_FILE_MAX (1u << 20) /* bytes of a job file */
#define LAM_PROBLEMS_MAX 20         /* so many are told at once; the rest are counted */

enum lam_job_kind { LAM_JOB_APPEND, LAM_JOB_UPSERT };
enum lam_job_late { LAM_JOB_LATE_QUARANTINE, LAM_JOB_LATE_ACCEPT };
enum lam_job_format {
    LAM_JOB_AUTO,     /* by name and first bytes */
    LAM_JOB_TEXT,     /* this one and the three after it: a file is one document */
    LAM_JOB_MARKDOWN,
    LAM_JOB_HTML,
    LAM_JOB_JSON,
    LAM_JOB_JSONL,    /* from here on: a line or a row is a record */
    LAM_JOB_CSV,
    LAM_JOB_LINES
};
enum lam_job_missing { LAM_JOB_MISSING_KEEP, LAM_JOB_MISSING_DELETE };
enum lam_job_bronze { LAM_JOB_BRONZE_REFERENCE, LAM_JOB_BRONZE_COPY };
enum lam_job_header { LAM_JOB_HEADER_DETECT, LAM_JOB_HEADER_YES, LAM_JOB_HEADER_NO };
enum lam_job_analyzer { LAM_JOB_BUILTIN, LAM_JOB_STUDENT }; /* student falls back to builtin where there is none */

enum lam_job_embedder { LAM_JOB_EMBED_BUILTIN, LAM_JOB_EMBED_STATIC };

struct lam_job_strings {
    const struct lam_sv *items;
    size_t count;
};

/*
 * Where a source's records have their fields: the dataset's, or what the source says instead; resolved, so that readers look
 * here alone. A pointer is a JSON pointer ("/id", for CSV "/" and the column's name) or one of $key, $path, $mtime.
 */
struct lam_job_mapping {
    struct lam_job_strings key;   /* the first present wins. None: $path for a file that is one document, else the key is missing */
    struct lam_job_strings text;  /* joined by a blank line. None: the whole text of a file that is one document, else no text */
    struct lam_sv event_time;     /* a pointer or $mtime. Empty: no event time */
    struct lam_sv deleted;        /* a pointer: a record that has true there is a delete. Empty: none */
};

struct lam_job_dataset {
    enum lam_job_kind kind;
    struct lam_job_mapping map;      /* what the sources start from */
    enum lam_order_by order_by;
    struct lam_sv order_field;   /* the pointer, where order_by is LAM_ORDER_FIELD; else empty */
    int64_t max_skew_us;         /* event times beyond arrival and this are quarantined */
    enum lam_job_late late;
    int64_t tombstones_us;       /* age at which a compaction may drop a delete */
    struct lam_sv order_text;    /* order_by as written */
};

struct lam_job_csv {
    struct lam_sv delimiter_text; /* as written */
    char delimiter;               /* 0: detect it */
    enum lam_job_header header;
};

/* A corpus: files below a root. */
struct lam_job_source {
    const char *name;    /* its identity in the store; default "files:" and the path as written */
    const char *path;    /* absolute, as text without "." and "..": a file, a folder (everything in it) or a glob; for messages */
    /* pattern NULL: path itself, a file or a folder; else the folders of path before the first with a glob character */
    const char *root;
    const char *pattern; /* what paths below root must match: * ? [] within a name, ** for any number of folders. NULL: no glob was given */
    enum lam_job_format format;
    struct lam_job_mapping map;
    struct lam_job_csv csv;
    enum lam_job_missing on_missing;
    uint64_t max_files;  /* the first so many in order; 0: all */
    enum lam_job_bronze bronze;
};

/* One librdkafka property: a value, or the name of the environment variable that holds it. The other one is NULL. */
struct lam_job_property {
    const char *name, *value, *env;
};

struct lam_job_replay {
    const char *path; /* JSON lines, fed to the topic in order */
    double rate;      /* events a second; 0: as fast as the topic takes them */
};

struct lam_job_stream {
    const char *name;    /* its identity in the store; default "stream:" and the topic */
    const char *brokers; /* "local": the mock cluster inside the job; else host:port, … */
    bool local;
    const char *topic;
    uint32_t partitions; /* of the topic on the local broker */
    const char *route;   /* output topic; "{category}" stands for the record's category */
    const char *route_default; /* output topic of a record without a category */
    struct lam_job_mapping map;
    const struct lam_job_property *kafka; /* the user's, none of those that the engine owns */
    size_t kafka_count;
    struct {
        uint64_t bytes;
        int64_t period_us;
    } roll;              /* whichever comes first */
    uint64_t tail;       /* bytes of the tail in memory; at the limit it is rolled at once and consumption pauses */
    const struct lam_rule *analyze_when; /* records that the deep analysis is asked for at once; NULL: none */
    struct lam_job_replay *replay;       /* NULL: none */
};

struct lam_job {
    const char *name;
    struct {
        const char *path;      /* absolute */
        int64_t visibility_us; /* how long a commit that one was told of may stay invisible (NFS) */
        int64_t grace_us;      /* how long removed files stay */
    } store;
    struct {
        uint32_t serve, speed; /* ranks of `run`; speed is 0 where there is no stream */
    } roles;
    struct lam_job_dataset dataset;
    const struct lam_job_source *sources;
    size_t source_count;
    const struct lam_job_stream *stream; /* NULL: none */
    struct lam_tasks tasks;              /* labels and patterns sorted by name */
    struct {
        struct lam_job_strings kinds; /* of entities that are masked in all that is shown; none: nothing is */
        const char *secret_env;       /* environment variable with the secret of the pseudonyms; NULL: the store's salt */
    } redact;
    struct {
        enum lam_job_embedder analyzer;
        const char *path, *tokenizer;    /* of a static table, absolute; tokenizer NULL: the one beside the table */
    } embed;
    struct lam_sv label_field;           /* pointer to the label of records that somebody labelled; empty: none are */
    struct {
        uint64_t split;      /* decoded bytes */
        uint64_t every_records; /* archived records after which `run` starts the next view; 0: not by count */
        int64_t every_us;       /* time after which it does; 0: not by time */
        uint32_t workers;    /* threads a batch rank; 0: the cores that it may use, shared with the other ranks of its node */
        uint64_t memory;     /* bytes of anonymous and shared memory a rank may take for data */
        uint64_t sample;     /* bytes of text that are learned from */
    } batch;
    struct lam_job_deep deep;
    struct {
        enum lam_job_analyzer analyzer;
    } fast;
    struct {
        const char *listen;    /* as written */
        const char *host;      /* without brackets */
        uint16_t port;         /* 0: any free one */
        const char *token_env; /* environment variable that holds the bearer token; NULL: none is asked for */
        const char *hosts;     /* more names that a request's Host may have, separated by commas; NULL: none */
        bool keep;             /* stay up when batch and stream are at their end */
        uint32_t connections, queries; /* at once */
        int64_t timeout_us;    /* deadline of one query */
        uint64_t body;         /* largest request body */
    } serve;
    int64_t commit_interval_us;
    int64_t deadline_us; /* what ranks wait for one that is silent */
    struct {
        double max;       /* share of what was read, 0..1 */
        uint64_t records; /* so many are always allowed; a run fails (exit 3) only above both */
    } quarantine;
    struct {
        uint64_t record, document; /* bytes of a line, row or message; of a file that is one record, decoded */
        uint64_t decoded;          /* bytes of one packed file */
        uint32_t ratio;            /* decoded to packed bytes */
        uint32_t depth;            /* of JSON and HTML */
        uint64_t raw;              /* bytes of a rejected record that are kept */
    } limits;

    const char *file, *folder;         /* the job file as given; its folder, absolute */
    struct lam_sv full;                /* the whole job, defaults filled in: canonical JSON (sorted keys, no blanks) */
    struct lam_sv identity, analysis, rest; /* its parts, canonical JSON; sources by name, so that their order in the file is nothing */
    struct lam_digest identity_digest, analysis_digest;
};

/* What is wrong with a job file: plain bytes, so that a rank can send them. */
struct lam_problem {
    char pointer[256]; /* JSON pointer of the field, "" for the whole; or "--set …" */
    char text[384];
};

struct lam_problems {
    uint32_t count; /* of items filled */
    uint32_t total; /* found, more than count where there were more than fit */
    struct lam_problem items[LAM_PROBLEMS_MAX];
};

/*
 * Reads and checks a job file. sets are overrides, "roles.speed=2": a dotted path (array elements by number, "sources.0.path")
 * or a JSON pointer, "=", and a value: JSON where it parses, else a string.
 *
 * Returns 0 and *job (lam_job_free); LAM_E_INVALID: problems (may be NULL) lists what is wrong and err has the first and how many;
 * LAM_E_NOT_FOUND, LAM_E_IO, LAM_E_LIMIT where the file cannot be read: err only. Reads no other file. Rank-local.
 */
int lam_job_load(const char *path, const char *const *sets, size_t set_count, struct lam_job **job, struct lam_problems *problems,
                 struct lam_error *err);

/* The same for text that is at hand: a rank that got the file's bytes from another. file and folder as in struct lam_job. */
int lam_job_parse(struct lam_sv text, const char *file, const char *folder, const char *const *sets, size_t set_count, struct lam_job **job,
                  struct lam_problems *problems, struct lam_error *err);

void lam_job_free(struct lam_job *job);

/* Adds the JSON Schema (draft 2020-12) of job files, indented. */
int lam_job_schema(struct lam_buf *out, struct lam_error *err);

/*
 * What the vectors of its static table are, by the table's bytes: a part of the analysis that the job file cannot tell. A table that changed under its path is
 * another analysis. Once, before the job is shared. LAM_E_MEMORY.
 */
int lam_job_set_space(struct lam_job *job, const char *space, struct lam_error *err);

/* Numbers of a vector that the job asks for; 0: it asks for none. */
uint32_t lam_job_vector_dim(const struct lam_job *job);

/* How a job stands to what a store remembers. Lists are JSON pointers and names, separated by ", ", cut at the end. */
struct lam_job_change {
    bool identity;        /* refused: err of lam_job_compare says what differs */
    bool analysis;        /* a new full view */
    char analysis_fields[256];
    char sources_added[256], sources_gone[256];
};

/*
 * Compares a job with the identity and analysis parts that a store remembers (as they stand in struct lam_job). Sources are
 * compared by name, those in both only: one that was added or is gone changes neither part.
 * Returns 0 also where the analysis changed; LAM_E_INVALID where the identity did, with every difference in err's text;
 * LAM_E_CORRUPT where a stored part is no JSON.
 */
int lam_job_compare(const struct lam_job *job, struct lam_sv identity, struct lam_sv analysis, struct lam_job_change *change,
                    struct lam_error *err);

#endif
