/* What comes back: a step of the model is read, checked, done, and told. */
#include "agent_own.h"

#include <inttypes.h>
#include <stdio.h>

#include "ai/openai/answer.h"
#include "ai/openai/prompt.h"
#include "ai/openai/schema.h"
#include "ai/openai/token_estimate.h"

#define TRAIL_RESULT 400    /* bytes of a result that the trail keeps */
#define TRAIL_ARGUMENTS 2000
#define CONTEXT_MAX (1u << 20) /* of a model whose context is not known */
#define CONTENT_MAX 16000     /* bytes of what a model said that it is shown again */

/* One step of the model. name and arguments are views into json. */
struct step {
    struct lam_sv id, name;       /* id: of the tool protocol */
    const struct lam_json *json;  /* that arguments stand in */
    uint32_t arguments;
    struct lam_sv content;        /* the choice protocol: as the model wrote it */
    uint64_t tokens;              /* of the exchange */
};

/* --- the trail --- */

static int add_trail(struct lam_agent *agent, const struct step *step, struct lam_sv result, const char *error, struct lam_error *err)
{
    struct lam_buf *out = &agent->steps;
    struct lam_sv arguments = step->json ? lam_json_raw(step->json, step->arguments) : LAM_SV("");
    int rc;

    if ((rc = lam_buf_addf(out, err, "%s{\"step\":%u", out->len ? "," : "", agent->step)))
        return rc;
    if (step->name.len && ((rc = lam_buf_addf(out, err, ",\"tool\":")) || (rc = lam_buf_add_json(out, step->name, err))))
        return rc;
    if (arguments.len && ((rc = lam_buf_addf(out, err, ",\"arguments\":")) ||
                          (rc = arguments.len <= TRAIL_ARGUMENTS ? lam_buf_add_sv(out, arguments, err)
                                                                 : lam_buf_add_json(out, lam_sv(arguments.ptr, TRAIL_ARGUMENTS), err))))
        return rc;
    if (error && ((rc = lam_buf_addf(out, err, ",\"error\":")) || (rc = lam_buf_add_json(out, lam_sv_of(error), err))))
        return rc;
    if (result.ptr && ((rc = lam_buf_addf(out, err, ",\"bytes\":%zu,\"result\":", result.len)) ||
                       (rc = lam_buf_add_json(out, lam_sv(result.ptr, result.len < TRAIL_RESULT ? result.len : TRAIL_RESULT), err))))
        return rc;
    return lam_buf_addf(out, err, ",\"tokens\":%" PRIu64 ",\"ms\":%" PRId64 "}", step->tokens,
                        (lam_mono_us(agent->options.clock) - agent->asked_us) / 1000);
}

/* --- the talk --- */

/* What the model said, and what it is told. */
static int add_talk(struct lam_agent *agent, const struct step *step, struct lam_sv told, struct lam_error *err)
{
    struct lam_buf *out = &agent->talk;
    int rc;

    if (step->id.len) {
        if ((rc = lam_buf_addf(out, err, ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":\"function\",\"id\":")) ||
            (rc = lam_buf_add_json(out, step->id, err)) || (rc = lam_buf_addf(out, err, ",\"function\":{\"name\":")) ||
            (rc = lam_buf_add_json(out, step->name, err)) || (rc = lam_buf_addf(out, err, ",\"arguments\":")) ||
            (rc = lam_buf_add_json(out, step->json ? lam_json_raw(step->json, step->arguments) : LAM_SV("{}"), err)) ||
            (rc = lam_buf_addf(out, err, "}}]},{\"role\":\"tool\",\"tool_call_id\":")) || (rc = lam_buf_add_json(out, step->id, err)))
            return rc;
    } else if ((rc = lam_buf_addf(out, err, ",{\"role\":\"assistant\",\"content\":")) || (rc = lam_buf_add_json(out, step->content, err)) ||
               (rc = lam_buf_addf(out, err, "},{\"role\":\"user\"")))
        return rc;
    if ((rc = lam_buf_addf(out, err, ",\"content\":")) || (rc = lam_buf_add_json(out, told, err)))
        return rc;
    return lam_buf_add(out, "}", 1, err);
}

