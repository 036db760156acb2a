/* What http.c (the loop, beginning and end) and http_call.c (sockets and calls of libcurl) share, and nobody else. */
#ifndef LAMINA_AI_OPENAI_HTTP_IMPL_H
#define LAMINA_AI_OPENAI_HTTP_IMPL_H

#include <curl/curl.h>

#include "transport.h"

#define SHARD_CALLS 16     /* a connection each */
#define SHARD_CALLS_TLS 64 /* which may share one by HTTP/2 */
#define SHARDS_MAX 1024

struct shard {
    CURLM *multi;
    struct lam_llm_transport *http;
    int64_t due_us;        /* when libcurl wants to be called; INT64_MAX: not */
    unsigned calls;        /* handles that live here */
    bool is_due, touched;  /* in these lists: */
    struct shard *next_due, *next_touched;
};

/* A URL taken apart once: libcurl would do it for each request, and put it together again. */
struct place {
    const char *url; /* the client's: the same pointer for the same text */
    CURLU *parsed;
    struct place *next;
};

/* One easy handle: of one endpoint, kind and shard for life; in flight with an attempt or in the list of free ones. */
struct call {
    CURL *easy;
    struct shard *shard;
    struct lam_llm_attempt *attempt;
    const struct place *place; /* that is set */
    struct call *next, *prev;  /* in flight, or free: next only */
    struct call *all;          /* every one there is */
    int64_t limit_us, byte_us; /* to be whole by then; when a byte came last, 0: none yet */
    bool too_large;
    char detail[CURL_ERROR_SIZE];
};

/* What epoll knows of a file descriptor. */
struct socket {
    struct shard *shard;
    uint32_t registered, wanted; /* EPOLL events */
    bool ours;                   /* opened by us: closed by us, so the registration may outlast a request */
};

struct lam_llm_transport {
    struct lam_llm_transport_init init;
    const struct lam_clock *clock;
    size_t max_answer, endpoint_count;
    unsigned attempt_timeout_ms, connect_timeout_ms, stall_timeout_ms;
    char user_agent[160], ca_file[1024];
    bool loopback[LAM_LLM_ENDPOINTS], tls[LAM_LLM_ENDPOINTS];
    struct curl_slist *headers[LAM_LLM_ENDPOINTS];
    struct place *places;
    CURLSH *share;
    struct shard *shards[SHARDS_MAX], *filling[2]; /* filling: the last one without and with TLS */
    unsigned shard_count;
    struct shard *due, *touched; /* that libcurl wants to be called for at once; that may have finished something */
    int64_t due_us;              /* none of the others before then */
    struct call *free[LAM_LLM_ENDPOINTS][LAM_LLM_KINDS], *flying, *all;
    struct socket *sockets; /* by file descriptor */
    size_t socket_cap;
    int epoll;
    int64_t now_us, sweep_us;
    unsigned done_count;    /* of this run */
};

/* Sets what epoll watches of fd; 0: nothing. */
void lam_llm_http_watch(struct lam_llm_transport *http, struct socket *sock, int fd, uint32_t events);

/* Puts the shard among those that libcurl wants to be called for at once. */
void lam_llm_http_is_due(struct lam_llm_transport *http, struct shard *shard);

/* Begins, cancels. */
int lam_llm_http_start(struct lam_llm_transport *http, struct lam_llm_attempt *attempt, struct lam_error *err);
void lam_llm_http_cancel(struct lam_llm_transport *http, struct lam_llm_attempt *attempt);

/* Takes a call off libcurl and tells the sink. */
void lam_llm_http_finish(struct lam_llm_transport *http, struct call *call, enum lam_llm_transport_code code);

/* All calls of the shard that libcurl is done with. */
void lam_llm_http_take_finished(struct lam_llm_transport *http, struct shard *shard);

#endif
