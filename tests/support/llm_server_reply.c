#include "llm_server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAT_ANSWER                                                                                                                                    \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"scripted\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," \
    "\"content\":\"{\\\"category\\\":\\\"billing\\\"}\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":20,\"total_tokens\":520}}"

static const char *reason_of(int status)
{
    return status == 200 ? "OK" : status == 429 ? "Too Many Requests" : status >= 500 ? "Server Error" : status >= 400 ? "Client Error" : "Other";
}

/* "input":["a","b"] gets two vectors of four numbers; a string gets one. */
static char *embeddings_for(const char *body)
{
    const char *input = strstr(body, "\"input\"");
    size_t count = 1, used;
    char *out;

    if (input && (input = strchr(input, ':')) && input[1 + strspn(input + 1, " ")] == '[') {
        const char *at = strchr(input, '[') + 1;

        for (count = 0; *at && *at != ']'; at++) {
            if (*at != '"')
                continue;
            for (at++; *at && *at != '"'; at++)
                at += *at == '\\' && at[1];
            count++;
        }
    }
    if (!(out = malloc(256 + count * 96)))
        llm_server_fail("malloc");
    used = (size_t)sprintf(out, "{\"object\":\"list\",\"model\":\"scripted\",\"data\":[");
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(out + used, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":[0.5,-0.5,0.5,0.5]}", i ? "," : "", i);
    sprintf(out + used, "],\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", 8 * count, 8 * count);
    return out;
}

/* What the test left open. */
static void complete(struct conn *conn, const struct llm_request *request)
{
    struct llm_reply *reply = &conn->reply;

    if (!reply->status)
        reply->status = 200;
    if (!reply->body && strstr(request->path, "embeddings"))
        reply->body = conn->generated = embeddings_for(request->body);
    if (!reply->body)
        reply->body = CHAT_ANSWER;
    if (!reply->body_len)
        reply->body_len = strlen(reply->body);
}

void llm_reply_compose(struct conn *conn, const struct llm_request *request)
{
    struct llm_reply *reply = &conn->reply;
    size_t cap = 512 + (reply->headers ? strlen(reply->headers) : 0);
    char *head = malloc(cap);
    size_t used;

    if (!head)
        llm_server_fail("malloc");
    complete(conn, request);
    conn->body_len = reply->body_len * (reply->repeat ? reply->repeat : 1);
    used = (size_t)snprintf(head, cap, "HTTP/1.1 %d %s\r\n", reply->status, reason_of(reply->status));
    if (!reply->content_type || *reply->content_type)
        used += (size_t)snprintf(head + used, cap - used, "Content-Type: %s\r\n", reply->content_type ? reply->content_type : "application/json");
    if (reply->headers)
        used += (size_t)snprintf(head + used, cap - used, "%s", reply->headers);
    if (reply->close_after)
        used += (size_t)snprintf(head + used, cap - used, "Connection: close\r\n");
    if (reply->chunked)
        used += (size_t)snprintf(head + used, cap - used, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", conn->body_len);
    else
        used += (size_t)snprintf(head + used, cap - used, "Content-Length: %zu\r\n\r\n", conn->body_len);
    conn->head = head;
    conn->head_len = used;
    conn->total = used + conn->body_len + (reply->chunked ? 7 : 0);
    conn->sent = 0;
    conn->limit = reply->fault == LLM_CUT || reply->fault == LLM_CUT_RESET || reply->fault == LLM_STALL ? reply->at : conn->total;
    if (conn->limit > conn->total)
        conn->limit = conn->total;
}

const char *llm_reply_piece(const struct conn *conn, size_t *len)
{
    size_t at = conn->sent;
    const char *ptr;

    if (at < conn->head_len) {
        ptr = conn->head + at;
        *len = conn->head_len - at;
    } else if (at < conn->head_len + conn->body_len) {
        size_t in_body = (at - conn->head_len) % conn->reply.body_len;

        ptr = conn->reply.body + in_body;
        *len = conn->reply.body_len - in_body;
    } else {
        size_t in_tail = at - conn->head_len - conn->body_len;

        ptr = &"\r\n0\r\n\r\n"[in_tail];
        *len = 7 - in_tail;
    }
    if (*len > conn->limit - at)
        *len = conn->limit - at;
    return ptr;
}
