/* The server's insides, shared by http*.c and by nobody else. */
#ifndef LAMINA_SERVE_HTTP_IMPL_H
#define LAMINA_SERVE_HTTP_IMPL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http.h"
#include "listen.h"
#include "metrics.h"
#include "query.h"
#include "uri.h"
#include "watch.h"

#define ANSWER_HEADERS ((size_t)16 << 10) /* room in a connection's memory for the headers of an answer */
#define ANSWER_LINK_MAX ((size_t)12 << 10)

#define LAM_HTTP_ROW_PREFIX "/v1/records/"

enum endpoint {
    ENDPOINT_RECORD, ENDPOINT_RECORDS, ENDPOINT_AGGREGATE, ENDPOINT_STATUS, ENDPOINT_LIVEZ, ENDPOINT_READYZ,
    ENDPOINT_METRICS, ENDPOINT_OPENAPI,
    ENDPOINT_NONE, /* anything else */
    ENDPOINTS
};

struct lam_http {
    struct lam_http_config config;
    char *token, *hosts;
    struct lam_listen listen;
    struct MHD_Daemon *daemon;
    struct lam_watch watch;
    int64_t start_us;
    atomic_bool stopping; /* answers end their connections */
    atomic_bool cancel;   /* queries give up */

    /* Requests that began and queries that run; slots_changed when either falls. */
    pthread_mutex_t lock;
    pthread_cond_t slots_changed;
    unsigned requests, queries;

    _Atomic uint64_t answered[ENDPOINTS][6]; /* by the first digit of the status */
    _Atomic uint64_t query_errors[16];       /* by -code */
    struct lam_histogram durations[ENDPOINTS];
};

/* One request, from its first line until its answer is sent. */
struct request {
    struct lam_http *http;
    struct lam_watch_entry *entry; /* its connection */
    struct MHD_Connection *connection;
    char *target;          /* as it came */
    enum endpoint endpoint;
    bool began;            /* its headers were looked at */
    struct lam_buf body;
    bool body_too_long, body_lost;
    bool slot;             /* holds one of the queries' slots */
    int64_t start_us;
};

/* Answers: each queues one response and returns what MHD wants to hear. bytes is taken over. */
enum MHD_Result lam_http_answer(struct request *request, unsigned status, const char *type, struct lam_buf *bytes,
                                const char *header, const char *value);
enum MHD_Result lam_http_problem(struct request *request, unsigned status, int code, const char *detail);
enum MHD_Result lam_http_problem_with(struct request *request, unsigned status, int code, const char *detail,
                                      const char *header, const char *value);

/* Answers the request, whose body is complete. */
enum MHD_Result lam_http_dispatch(struct request *request);

/* Looks at what can be told from the headers: 0, or an answer was queued and *result is set. */
int lam_http_screen(struct request *request, const char *method, enum MHD_Result *result);

/* Which endpoint a path belongs to, and the methods that it takes. */
enum endpoint lam_http_route(struct lam_sv path, const char **allow);
const char *lam_http_endpoint_name(enum endpoint endpoint);

/* The text of /metrics. */
int lam_http_write_metrics(struct lam_http *http, struct lam_buf *out, struct lam_error *err);

/* Queries at once: waits for a slot until the deadline. False: none came free. */
bool lam_http_enter_query(struct lam_http *http);
void lam_http_leave_query(struct lam_http *http);

extern const char lam_openapi_json[];

#endif
