/*
 * What servers say when they refuse: {"error":{"message","type","param","code"}} in its many variants, {"error":"text"}, {"detail":…},
 * {"message":…}, or no JSON at all. Read leniently, for decisions and for messages.
 */
#ifndef LAMINA_AI_OPENAI_PROBLEM_H
#define LAMINA_AI_OPENAI_PROBLEM_H

#include <lamina/sv.h>

struct lam_json;

#define LAM_LLM_PROBLEM_MESSAGE 300

struct lam_llm_problem {
    char message[LAM_LLM_PROBLEM_MESSAGE]; /* one line, cut; of a body that is no JSON its beginning */
    char param[64], type[64], code[64];    /* "" where there is none; a numeric code as text */
    bool too_long;           /* the prompt, or the prompt and its answer, are beyond the context, or the body beyond a limit */
    uint32_t context;        /* tokens; 0: not told */
    uint32_t prompt_tokens;  /* tokens; 0: not told */
};

/* json is a handle to parse with. */
void lam_llm_problem_read(struct lam_llm_problem *problem, struct lam_json *json, struct lam_sv body);

/* Does it name this field of a request? Not as a part of a longer word: "tools" is not in "tools_v2". */
bool lam_llm_problem_names(const struct lam_llm_problem *problem, const char *field);

/*
 * Does it speak of the model, the key or the account, that is of what all requests have in common? A server may quote the request, so that phrases in a message
 * are no proof.
 */
bool lam_llm_problem_blames_setup(const struct lam_llm_problem *problem);

/* A number of its message without the words that have digits in them: of two problems that are alike but for ids and times, the same. */
uint64_t lam_llm_problem_likeness(const struct lam_llm_problem *problem);

/* usage.total_tokens of an answer, without parsing it: 0: not there. Looked for at the end first, then at the beginning. */
uint64_t lam_llm_total_tokens(struct lam_sv body);

#endif