/* A step that cannot be used: the model is told why and goes on. */
static int refuse(struct lam_agent *agent, const struct step *step, const char *why, struct lam_error *err)
{
    struct lam_buf told;
    int rc;

    lam_buf_init(&told, 4096);
    if (!(rc = add_trail(agent, step, (struct lam_sv){0}, why, err)) && !(rc = lam_buf_addf(&told, err, "That step cannot be used: %.2000s.", why)))
        rc = add_talk(agent, step, lam_buf_sv(&told), err);
    lam_buf_release(&told);
    return rc;
}

static int tell(struct lam_agent *agent, const struct step *step, struct lam_sv result, bool cut, struct lam_error *err)
{
    struct lam_buf told;
    int rc;

    lam_buf_init(&told, LAM_AGENT_BODY_MAX);
    if (!(rc = add_trail(agent, step, result, NULL, err)) &&
        !(rc = lam_llm_prompt_document(LAM_SV(""), result, cut ? "cut: the result is longer than the limit" : "", 0, &told, err)))
        rc = add_talk(agent, step, lam_buf_sv(&told), err);
    lam_buf_release(&told);
    return rc;
}

/* --- a step is done --- */

/* tool: of one. Else of the answer, which may say more than was asked. */
static int check_arguments(struct lam_agent *agent, const struct step *step, struct lam_sv schema, bool tool, char why[LAM_ERROR_TEXT], struct lam_error *err)
{
    struct lam_error wrong;
    int rc = lam_json_parse(agent->schema, schema, err);

    if (rc)
        return rc;
    if (lam_json_type(step->json, step->arguments) != LAM_JSON_OBJECT)
        snprintf(why, LAM_ERROR_TEXT, "the arguments are no JSON object");
    else if (tool ? lam_llm_schema_check_arguments(agent->schema, step->json, step->arguments, &wrong)
                  : lam_llm_schema_check(agent->schema, LAM_JSON_ROOT, step->json, step->arguments, true, &wrong))
        snprintf(why, LAM_ERROR_TEXT, "the arguments do not hold the schema: %.400s", wrong.text);
    return 0;
}

static int answer(struct lam_agent *agent, const struct step *step, struct lam_error *err)
{
    char why[LAM_ERROR_TEXT] = "";
    int rc = check_arguments(agent, step, agent->options.answer_schema, false, why, err);

    if (rc)
        return rc;
    if (*why)
        return (rc = refuse(agent, step, why, err)) ? rc : LAM_PENDING;
    lam_buf_clear(&agent->result);
    if ((rc = lam_buf_add_sv(&agent->result, lam_json_raw(step->json, step->arguments), err)) ||
        (rc = add_trail(agent, step, (struct lam_sv){0}, NULL, err)))
        return rc;
    agent->answered = true;
    lam_agent_end(agent, "answered");
    return 0;
}

static int call(struct lam_agent *agent, const struct step *step, const struct lam_agent_tool *tool, struct lam_error *err)
{
    char why[LAM_ERROR_TEXT] = "";
    struct lam_buf out;
    unsigned left_ms = lam_agent_left_ms(agent);
    int rc = check_arguments(agent, step, tool->parameters, true, why, err);

    if (rc || *why)
        return rc ? rc : refuse(agent, step, why, err);
    lam_buf_init(&out, agent->options.limits.result);
    if (left_ms)
        rc = tool->call(tool->arg, step->json, step->arguments, left_ms, &out, err);
    else
        rc = LAM_FAIL(err, LAM_E_IO, "the time is up");
    if (rc == LAM_E_CANCELLED)
        lam_agent_end(agent, "cancelled");
    else if (rc && rc != LAM_E_LIMIT) {
        snprintf(why, sizeof why, "%s", err->text);
        rc = refuse(agent, step, why, err);
    } else
        rc = tell(agent, step, out.ptr ? lam_buf_sv(&out) : LAM_SV(""), rc == LAM_E_LIMIT, err);
    lam_buf_release(&out);
    return rc;
}

