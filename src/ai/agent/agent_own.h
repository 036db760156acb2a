/* What the files of the agent's loop share: agent.c (a life, and what goes out), take.c (what comes back). */
#ifndef LAMINA_AI_AGENT_OWN_H
#define LAMINA_AI_AGENT_OWN_H

#include "agent.h"
#include "ai/openai/answer.h"

struct lam_agent {
    struct lam_agent_options options;
    enum lam_agent_protocol protocol;
    struct lam_buf record;   /* the user's message: the record between its marks */
    struct lam_buf talk;     /* the messages after it, each with a comma in front */
    struct lam_buf body, format, number; /* of the request that is out */
    struct lam_llm_option request_options[4];
    struct lam_buf steps;    /* of the trail: JSON objects with commas between */
    struct lam_buf result;
    struct lam_json *json, *inner, *schema; /* of the server's answer, of arguments in it as text, of a tool's schema */
    struct lam_llm_reader *reader;          /* of the choice protocol's object */
    unsigned step;           /* answers taken */
    struct lam_agent_usage used, doubted; /* doubted: what a server counted that cannot be, the last of it */
    uint32_t guess;          /* of the request that is out */
    int64_t started_us, asked_us, ended_us;
    bool answered, ended;
    bool lasting;            /* ended by what would end it again */
    char outcome[240];
};

/* May the next answer of the model call tools, or is it the last one? */
static inline bool lam_agent_last(const struct lam_agent *agent) { return agent->step + 1 >= agent->options.limits.steps; }

/* What it has left of its time, in milliseconds; 0: nothing. */
unsigned lam_agent_left_ms(const struct lam_agent *agent);

/* Ends it for good: asked again, it would end the same. LAM_E_LIMIT. */
int lam_agent_over(struct lam_agent *agent, const char *why, struct lam_error *err);

#endif
