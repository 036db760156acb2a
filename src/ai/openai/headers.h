/*
 * Headers of an answer that steer flow control, in all the forms that servers and proxies send them.
 */
#ifndef LAMINA_AI_OPENAI_HEADERS_H
#define LAMINA_AI_OPENAI_HEADERS_H

#include <lamina/sv.h>

#define LAM_LLM_HEADER_NONE INT64_MIN

/* Plain data; numbers that were not sent are LAM_LLM_HEADER_NONE. */
struct lam_llm_headers {
    int64_t retry_after_ms;  /* retry-after-ms, retry-after, llm_provider-retry-after: the first of them that can be read. ≥ 0 */
    int64_t limit_requests, remaining_requests, reset_requests_ms;
    int64_t limit_tokens, remaining_tokens, reset_tokens_ms;
    int should_retry;        /* x-should-retry: 1, 0; -1: not sent */
    bool json;               /* the content type is JSON, or none was sent */
    bool event_stream;
    char location[256];      /* of a redirect; ""; its beginning, if it is longer */
    bool location_cut;
    uint8_t retry_rank;      /* which header retry_after_ms is from: a better one replaces it */
};

void lam_llm_headers_init(struct lam_llm_headers *headers);

/* One header line, with or without its line end; wall_us dates an HTTP date. What cannot be read is as if it was not sent. */
void lam_llm_headers_add(struct lam_llm_headers *headers, struct lam_sv line, int64_t wall_us);

/* "1s", "6m0s", "120ms", "1h2m3.5s", or a bare number of seconds; milliseconds. False: none of them, or negative. */
bool lam_llm_duration_parse(struct lam_sv text, int64_t *ms);

#endif
