/*
 * A query and its answer. HTTP and `lamina query` both come here, so that they cannot differ.
 *
 *     key        {"as_of":{…},"record":{…}}                            LAM_E_NOT_FOUND where there is none
 *     list       {"as_of":{…},"records":[…],"next_cursor":"…"}         null after the last page
 *     aggregate  {"as_of":{…},"rows":…,"groups":[…]}
 *     status     {"as_of":{…},"rows":{…},"sources":[…],…}
 *
 * A list stops early, with a cursor, where its answer or its time gets too long: a page may be shorter than its limit.
 */
#ifndef LAMINA_SERVE_QUERY_H
#define LAMINA_SERVE_QUERY_H

#include <stdatomic.h>

#include "aggregate.h"
#include "base/clock.h"
#include "cursor.h"

#define LAM_QUERY_LIMIT 100
#define LAM_QUERY_MAX_LIMIT 10000

enum lam_query_kind { LAM_QUERY_KEY, LAM_QUERY_LIST, LAM_QUERY_AGGREGATE, LAM_QUERY_STATUS };

struct lam_query {
    enum lam_query_kind kind;
    struct lam_buf key;              /* KEY */
    struct lam_filter *filter;       /* LIST */
    struct lam_aggregate *aggregate; /* AGGREGATE */
    struct lam_buf cursor;           /* LIST: as it came, empty at the start */
    size_t limit;                    /* LIST: rows of a page */
    unsigned flags;                  /* enum lam_json_row_flag */
};

/* What a query may cost; how long its answer may be, is the max of the buffer that it goes to. */
struct lam_query_limits {
    unsigned timeout_ms;     /* from pin to answer */
    const atomic_bool *stop; /* set: give up with LAM_E_CANCELLED. May be NULL */
    const struct lam_clock *clock;
};

#define LAM_QUERY_TIMEOUT_MS 30000
#define LAM_QUERY_ANSWER_MAX ((size_t)64 << 20)

/* What the answer was made of, for the log and for HTTP's headers. */
struct lam_query_info {
    uint64_t view, commit;
    uint64_t rows_seen, rows; /* looked at; in the answer */
    char next_cursor[LAM_CURSOR_TEXT]; /* LIST: empty after the last page */
};

int lam_query_init(struct lam_query *query, enum lam_query_kind kind, struct lam_error *err);
void lam_query_release(struct lam_query *query);

int lam_query_set_key(struct lam_query *query, struct lam_sv key, struct lam_error *err);

/* The body of an aggregate. */
int lam_query_set_aggregate(struct lam_query *query, struct lam_sv json, struct lam_error *err);

/*
 * One decoded parameter: embedding (true, false) of a key and a list; limit, cursor, filter (JSON) of a list; or a test (filter.h) of a
 * list and an aggregate. LAM_E_INVALID and LAM_E_LIMIT name the parameter.
 */
int lam_query_param(struct lam_query *query, struct lam_sv name, struct lam_sv value, struct lam_error *err);

/*
 * Pins a snapshot, answers, releases it; adds the answer to out, which is as it was on failure. info may be NULL. Any thread.
 *
 * LAM_PENDING: the reader is still loading. LAM_E_NOT_FOUND: no such key. LAM_E_INVALID: the cursor. LAM_E_LIMIT: too many groups, or
 * an answer beyond out's max. LAM_E_TIMEOUT, LAM_E_CANCELLED. LAM_E_CORRUPT names the damaged segment.
 */
int lam_query_run(const struct lam_query *query, const struct lam_reader *reader, const struct lam_query_limits *limits,
                  struct lam_buf *out, struct lam_query_info *info, struct lam_error *err);

/* The object that every answer carries as "as_of". */
int lam_as_of_add_json(struct lam_buf *out, const struct lam_as_of *as_of, struct lam_error *err);

#endif
