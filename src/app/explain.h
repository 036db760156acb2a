/*
 * How a model's answer came about, for people: provenance, steps, and the prompt that was sent, which a run leaves in the store under its digest.
 *
 *     STORE/prompts/<digest>.json     {"ask":…,"version":…,"tasks":…,"system":…,"schema":{…}}
 */
#ifndef LAMINA_APP_EXPLAIN_H
#define LAMINA_APP_EXPLAIN_H

#include <jansson.h>

#include "ai/openai/analyzer.h"
#include "engine.h"

/* Writes the prompts of a job's asks that the store does not have yet. */
int lam_explain_keep(const struct lam_engine *engine, const struct lam_openai *openai, struct lam_error *err);

/* record: as a query answers with it. */
void lam_explain_print(const char *store, const json_t *record);

#endif
