/*
 * Redaction: masks what a job does not want to be seen, in text that leaves the store: answers of the server, exports, requests to
 * an endpoint. The stored text stays as it is.
 *
 *     Write to ann@example.com or call Ann Lee, +49 30 1234567.
 *     Write to [MAIL-5c0e91d2] or call [PERSON-07aa63fe], [PHONE-b7d41c88].
 *
 * A pseudonym is a keyed hash of kind and canonical value: the same value has the same one in every record of the job, and without
 * the key nobody can try values until one fits. What is masked in a row: the entities that the analyzer found, those that the
 * patterns find anew in every string of the row (title, summary, metadata …), and each place where one of the row's masked words
 * stands again. Keys of records and of JSON objects stay. Errs on the side of masking too much.
 */
#ifndef LAMINA_AI_REDACT_H
#define LAMINA_AI_REDACT_H

#include <lamina/analyzer.h>

#include "base/buf.h"

#define LAM_REDACT_KEY 16
#define LAM_REDACT_KINDS_MAX 64

struct lam_redact_options {
    const struct lam_tasks *tasks;  /* patterns and country; outlives the redactor */
    const struct lam_sv *kinds;     /* types of entities, a pattern's name among them; outlive the redactor */
    size_t kind_count;
    uint8_t key[LAM_REDACT_KEY];
};

/* A key from a secret of any length. */
void lam_redact_key(struct lam_sv secret, uint8_t key[LAM_REDACT_KEY]);

struct lam_redactor; /* one thread at a time */

/* LAM_E_INVALID: a kind that is no type of entities and no pattern. */
int lam_redactor_new(const struct lam_redact_options *options, struct lam_redactor **redactor, struct lam_error *err);
void lam_redactor_free(struct lam_redactor *redactor);

/*
 * *out is row with its strings masked: they live until the next call for this redactor; what had nothing to mask is row's own. The
 * entities' offsets are those in the masked text. LAM_E_MEMORY.
 */
int lam_redact_row(struct lam_redactor *redactor, const struct lam_row *row, struct lam_row *out, struct lam_error *err);

/*
 * One text without a row, for a request to an endpoint: *out lives until the next call. entities (JSON array as in struct
 * lam_enrichment, empty: none) are masked besides what is found in text itself.
 */
int lam_redact_text(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv entities, struct lam_sv *out, struct lam_error *err);

/*
 * Adds to out the entities of a row that was asked about anew: of those before what is masked, which a model was not shown and cannot tell again, and all of
 * the new ones beside them. Both are JSON arrays as in struct lam_enrichment.
 */
int lam_redact_keep(struct lam_redactor *redactor, struct lam_sv before, struct lam_sv after, struct lam_buf *out, struct lam_error *err);

#endif
