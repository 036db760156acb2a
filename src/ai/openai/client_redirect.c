/* Redirects of an endpoint: which are followed, which are remembered, and what they count for. */
#include "client_impl.h"

#include <stdio.h>

#define REDIRECTS_MAX 3

/* A move for good is one that all requests would be sent after; a passing one, after answers, is not. */
static void not_followed(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict, const char *why)
{
    const struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];

    if (endpoint->answered_number[job->request.kind])
        lam_llm_leave_for_later(client, job, attempt, verdict, *why ? why : "redirected");
    else
        lam_llm_refuse(client, job, attempt, verdict, why);
}

void lam_llm_redirect(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, struct lam_llm_verdict *verdict)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    const char **url = &endpoint->urls[attempt->wire.kind], *fresh;
    char target[1024];

    if (attempt->wire.headers.location_cut || !lam_llm_same_host(attempt->wire.url, attempt->wire.headers.location, target, sizeof target)) {
        snprintf(verdict->what, sizeof verdict->what, "status %d: redirected to %.200s, which is %s and is not followed; set the endpoint's url", attempt->wire.status,
                 attempt->wire.headers.location, attempt->wire.headers.location_cut ? "a very long address" : "another host");
        not_followed(client, job, attempt, verdict, "");
        return;
    }
    if (job->redirects++ >= REDIRECTS_MAX || !(fresh = lam_llm_url_keep(endpoint, target))) {
        snprintf(verdict->what, sizeof verdict->what, "status %d: redirected again and again, the last time to %.200s", attempt->wire.status, target);
        not_followed(client, job, attempt, verdict, "redirected too often");
        return;
    }
    if (*url != attempt->wire.url || (attempt->wire.status != 301 && attempt->wire.status != 308)) {
        job->url = fresh;
        job->url_endpoint = attempt->wire.endpoint;
    } else {
        *url = fresh;
    }
    lam_llm_ask_again(client, job, 0);
}

bool lam_llm_asked_at_home(struct lam_llm_client *client, struct job *job, const struct attempt *attempt, const struct lam_llm_verdict *verdict)
{
    struct endpoint *endpoint = &client->endpoints[attempt->wire.endpoint];
    const char **url = &endpoint->urls[attempt->wire.kind], *home = endpoint->home[attempt->wire.kind];
    bool refused = verdict->action == LAM_LLM_A_REFUSE || verdict->action == LAM_LLM_A_DOUBT || attempt->wire.status == 401 || attempt->wire.status == 407;

    if (!refused || attempt->wire.url == home || job->redirects++ >= REDIRECTS_MAX)
        return false;
    if (*url == attempt->wire.url)
        *url = home;
    lam_llm_ask_again(client, job, 0);
    return true;
}
