/*
 * Transports: how one HTTP request of the client gets to a server and its answer back. Live ones use libcurl (http.h); a recorder wraps
 * another one and writes down what passes; a replay answers from such a recording.
 *
 * All calls come from the client's I/O thread, which lives inside `run`: it waits there until an answer is complete, its time is up, or
 * the wake is signalled. A transport calls `sink->done` for each attempt that it started and that was not cancelled, exactly once, and
 * only from within `run`: never from within `start` or `cancel`.
 *
 *     loop: start, start, cancel, … ; run(until) ─┬─> sink->done(attempt)   (which may start and cancel others)
 *                                                 └─> returns
 */
#ifndef LAMINA_AI_OPENAI_TRANSPORT_H
#define LAMINA_AI_OPENAI_TRANSPORT_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"
#include "base/wake.h"
#include "client.h"
#include "headers.h"

/* How an attempt ended, below HTTP's own statuses. */
enum lam_llm_transport_code {
    LAM_LLM_T_OK,         /* a whole answer of whatever status */
    LAM_LLM_T_RESOLVE,    /* no such host */
    LAM_LLM_T_CONNECT,    /* refused, unreachable, or not in time */
    LAM_LLM_T_TLS,        /* certificate or handshake */
    LAM_LLM_T_CUT,        /* reset or closed before the answer was whole */
    LAM_LLM_T_TIMEOUT,    /* the answer was not whole in time, or stalled */
    LAM_LLM_T_TOO_LARGE,  /* above max_answer */
    LAM_LLM_T_OTHER
};

/* One HTTP request. The client owns it and its memory; `impl` is the transport's. */
struct lam_llm_attempt {
    /* What to send: valid until done or cancel. */
    size_t endpoint;            /* index */
    enum lam_llm_kind kind;
    const char *url;            /* whole; the same pointer for the same text */
    struct lam_sv body;         /* whole JSON object; holds no secret */
    unsigned timeout_ms;        /* at most attempt_timeout_ms */

    /* What came back: filled before done. */
    enum lam_llm_transport_code code;
    int status;                 /* HTTP; 0 where none came */
    struct lam_llm_headers headers;
    struct lam_buf answer;      /* the body; its maximum is max_answer. Cleared by the client before start */
    int64_t started_us, ended_us; /* monotonic; a replay may scale them */
    bool connected_anew;        /* a connection was opened for it */
    char detail[160];           /* what went wrong, for reasons; "" otherwise */

    void *impl;                 /* of the transport, between start and done or cancel */
    void *owner;                /* of the client: not to be touched */
};

/* Whom to tell. A recorder gives the transport that it wraps a sink of its own. */
struct lam_llm_sink {
    void (*done)(void *arg, struct lam_llm_attempt *attempt);
    void *arg;
};

/* What a transport gets to know at open; all of it outlives it, but for what `options` points to. */
struct lam_llm_transport_init {
    const struct lam_llm_options *options;   /* endpoints, timeouts, limits; as given to the client */
    const char *const *authorization;        /* one an endpoint: "Authorization: Bearer …", or NULL. Never to be logged or written */
    struct lam_wake *wake;                   /* ends `run` */
    struct lam_llm_sink sink;
    void *arg;                               /* options->transport_arg */
};

struct lam_llm_transport;

struct lam_llm_transport_ops {
    const char *name;
    int (*open)(const struct lam_llm_transport_init *init, struct lam_llm_transport **transport, struct lam_error *err);

    /* Begins an attempt. An error: it was not begun, and there will be no done. */
    int (*start)(struct lam_llm_transport *transport, struct lam_llm_attempt *attempt, struct lam_error *err);

    /* Ends an attempt without done; its connection is closed, so that the server can notice. */
    void (*cancel)(struct lam_llm_transport *transport, struct lam_llm_attempt *attempt);

    /*
     * Waits until until_us (monotonic, of options->clock; INT64_MAX: without limit), a signal, or after it called done at least once. While
     * anything is under way the client comes back at least five times a second: soon enough for timeouts.
     */
    int (*run)(struct lam_llm_transport *transport, int64_t until_us, struct lam_error *err);

    /* Nothing is under way any more. */
    void (*close)(struct lam_llm_transport *transport);
};

/* HTTP over libcurl. */
extern const struct lam_llm_transport_ops lam_llm_transport_curl;

#endif
