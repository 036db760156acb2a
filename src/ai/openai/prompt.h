/*
 * Prompts: what a model is told, from templates with a version.
 *
 *     system    templates head, one of each task, tail: the same bytes for all documents, so that a server's prefix cache hits
 *     user      the document between marks of its own; or several, each with its id
 *
 * Templates are compiled in (prompt_text.c) and may be replaced by files NAME.txt in a folder of the job's; a file's first line is "version: N".
 * In a template {labels}, {sentences}, {keywords} and {question} stand for what the job says. What comes from a document is data: it stands between marks
 * that hold a number made from the document itself, so that no text can close them, and the head says what that means.
 */
#ifndef LAMINA_AI_OPENAI_PROMPT_H
#define LAMINA_AI_OPENAI_PROMPT_H

#include <lamina/analyzer.h>

#include "base/buf.h"

enum lam_prompt {
    LAM_PROMPT_HEAD,      /* who the model is, what a document is */
    LAM_PROMPT_CLASSIFY,
    LAM_PROMPT_SENTIMENT,
    LAM_PROMPT_LANGUAGE,
    LAM_PROMPT_KEYWORDS,
    LAM_PROMPT_ENTITIES,
    LAM_PROMPT_SUMMARIZE,
    LAM_PROMPT_CUSTOM,
    LAM_PROMPT_TAIL,      /* the form of the answer */
    LAM_PROMPT_PACKED,    /* instead of tail, where there are several documents */
    LAM_PROMPT_REPAIR,    /* {error}: what was wrong with the answer before */
    LAM_PROMPT_PART,      /* {sentences}: summarise a part of a longer document */
    LAM_PROMPT_COUNT
};

struct lam_llm_prompts;

/* folder: of templates that replace compiled-in ones; NULL: none do. LAM_E_INVALID: a file without a version, or a name that is none. */
int lam_llm_prompts_open(const char *folder, struct lam_llm_prompts **prompts, struct lam_error *err);
void lam_llm_prompts_free(struct lam_llm_prompts *prompts); /* NULL-safe */

struct lam_sv lam_llm_prompt_text(const struct lam_llm_prompts *prompts, enum lam_prompt which);
const char *lam_llm_prompt_name(enum lam_prompt which);

/* The newest version among the templates that a question to these tasks is made of. */
uint32_t lam_llm_prompt_version(const struct lam_llm_prompts *prompts, uint32_t wanted);

/* Adds the constant part of a question to these tasks. */
int lam_llm_prompt_system(const struct lam_llm_prompts *prompts, const struct lam_tasks *tasks, uint32_t wanted, bool packed, struct lam_buf *out,
                          struct lam_error *err);

/* A template with what its names stand for: names and values in pairs, the last name NULL. */
int lam_llm_prompt_fill(struct lam_sv template, const char *const names[], const struct lam_sv values[], struct lam_buf *out, struct lam_error *err);

/* Adds a document between its marks. id 0: it stands alone; else it is d<id>. note: what the model is to know of it ("" is none), such as what was left out. */
int lam_llm_prompt_document(struct lam_sv title, struct lam_sv text, const char *note, size_t id, struct lam_buf *out, struct lam_error *err);

/* prompt_text.c */
extern const char *const lam_prompt_texts[LAM_PROMPT_COUNT];
#define LAM_PROMPT_VERSION 2 /* of all that are compiled in: a change of any is a new one */

#endif
