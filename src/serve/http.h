/*
 * The HTTP server: endpoints of docs/http.md over a reader. A thread a connection, so that a slow client or a long query holds up
 * nobody else; a bounded number of connections, and of queries at once. Nothing here is needed by MPI's main thread: start and stop
 * return soon, and all the rest happens on threads of the server.
 *
 * Each request pins its own snapshot, so that a new view is taken up without a pause.
 *
 * On a loopback address requests whose Host header is no loopback name are refused (a page in a browser could reach us through a
 * name of its own otherwise). On any other address a token is required.
 */
#ifndef LAMINA_SERVE_HTTP_H
#define LAMINA_SERVE_HTTP_H

#include <lamina/reader.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

struct lam_http_config {
    const char *listen;        /* "127.0.0.1:8080", "[::1]:8080", "localhost:0", "0.0.0.0:8080"; port 0: a free one */
    const char *token;         /* bearer token, at least 16 bytes; NULL or "": none */
    const char *hosts;         /* more names that the Host header may have, separated by commas. NULL: none */
    unsigned max_connections;  /* at once; more wait in the listen queue or are turned away */
    unsigned max_queries;      /* at once; more wait, then 503 */
    unsigned query_timeout_ms; /* from pin to answer */
    unsigned read_timeout_ms;  /* for the whole of a request to arrive, and for an idle connection */
    unsigned write_timeout_ms; /* for the whole of an answer to be taken */
    size_t max_body;           /* bytes of a request's body */
    size_t max_header;         /* bytes of a request's line and headers */
    size_t max_answer;         /* bytes of an answer */

    struct lam_reader reader;
    const struct lam_clock *clock;
    const struct lam_log *log;

    /* Adds metric families of the caller's own to /metrics. May be NULL. Any thread. */
    int (*metrics)(void *arg, struct lam_buf *out, struct lam_error *err);
    void *metrics_arg;
};

/* The defaults; reader, clock and log are the caller's to set. */
void lam_http_config_init(struct lam_http_config *config);

struct lam_http;

/*
 * Binds and starts to answer. config is copied, but what it points to (reader, clock, log) outlives the server. LAM_E_INVALID: the
 * address, or one that needs a token and has none; LAM_E_IO: the port is taken, with its number.
 */
int lam_http_start(const struct lam_http_config *config, struct lam_http **http, struct lam_error *err);

/* The port that was bound; the URL to show, such as "http://127.0.0.1:8080". */
unsigned lam_http_port(const struct lam_http *http);
const char *lam_http_url(const struct lam_http *http);

/* Requests answered since the start, errors included; those of them that were answered with 500 and above. Any thread. */
uint64_t lam_http_answered(const struct lam_http *http);
uint64_t lam_http_failed(const struct lam_http *http);

/*
 * For a main loop that must not wait, and that requests under way may need: stops accepting and returns at once; the loop goes on until
 * lam_http_busy, the number of requests under way, is 0 or it has waited enough, then lam_http_stop with a grace of 0.
 */
void lam_http_quiesce(struct lam_http *http);
unsigned lam_http_busy(struct lam_http *http);

/*
 * Stops accepting, lets requests under way finish for at most grace_ms, cancels what is left, joins all threads and frees it. A query
 * is cancelled between two rows; one that waits inside the reader (a pin, for a silent rank) is waited for: tell the reader first.
 * NULL is fine.
 */
void lam_http_stop(struct lam_http *http, unsigned grace_ms);

#endif
