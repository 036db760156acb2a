/*
 * Readers: what the serving layer asks its questions of.
 *
 * A reader is a table of callbacks over a store and, where there is one, a speed tail. Every question is put to one
 * snapshot: a commit number and a speed position, which nothing that happens later changes. A new view is taken up by the
 * next pin; snapshots already held stay as they were until they are released.
 *
 * pin and ready may be called by any thread, many at once. A snapshot belongs to the thread that pinned it until it is released.
 * What a callback hands out (strings, rows, statistics) lives as long as the snapshot, unless it says otherwise.
 *
 * Segments may turn out damaged while they are read. The call then fails with LAM_E_CORRUPT and names the segment. One that was
 * removed under an old snapshot is LAM_E_CONFLICT: pin anew.
 */
#ifndef LAMINA_READER_H
#define LAMINA_READER_H

#include <lamina/error.h>
#include <lamina/record.h>

struct lam_snapshot; /* each implementation has its own */

/* What an answer covers. All strings are borrowed from the snapshot. */
struct lam_as_of {
    struct lam_sv store;  /* name of the job */
    uint64_t view;        /* 0: none was published yet */
    uint64_t commit;      /* newest commit of the log that this snapshot saw */
    struct lam_sv cutoff; /* JSON object, by source name: {"docs":{"scan":2},"incoming_events":{"life":1,"next":{"0":1000}}}; empty: {} */
    struct lam_sv speed;  /* JSON object, by source name: next offset reached by the tail; empty: there is no tail here */
    int64_t committed_us; /* wall time of that commit; LAM_TIME_NONE: the log is empty */
    int64_t pinned_us;    /* wall time of the pin */
    bool append;          /* kind of the dataset */
    /* one line for whoever reads the answer (another analysis, a tail that is as old as the last roll); empty: none */
    struct lam_sv note;
};

/* A winning row. Deleted and superseded rows are never seen here. */
struct lam_hit {
    struct lam_row row;
    uint64_t view;          /* view it stands in; 0: it is newer than the view, from speed segments or the tail */
    uint64_t place;         /* append datasets: what the reader needs to go on behind this row; 0 where it needs nothing */
    struct lam_sv source;   /* name of the source */
};

/*
 * Where a scan goes on: behind this row. Upsert: rows come in the order of (hash, key), whatever the view, so that a cursor holds
 * from one snapshot to the next. Append: rows come in an order that the reader chooses and in which (pos, place) stays a place.
 */
struct lam_cursor {
    uint64_t hash;
    struct lam_sv key;
    struct lam_position pos;
    uint64_t place;
};

/* Rows by source and life; read = live + superseded + deleted + quarantined + filtered; pending and unavailable are parts of live. */
struct lam_source_count {
    struct lam_sv name;
    uint32_t source, life;
    uint64_t read, live, superseded, deleted, quarantined, filtered, pending, unavailable;
};

struct lam_category_count {
    struct lam_sv name; /* empty: none */
    uint64_t rows;
};

/* Records of the stream that asked for an agent, since the job began. */
struct lam_agent_counts {
    uint64_t records, answered, gave_up, pending, open; /* records: the sum of the others */
    uint64_t from_cache;                                /* of answered and gave_up */
    uint64_t tokens;                                    /* paid */
    double cost;
};

/* What is known without a scan. Rates and latencies are negative where nothing was measured. */
struct lam_reader_stats {
    const struct lam_source_count *sources; /* of the view, by (source, life) */
    size_t source_count;
    const struct lam_category_count *categories; /* of the view; NULL where the view did not count them */
    size_t category_count;
    uint64_t view_rows;        /* live rows of the view */
    uint64_t speed_rows;       /* rows of speed segments above the cutoff */
    uint64_t tail_rows;        /* rows in memory, not archived yet */
    int64_t lag_records;       /* records in the topic that nobody consumed yet; -1: not known */
    int64_t lag_ms;            /* from event time of the newest record reached to now; -1: not known */
    double documents_per_s, events_per_s;
    double queryable_p50_ms, queryable_p99_ms; /* arrival to queryable */
    double agreement;          /* of fast and deep answers for the same record, 0..1 */
    struct lam_agent_counts agents;
    struct lam_sv layers;      /* JSON object of what else the engine tells about its layers; empty: nothing */
};

/* What stats is given, to fill in what it knows. */
#define LAM_READER_STATS_NONE                                                                                                            \
    ((struct lam_reader_stats){.lag_records = -1, .lag_ms = -1, .documents_per_s = -1, .events_per_s = -1, .queryable_p50_ms = -1, \
                               .queryable_p99_ms = -1, .agreement = -1})

/*
 * Groups of a row's fields, so that a query reads no columns that it does not need. Key, hash, position, order, times,
 * op, flags are always there.
 */
enum lam_want {
    LAM_WANT_TEXT = 1,
    LAM_WANT_DOCUMENT = 2,   /* media type, title, structure */
    LAM_WANT_METADATA = 4,
    LAM_WANT_ANSWERS = 8,    /* category, confidence, sentiment, language */
    LAM_WANT_DETAILS = 16,   /* entities, summary, keywords, custom */
    LAM_WANT_EMBEDDING = 32,
    LAM_WANT_PROVENANCE = 64, /* layer, depth, analyzer, model, prompt, tokens, processed, trace, space */
    LAM_WANT_ALL = 127
};

/*
 * Called for a row; hit is valid during the call, with the fields that were wanted (others are empty, or filled all the same). Anything
 * but 0 ends the call that visits, which returns it: LAM_END is "enough". A visit may be left by a jump (a page that the disk cannot
 * deliver): it holds no lock, and whatever it allocates belongs to arg.
 */
typedef int lam_visit(void *arg, const struct lam_hit *hit, struct lam_error *err);

struct lam_reader_ops {
    /* Is there anything to pin? 0, or LAM_PENDING while loading, or an error that no later pin will get over. Never waits. */
    int (*ready)(void *arg, struct lam_error *err);

    /*
     * Pins what is newest. All that is asked of the snapshot must be done within timeout_ms; later calls may fail with
     * LAM_E_TIMEOUT, naming the rank that was silent. LAM_PENDING: still loading, with the reason in err.
     */
    int (*pin)(void *arg, unsigned timeout_ms, struct lam_snapshot **snapshot, struct lam_error *err);

    /* Never fails. */
    void (*as_of)(struct lam_snapshot *snapshot, struct lam_as_of *as_of);

    /*
     * Visits the winning row of a key (append: the newest one of that key). LAM_E_NOT_FOUND: none, or it was deleted.
     * wants: enum lam_want.
     */
    int (*get)(struct lam_snapshot *snapshot, struct lam_sv key, uint32_t wants, lam_visit *visit, void *visit_arg, struct lam_error *err);

    /* Visits every winning row behind from (NULL: from the start), each once. 0: came to the end. */
    int (*scan)(struct lam_snapshot *snapshot, const struct lam_cursor *from, uint32_t wants, lam_visit *visit,
                void *visit_arg, struct lam_error *err);

    /* Fills what it knows into stats, which begins as LAM_READER_STATS_NONE. */
    int (*stats)(struct lam_snapshot *snapshot, struct lam_reader_stats *stats, struct lam_error *err);

    /* NULL is fine. */
    void (*release)(struct lam_snapshot *snapshot);
};

struct lam_reader {
    const struct lam_reader_ops *ops;
    void *arg;
};

#endif
