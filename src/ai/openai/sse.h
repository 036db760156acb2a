/*
 * Streamed answers (text/event-stream) put together again: what a server sent in pieces becomes the one JSON document that it would have sent
 * whole, so that nobody above needs to know. Answers are streamed where a request must be cancellable: several servers go on generating
 * after a plain disconnect unless they stream.
 *
 *     data: {"choices":[{"delta":{"content":"Hel"}}]}      ──┐
 *     data: {"choices":[{"delta":{"content":"lo"}}]}         ├──> {"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],"usage":{…}}
 *     data: {"choices":[],"usage":{…}}                       │
 *     data: [DONE]                                         ──┘
 *
 * Of the choices the first one (index 0) is taken; content, tool calls and logprobs are joined.
 */
#ifndef LAMINA_AI_OPENAI_SSE_H
#define LAMINA_AI_OPENAI_SSE_H

#include "base/buf.h"

struct lam_json;

/*
 * Adds the document to out. LAM_E_CORRUPT: an event is no JSON; LAM_E_IO: it ends before it is whole; LAM_E_INVALID: the server reports an error
 * within the stream, and out has that event instead; LAM_E_LIMIT: too many tool calls, or more than out takes. Any thread; json is a handle
 * to parse with.
 */
int lam_llm_sse_join(struct lam_json *json, struct lam_sv text, struct lam_buf *out, struct lam_error *err);

#endif
