/*
 * Endpoints that do not take the tool protocol. It is no field that can be left out: a request without its tools would ask for something else. So it goes to an
 * endpoint that may take them, and where there is none back to its caller, who asks in another form.
 *
 * Servers say it in many ways: "does not support tools" (Ollama), "tools param requires --jinja" with a 500 (llama.cpp), "requires --enable-auto-tool-choice" (vLLM),
 * an unknown field, a list of what is wrong with the body, or nothing that tells of tools. So as long as an endpoint has answered no request with tools, a refusal is
 * taken for this one:
 *
 *     400 422 501, whatever the words     at once
 *     any other that speaks of tools      at once, but for a bad key, a limit, or a length
 *     500 without such a word             the second time
 *
 * If it was something else, the other form hears it as well, and what all requests have in common shows there. It is remembered as long as the client lives.
 */
#include <strings.h>

#include "client_impl.h"

static bool speaks_of_tools(const struct lam_llm_problem *problem) { return strcasestr(problem->message, "tool") || strcasestr(problem->param, "tool"); }

bool lam_llm_tools_refused(const struct endpoint *endpoint, const struct job *job, const struct lam_llm_attempt *wire, const struct lam_llm_verdict *verdict)
{
    if (!job->request.tools || endpoint->tools == TOOLS_TAKEN || wire->code != LAM_LLM_T_OK)
        return false;
    switch (verdict->action) {
    case LAM_LLM_A_DOUBT:
    case LAM_LLM_A_REFUSE:
        return wire->status == 400 || wire->status == 422 || wire->status == 501 || (wire->status != 401 && wire->status != 402 && speaks_of_tools(&verdict->problem));
    case LAM_LLM_A_AGAIN_ERROR:
        return job->errors || speaks_of_tools(&verdict->problem);
    default:
        return false;
    }
}

/* Those of its lane that have not refused it, 1 << endpoint. */
static uint32_t candidates(const struct lam_llm_client *client, const struct lane *lane)
{
    uint32_t which = 0;

    for (size_t e = 0; e < client->endpoint_count; e++)
        if (lane->members >> e & 1 && client->endpoints[e].tools != TOOLS_REFUSED)
            which |= 1u << e;
    return which;
}

bool lam_llm_tools_elsewhere(struct lam_llm_client *client, struct job *job, size_t e, const char *what)
{
    const struct lane *lane = lam_llm_lane_of(client, job->request.tier, job->request.kind);
    struct endpoint *endpoint = &client->endpoints[e];

    if (endpoint->tools != TOOLS_REFUSED)
        lam_log_warn(client->options.log, "ai", "%s (model %s) does not take tools: from now on they are not sent there (%s)", endpoint->base, endpoint->model, what);
    endpoint->tools = TOOLS_REFUSED;
    job->request.avoid |= 1u << e;
    job->wait.avoid = job->request.avoid;
    job->errors = 0;
    return candidates(client, lane) != 0;
}
