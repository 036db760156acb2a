/*
 * Languages: which one a text is in, by its script, by the stop words that it uses, and by letters that few languages have.
 * Not known (NULL) where the evidence is thin or two languages come too close.
 */
#ifndef LAMINA_AI_LANGUAGE_H
#define LAMINA_AI_LANGUAGE_H

#include "tokens.h"

enum lam_language {
    LAM_LANG_EN, LAM_LANG_DE, LAM_LANG_FR, LAM_LANG_ES, LAM_LANG_PT, LAM_LANG_IT, LAM_LANG_NL, LAM_LANG_SV, LAM_LANG_DA, LAM_LANG_NO,
    LAM_LANG_FI, LAM_LANG_PL, LAM_LANG_CS, LAM_LANG_SK, LAM_LANG_HU, LAM_LANG_RO, LAM_LANG_HR, LAM_LANG_SL, LAM_LANG_LT, LAM_LANG_LV,
    LAM_LANG_ET, LAM_LANG_TR, LAM_LANG_ID, LAM_LANG_VI, LAM_LANG_CA,
    LAM_LANG_RU, LAM_LANG_UK, LAM_LANG_BG, LAM_LANG_SR, LAM_LANG_AR, LAM_LANG_FA, LAM_LANG_UR, LAM_LANG_HI, LAM_LANG_MR,
    LAM_LANG_EL, LAM_LANG_HE, LAM_LANG_HY, LAM_LANG_BN, LAM_LANG_PA, LAM_LANG_GU, LAM_LANG_OR, LAM_LANG_TA, LAM_LANG_TE, LAM_LANG_KN,
    LAM_LANG_ML, LAM_LANG_SI, LAM_LANG_TH, LAM_LANG_LO, LAM_LANG_BO, LAM_LANG_MY, LAM_LANG_KA, LAM_LANG_AM, LAM_LANG_KM, LAM_LANG_KO,
    LAM_LANG_JA, LAM_LANG_ZH,
    LAM_LANGUAGES /* at most 64: struct lam_lex.langs */
};

/* The language's ISO 639-1 code, static storage; *of the language itself. NULL and LAM_LANG_EN where it is not known. */
const char *lam_language_detect(const struct lam_tokens *tokens, enum lam_language *of);

const char *lam_language_code(enum lam_language language);

#endif
