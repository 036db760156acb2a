/*
 * Answers that say what was asked for in a form that was not: mended where only one thing can be meant, so that no second request is paid for it.
 *
 *     "9" where a number belongs            9
 *     " Billing" where "billing" is allowed "billing", if no other label is the same but for case and blanks around it
 *     {"answer": {…}}                       {…}, once, where the schema knows no field of this name
 *     "confidence": 0.95 of 0 to 10         10: what lies between 0 and 1 is no whole number of tenths
 */
#ifndef LAMINA_AI_OPENAI_MEND_H
#define LAMINA_AI_OPENAI_MEND_H

#include "base/buf.h"
#include "model/json.h"

/*
 * Does the document hold the schema, if need be mended? Then json has the mended one, and scratch its text; scratch is left alone where there was nothing to mend.
 * LAM_E_INVALID: it does not, and the reason is that of the document as it came; json has any document then. LAM_E_MEMORY.
 */
int lam_llm_mend(const struct lam_json *schema, struct lam_json *json, struct lam_buf *scratch, struct lam_error *err);

#endif
