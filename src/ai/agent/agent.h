/*
 * An agent: a model that answers a question about one record with the help of tools, within limits, and leaves a trail.
 *
 *     lam_agent_request ── the next chat request ──> (the caller sends it) ──> lam_agent_take(answer)
 *           ^                                                                     │ the tool it chose: arguments checked, called, result kept
 *           └────────────────────────── LAM_PENDING ──────────────────────────────┤
 *                                                                                 └ 0: answered ──> lam_agent_result, lam_agent_trail
 *
 * This is the loop alone: it sends nothing itself (agents.h does), so that every exchange can be tested by hand. Two protocols carry it:
 *
 *     tools    the chat-completions tool protocol, with tool_choice "required" and the answer itself as a tool. A server or model that does not know it
 *              answers in plain text: the agent then goes on with
 *     choice   one JSON object a step, held to a JSON Schema: {"step": {"tool": …, "arguments": …}}. Works with any server that takes a schema.
 *
 * What a model says is checked, whatever was asked of the server: the tool is one of the list, its arguments hold its schema. What is wrong with them is
 * told to the model, and is a step. Text of the record and of tools stands between marks and is data: it can choose no tool, and nothing in it changes the
 * limits, which only this file counts. At the last step nothing but the answer is allowed.
 *
 * Rank-local; one thread at a time. Tools are called inside lam_agent_take and may block.
 */
#ifndef LAMINA_AI_AGENT_H
#define LAMINA_AI_AGENT_H

#include "ai/openai/client.h"
#include "base/buf.h"
#include "model/json.h"

#define LAM_AGENT_TOOLS_MAX 32
#define LAM_AGENT_TOOL_NAME 64      /* bytes of a tool's name, NUL included: letters, digits, _ and - */
#define LAM_AGENT_BODY_MAX ((size_t)8 << 20) /* bytes of a request */
#define LAM_AGENT_STEPS_MAX ((size_t)1 << 20) /* bytes of a trail's steps */
#define LAM_AGENT_ANSWER "answer"   /* the tool that ends the loop; no other may have this name */

struct lam_agent_tool {
    const char *name, *description;
    struct lam_sv parameters; /* JSON Schema of an object: the arguments */
    /*
     * Adds the result to out, which holds no more than the limit; a result that does not fit (LAM_E_LIMIT) is cut there, and the model is told. Any other
     * error is told to the model as text, and is a step; LAM_E_CANCELLED ends the agent. It takes no longer than left_ms, which is what the agent has left.
     */
    int (*call)(void *arg, const struct lam_json *json, uint32_t arguments, unsigned left_ms, struct lam_buf *out, struct lam_error *err);
    void *arg;
};

struct lam_agent_limits {
    unsigned steps;   /* answers of the model, the last one included */
    uint64_t tokens;  /* of all requests and answers together */
    int64_t time_us;  /* from the first request on; each request and each tool has what is left of it */
    size_t result;    /* bytes of one tool's result */
};

enum lam_agent_protocol { LAM_AGENT_TOOLS, LAM_AGENT_CHOICE };

/* Borrowed as long as the agent lives. */
struct lam_agent_options {
    const struct lam_agent_tool *tools;
    size_t tool_count;
    struct lam_agent_limits limits;
    struct lam_sv question;      /* the job's words: what is asked about each record */
    struct lam_sv answer_schema; /* JSON Schema of an object: the answer */
    struct lam_sv masked;        /* what is masked in all that is shown, in any words: another masking may make another answer */
    enum lam_agent_protocol protocol; /* to begin with */
    uint32_t answer_tokens;      /* of one answer of the model */
    uint32_t context;            /* tokens that the model takes; 0: not known. Counts of several times as many are not believed */
    const struct lam_clock *clock;
};

struct lam_agent;

/* Once for all agents with these options: LAM_E_INVALID for a tool's name, a schema or a limit that is none. */
int lam_agent_options_check(const struct lam_agent_options *options, struct lam_error *err);

/* options have passed lam_agent_options_check. title and text are those of the record, copied. */
int lam_agent_new(struct lam_agent **agent, const struct lam_agent_options *options, struct lam_sv key, struct lam_sv title, struct lam_sv text,
                  struct lam_error *err);
void lam_agent_free(struct lam_agent *agent); /* NULL-safe */

/*
 * Fills the request that goes out next, but for done and arg; its strings live until the next call. LAM_E_LIMIT: tokens or time are used up; the trail says
 * which, and the agent is over.
 */
int lam_agent_request(struct lam_agent *agent, struct lam_llm_request *request, struct lam_error *err);

/*
 * Takes the body of a chat completion. LAM_PENDING: go on with lam_agent_request; 0: answered. LAM_E_LIMIT: the steps are used up and there is no answer.
 * LAM_E_INVALID: the server speaks neither protocol. LAM_E_CANCELLED: a tool was told to stop.
 */
int lam_agent_take(struct lam_agent *agent, struct lam_sv body, struct lam_error *err);

/* The server refused the request (4xx): true, where the other protocol is worth a try and comes next. */
bool lam_agent_refused(struct lam_agent *agent);

/* The answer, JSON that holds the answer's schema; empty before lam_agent_take returned 0. */
struct lam_sv lam_agent_result(const struct lam_agent *agent);

/*
 * Adds what happened as a JSON object: {"protocol","outcome","tokens","ms","steps":[{"step","tool","arguments","result","bytes","error","tokens","ms"},…]}. Results
 * are cut to 400 bytes here.
 */
int lam_agent_trail(const struct lam_agent *agent, struct lam_buf *out, struct lam_error *err);

/* A request was not answered in the time that it had: true, and it is over, where that was the agent's own. */
bool lam_agent_late(struct lam_agent *agent);

/* Ends it from outside: an endpoint that is gone, a budget. why stands in the trail as its outcome. */
void lam_agent_end(struct lam_agent *agent, const char *why);

struct lam_agent_usage {
    uint64_t in, out; /* tokens of requests and answers, as the server counted them; where it does not, or counts what cannot be, estimates */
};
struct lam_agent_usage lam_agent_usage(const struct lam_agent *agent); /* so far */
struct lam_agent_usage lam_agent_doubted(const struct lam_agent *agent); /* a count that an estimate took the place of; zeroes: there was none */

/* It ended without an answer by what record, question and limits are, not by a server or the clock: asked again, it would end the same. */
bool lam_agent_lasting(const struct lam_agent *agent);
enum lam_agent_protocol lam_agent_protocol(const struct lam_agent *agent);

#define LAM_AGENT_STEPS_EXPECTED 3 /* where nobody knows better: two look-ups and the answer */

/* What an agent with these options is expected to take for a record; nothing is sent. steps: requests; 0: its limits allow none. */
struct lam_agent_expected {
    unsigned steps;
    struct lam_agent_usage used;
};
int lam_agent_expect(const struct lam_agent_options *options, struct lam_sv key, struct lam_sv title, struct lam_sv text, struct lam_agent_expected *expected,
                     struct lam_error *err);

/* What every agent is told before its question. */
struct lam_sv lam_agent_rules(void);

#endif