/* A step was taken that is not the answer: LAM_PENDING, or the end where it was the last. */
static int go_on(struct lam_agent *agent, bool last, struct lam_error *err)
{
    if (!last)
        return LAM_PENDING;
    return lam_agent_over(agent, "limit: its steps are used up", err);
}

/* What holds no step that could be done is a step all the same, so that this ends. */
static int wrong(struct lam_agent *agent, const struct step *step, const char *why, struct lam_error *err)
{
    bool last = lam_agent_last(agent);
    int rc;

    agent->step++;
    rc = refuse(agent, step, why, err);
    return rc ? rc : go_on(agent, last, err);
}

static int act(struct lam_agent *agent, const struct step *step, struct lam_error *err)
{
    const struct lam_agent_options *o = &agent->options;
    bool last = lam_agent_last(agent);
    char why[160];
    size_t i = 0;
    int rc;

    if (lam_sv_eq(step->name, LAM_SV(LAM_AGENT_ANSWER))) {
        agent->step++;
        rc = answer(agent, step, err);
        return rc == LAM_PENDING ? go_on(agent, last, err) : rc;
    }
    while (i < o->tool_count && !lam_sv_eq(step->name, lam_sv_of(o->tools[i].name)))
        i++;
    if (last)
        return wrong(agent, step, "no step is left but the answer", err);
    if (i == o->tool_count) {
        snprintf(why, sizeof why, "there is no tool \"%.*s\"", step->name.len < 100 ? (int)step->name.len : 100, step->name.len ? step->name.ptr : "");
        return wrong(agent, step, why, err);
    }
    agent->step++;
    rc = call(agent, step, &o->tools[i], err);
    return rc ? rc : LAM_PENDING;
}

/* --- what the server sent is read --- */

/*
 * Tokens of this exchange: as the server counted, else as guessed here. A count that is far beyond any context would end the agent at once, or use up a limit of
 * the run: as if it were not told, and remembered.
 */
static uint64_t use(struct lam_agent *agent)
{
    uint64_t in = lam_llm_count(agent->json, "/usage/prompt_tokens"), out = lam_llm_count(agent->json, "/usage/completion_tokens");
    uint64_t context = agent->options.context ? agent->options.context : CONTEXT_MAX, most = LAM_LLM_USAGE_FACTOR * (context + agent->guess + agent->options.answer_tokens), guess;
    bool told = in > 0;

    guess = lam_token_guess(lam_json_raw(agent->json, lam_json_find(agent->json, LAM_JSON_ROOT, LAM_SV("/choices/0/message"))));
    guess = guess < most ? guess : most;
    if (in > most || out > most)
        agent->doubted = (struct lam_agent_usage){in, out};
    if (!in || in > most)
        in = agent->guess;
    if (out > most || (!out && !told))
        out = guess;
    agent->used.in += in;
    agent->used.out += out;
    return in + out;
}

/* The tool protocol's call. Its arguments are JSON in a string; some servers send the object itself. */
static int take_call(struct lam_agent *agent, struct step *step, uint32_t tool_call, struct lam_error *err)
{
    struct lam_error bad;

    step->id = lam_json_string(agent->json, lam_json_field(agent->json, tool_call, LAM_SV("id")));
    if (!step->id.len)
        step->id = LAM_SV("call");
    step->name = lam_json_string(agent->json, lam_json_find(agent->json, tool_call, LAM_SV("/function/name")));
    step->json = agent->json;
    step->arguments = lam_json_find(agent->json, tool_call, LAM_SV("/function/arguments"));
    if (lam_json_type(agent->json, step->arguments) == LAM_JSON_STRING) {
        step->json = agent->inner;
        if (lam_json_parse(agent->inner, lam_json_string(agent->json, step->arguments), &bad)) {
            step->json = NULL;
            return wrong(agent, step, "the arguments are no JSON", err);
        }
        step->arguments = LAM_JSON_ROOT;
    }
    return act(agent, step, err);
}

