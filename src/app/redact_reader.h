/*
 * A reader before another one: masks what the job asks for (tasks.redact) in every row that passes, so that queries, filters,
 * exports and whoever else reads through it see pseudonyms alone. ai/redact says what is masked.
 */
#ifndef LAMINA_APP_REDACT_READER_H
#define LAMINA_APP_REDACT_READER_H

#include <lamina/reader.h>

#include "ai/redact/redact.h"
#include "engine.h"

#define LAM_REDACT_SALT "redact-salt" /* in the store's folder: 16 random bytes, made by the first job that opens it */

/* Where the job masks and names no secret: the store's salt, unless it has one. Tools that read never make it. */
int lam_redact_make_salt(const struct lam_engine *engine, struct lam_error *err);

/*
 * What masks for the engine's job, for one thread at a time; NULL where it masks nothing. LAM_E_INVALID: the secret's variable is not
 * set, or a kind is none; LAM_E_IO: the store's salt.
 */
int lam_redactor_of_job(const struct lam_engine *engine, struct lam_redactor **redactor, struct lam_error *err);

struct lam_redact_reader;

/*
 * Puts itself before *reader, which outlives it. Where nothing is masked *out is NULL and *reader is left alone. Without a job (tools
 * that open a store) the job that the store remembers says what is masked.
 */
int lam_redact_reader_new(struct lam_redact_reader **out, const struct lam_engine *engine, struct lam_reader *reader, struct lam_error *err);
void lam_redact_reader_free(struct lam_redact_reader *reader); /* NULL-safe; no snapshot may be held */

#endif
