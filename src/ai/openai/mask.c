#include "mask.h"

#include <stdbool.h>
#include <string.h>

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1; }

/* How many bytes at text say c; 0: they do not. */
static size_t says(const char *text, size_t len, char c)
{
    static const char zeros[] = "\\u00";

    if (len && text[0] == c)
        return 1;
    if (len > 1 && text[0] == '\\' && text[1] == c)
        return 2;
    if (len > 2 && text[0] == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0 && hex(text[1]) * 16 + hex(text[2]) == (unsigned char)c)
        return 3;
    if (len > 5 && !memcmp(text, zeros, 4) && hex(text[4]) >= 0 && hex(text[5]) >= 0 && hex(text[4]) * 16 + hex(text[5]) == (unsigned char)c)
        return 6;
    return 0;
}

/* The length of the key as it stands at text; 0: it does not. */
static size_t stands(const char *text, size_t len, const char *key)
{
    size_t at = 0, step;

    for (; *key; key++, at += step)
        if (!(step = says(text + at, len - at, *key)))
            return 0;
    return at;
}

/* Its first character is looked for as it is: keys begin with letters or digits, which nobody escapes. */
static size_t mask_one(char *text, size_t len, const char *key)
{
    static const char mask[] = LAM_LLM_MASK;
    char *from = text, *end = text + len, *found, *to = NULL;
    size_t found_len;

    for (char *look = text; look < end && (found = memchr(look, *key, (size_t)(end - look))); look = found + (found_len ? found_len : 1)) {
        if (!(found_len = stands(found, (size_t)(end - found), key)))
            continue;
        if (to) /* what is between two of them moves up: the mask is shorter than any key */
            memmove(to, from, (size_t)(found - from));
        to = (to ? to : from) + (found - from);
        memcpy(to, mask, sizeof mask - 1);
        to += sizeof mask - 1;
        from = found + found_len;
    }
    if (!to)
        return len;
    memmove(to, from, (size_t)(end - from));
    return (size_t)(to - text) + (size_t)(end - from);
}

/* No text has it by chance. */
static bool is_sure(const char *key)
{
    static const char digits[] = "0123456789", letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return strlen(key) >= LAM_LLM_MASK_SURE || (strpbrk(key, digits) && strpbrk(key, letters));
}

static size_t mask(char *text, size_t len, const char *const *authorization, size_t count, bool sure_only)
{
    for (size_t i = 0; i < count && len; i++) {
        const char *key = authorization[i] ? authorization[i] + sizeof LAM_LLM_BEARER - 1 : "";

        if (strlen(key) >= LAM_LLM_MASK_MIN && (!sure_only || is_sure(key)))
            len = mask_one(text, len, key);
    }
    return len;
}

size_t lam_llm_mask(char *text, size_t len, const char *const *authorization, size_t count) { return mask(text, len, authorization, count, false); }

size_t lam_llm_mask_answer(char *text, size_t len, const char *const *authorization, size_t count) { return mask(text, len, authorization, count, true); }

size_t lam_llm_mask_body(int status, char *text, size_t len, const char *const *authorization, size_t count) { return mask(text, len, authorization, count, status / 100 == 2); }

void lam_llm_mask_string(char *text, const char *const *authorization, size_t count) { text[lam_llm_mask(text, strlen(text), authorization, count)] = '\0'; }