/* {"step":{"tool":…,"arguments":…}}, or without the outer object where nothing held the model to the schema. */
static int take_choice(struct lam_agent *agent, struct step *step, struct lam_sv content, struct lam_error *err)
{
    struct lam_error bad;
    uint32_t at;

    step->content = content.len > CONTENT_MAX ? lam_sv(content.ptr, CONTENT_MAX) : content;
    if (lam_llm_reader_content(agent->reader, content, &bad))
        return wrong(agent, step, "it is no JSON object", err);
    step->json = lam_llm_reader_answer(agent->reader);
    if (!(at = lam_json_field(step->json, LAM_JSON_ROOT, LAM_SV("step"))))
        at = LAM_JSON_ROOT;
    step->name = lam_json_string(step->json, lam_json_field(step->json, at, LAM_SV("tool")));
    step->arguments = lam_json_field(step->json, at, LAM_SV("arguments"));
    return act(agent, step, err);
}

static int take(struct lam_agent *agent, struct lam_sv body, struct lam_error *err)
{
    struct step step = {.id = LAM_SV(""), .name = LAM_SV(""), .content = LAM_SV("")};
    uint32_t calls, message, finish;
    struct lam_error bad;

    if (agent->ended)
        return LAM_FAIL(err, LAM_E_LIMIT, "the agent ended: %s", agent->outcome);
    if (lam_json_parse(agent->json, body, &bad)) {
        step.tokens = agent->guess;
        agent->used.in += step.tokens;
        return wrong(agent, &step, "the server's answer is no JSON", err);
    }
    step.tokens = use(agent);
    message = lam_json_find(agent->json, LAM_JSON_ROOT, LAM_SV("/choices/0/message"));
    finish = lam_json_find(agent->json, LAM_JSON_ROOT, LAM_SV("/choices/0/finish_reason"));
    step.content = lam_json_string(agent->json, lam_json_field(agent->json, message, LAM_SV("content")));
    if (step.content.len > CONTENT_MAX)
        step.content.len = CONTENT_MAX;
    if (!message)
        return wrong(agent, &step, "the server's answer has no message", err);
    if (lam_sv_eq(lam_json_string(agent->json, finish), LAM_SV("length")))
        return wrong(agent, &step, "it was cut: it is longer than an answer may be", err);
    if (lam_sv_eq(lam_json_string(agent->json, finish), LAM_SV("content_filter")))
        return wrong(agent, &step, "the server withheld it", err);
    calls = lam_json_find(agent->json, message, LAM_SV("/tool_calls/0"));
    if (agent->protocol == LAM_AGENT_CHOICE)
        return take_choice(agent, &step, lam_json_string(agent->json, lam_json_field(agent->json, message, LAM_SV("content"))), err);
    if (calls)
        return take_call(agent, &step, calls, err);
    if (lam_agent_refused(agent)) /* it has no tools: nothing was said yet, so the other protocol starts from the beginning */
        return add_trail(agent, &step, (struct lam_sv){0}, "no tool was called: going on with the choice protocol", err) ? err->code : LAM_PENDING;
    return wrong(agent, &step, "no tool was called", err);
}

int lam_agent_take(struct lam_agent *agent, struct lam_sv body, struct lam_error *err)
{
    int rc = take(agent, body, err);

    if (rc != LAM_E_LIMIT || agent->ended)
        return rc;
    return lam_agent_over(agent, "limit: what was said and looked up is longer than a request may be", err); /* or than a trail */
}

bool lam_agent_refused(struct lam_agent *agent)
{
    if (agent->protocol == LAM_AGENT_CHOICE || agent->step || agent->ended)
        return false;
    agent->protocol = LAM_AGENT_CHOICE;
    return true;
}
