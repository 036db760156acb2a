#include "spans.h"

#include <stdio.h>
#include <stdlib.h>

#include "siphash.h"

#define WINDOW ((size_t)256 << 10) /* bytes that are read at once: bounds the memory for a long text */
#define WINDOW_LOOK 4096           /* how far back a place to cut is looked for */
#define MASKS_MAX 1024             /* of a row */
#define WORD_LEAST 3               /* bytes of a name's word that is masked alone */

bool lam_redact_wanted(const struct lam_redactor *redactor, struct lam_sv kind)
{
    for (size_t i = 0; i < redactor->kind_count; i++)
        if (lam_sv_eq(redactor->kinds[i], kind))
            return true;
    return lam_sv_eq(kind, LAM_SV("org")) && lam_redact_wanted(redactor, LAM_SV("organization")); /* as models call it */
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

void lam_redact_tag(const struct lam_redactor *redactor, struct lam_sv kind, struct lam_sv value, char tag[LAM_REDACT_TAG])
{
    char bytes[512], name[44];
    size_t len = 0;
    uint64_t hash;

    if (lam_sv_eq(kind, LAM_SV("org")))
        kind = LAM_SV("organization");
    for (size_t i = 0; i < kind.len && len < 64; i++)
        bytes[len++] = kind.ptr[i];
    bytes[len++] = '\0';
    if (value.len > sizeof bytes - len - 8) { /* a long one by its hash, which has the key too */
        hash = lam_siphash(redactor->key, value.ptr, value.len);
        memcpy(bytes + len, &hash, 8);
        len += 8;
    } else {
        for (size_t i = 0; i < value.len; i++)
            bytes[len++] = lower(value.ptr[i]);
    }
    hash = lam_siphash(redactor->key, bytes, len);
    if (lam_sv_eq(kind, LAM_SV("email")))
        kind = LAM_SV("MAIL");
    else if (lam_sv_eq(kind, LAM_SV("organization")))
        kind = LAM_SV("ORG");
    for (len = 0; len < kind.len && len + 1 < sizeof name; len++)
        name[len] = (char)(kind.ptr[len] >= 'a' && kind.ptr[len] <= 'z' ? kind.ptr[len] & ~0x20 : kind.ptr[len]);
    name[len] = '\0';
    snprintf(tag, LAM_REDACT_TAG, "[%s-%08x]", name, (unsigned)(hash >> 32));
}

/* Room for one more of size bytes in *items. */
static int grow(void **items, size_t *cap, size_t count, size_t size, struct lam_error *err)
{
    size_t more = *cap ? *cap * 2 : 64;
    void *grown;

    if (count < *cap)
        return 0;
    if (!(grown = realloc(*items, more * size)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu masks", more);
    *items = grown;
    *cap = more;
    return 0;
}

int lam_redact_add_span(struct lam_redactor *redactor, size_t start, size_t end, bool guessed, const char *tag,
                        struct lam_error *err)
{
    int rc = grow((void **)&redactor->spans, &redactor->span_cap, redactor->span_count, sizeof *redactor->spans, err);

    if (rc)
        return rc;
    redactor->spans[redactor->span_count] = (struct lam_redact_span){.start = start, .end = end, .guessed = guessed};
    memcpy(redactor->spans[redactor->span_count++].tag, tag, LAM_REDACT_TAG);
    return 0;
}

static int add_mask(struct lam_redactor *redactor, struct lam_sv bytes, bool part, const char *tag, struct lam_error *err)
{
    struct lam_sv copy;
    int rc;

    for (size_t i = 0; i < redactor->mask_count; i++)
        if (lam_sv_eq(redactor->masks[i].bytes, bytes)) {
            redactor->masks[i].part &= part;
            return 0;
        }
    if (redactor->mask_count == MASKS_MAX || !bytes.len)
        return 0;
    copy = lam_arena_copy(&redactor->arena, bytes);
    if (!copy.ptr)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the masks of a row");
    if ((rc = grow((void **)&redactor->masks, &redactor->mask_cap, redactor->mask_count, sizeof *redactor->masks, err)))
        return rc;
    redactor->masks[redactor->mask_count] = (struct lam_redact_mask){.bytes = copy, .part = part};
    memcpy(redactor->masks[redactor->mask_count++].tag, tag, LAM_REDACT_TAG);
    return 0;
}

static bool word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

int lam_redact_add_mask(struct lam_redactor *redactor, struct lam_sv bytes, bool person, const char *tag, struct lam_error *err)
{
    int rc = add_mask(redactor, bytes, false, tag, err);

    for (size_t i = 0, start = 0; i <= bytes.len && !rc; i++) {
        if (i < bytes.len && word_byte(bytes.ptr[i]))
            continue;
        if (i - start >= WORD_LEAST && i - start < bytes.len)
            rc = add_mask(redactor, lam_sv(bytes.ptr + start, i - start), !person, tag, err);
        start = i + 1;
    }
    return rc;
}

void lam_redact_known(const struct lam_redactor *redactor, struct lam_sv bytes, char tag[LAM_REDACT_TAG])
{
    for (size_t i = 0; i < redactor->mask_count; i++)
        if (!redactor->masks[i].part && lam_sv_eq(redactor->masks[i].bytes, bytes)) {
            memcpy(tag, redactor->masks[i].tag, LAM_REDACT_TAG);
            return;
        }
}

/* One window of a text that is searched by patterns. */
struct window {
    struct lam_redactor *redactor;
    size_t at;
};

static int add_found(void *arg, const struct lam_entity *entity, struct lam_error *err)
{
    struct window *window = arg;
    char tag[LAM_REDACT_TAG];

    if (!lam_redact_wanted(window->redactor, lam_sv_of(entity->type)))
        return 0;
    lam_redact_tag(window->redactor, lam_sv_of(entity->type), lam_sv_of(entity->value), tag);
    return lam_redact_add_span(window->redactor, window->at + entity->start, window->at + entity->end, true, tag, err);
}

/* Where the window that begins at at ends: behind a line, or a blank, or at its longest. */
static size_t window_end(struct lam_sv text, size_t at)
{
    size_t end = at + WINDOW;

    if (end >= text.len)
        return text.len;
    for (size_t i = end; i > end - WINDOW_LOOK; i--)
        if (text.ptr[i - 1] == '\n')
            return i;
    for (size_t i = end; i > end - WINDOW_LOOK; i--)
        if (text.ptr[i - 1] == ' ')
            return i;
    while (end > at + 4 && ((unsigned char)text.ptr[end] & 0xc0) == 0x80)
        end--;
    return end;
}

static int find_by_pattern(struct lam_redactor *redactor, struct lam_sv text, struct lam_error *err)
{
    struct lam_entity_options options = {.now_us = LAM_TIME_NONE,
                                         .words = redactor->names ? &redactor->words : NULL,
                                         .patterns = redactor->patterns,
                                         .country = redactor->tasks->country,
                                         .all = true};

    for (size_t at = 0, end; at < text.len; at = end) {
        struct window window = {redactor, at};
        int rc;

        end = window_end(text, at);
        if ((rc = lam_tokens_read(&redactor->tokens, lam_sv("", 0), lam_sv(text.ptr + at, end - at), err)) ||
            (rc = lam_entities_each(&redactor->tokens, &options, add_found, &window, err)))
            return rc;
    }
    return 0;
}

static bool equal(const char *a, const char *b, size_t len, bool any_case)
{
    if (!any_case)
        return !memcmp(a, b, len);
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

/* Each place where the mask stands as words of their own. */
static int find_mask(struct lam_redactor *redactor, struct lam_sv text, const struct lam_redact_mask *mask, bool any_case,
                     struct lam_error *err)
{
    size_t len = mask->bytes.len, at = 0;
    int rc = 0;

    while (!rc && at + len <= text.len) {
        const char *p = text.ptr + at;

        if (!any_case && !(p = memmem(p, text.len - at, mask->bytes.ptr, len)))
            break;
        at = (size_t)(p - text.ptr);
        if (equal(p, mask->bytes.ptr, len, any_case) && !(at && word_byte(p[-1]) && word_byte(p[0])) &&
            !(at + len < text.len && word_byte(p[len]) && word_byte(p[len - 1])))
            rc = lam_redact_add_span(redactor, at, at + len, false, mask->tag, err);
        at++;
    }
    return rc;
}

/* The longer of two that begin together first: it names what both are part of. */
static int by_start(const void *a, const void *b)
{
    const struct lam_redact_span *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    return x->guessed != y->guessed ? x->guessed - y->guessed : strcmp(x->tag, y->tag);
}

int lam_redact_find_spans(struct lam_redactor *redactor, struct lam_sv text, enum lam_redact_reading reading, struct lam_error *err)
{
    size_t kept = 0;
    int rc = find_by_pattern(redactor, text, err);

    for (size_t i = 0; i < redactor->mask_count && !rc; i++)
        if (!redactor->masks[i].part || reading == LAM_REDACT_WORDS)
            rc = find_mask(redactor, text, &redactor->masks[i], reading != LAM_REDACT_EXACT, err);
    if (rc || !redactor->span_count)
        return rc;
    qsort(redactor->spans, redactor->span_count, sizeof *redactor->spans, by_start);
    for (size_t i = 1; i < redactor->span_count; i++) {
        if (redactor->spans[i].start >= redactor->spans[kept].end)
            redactor->spans[++kept] = redactor->spans[i];
        else if (redactor->spans[i].end > redactor->spans[kept].end)
            redactor->spans[kept].end = redactor->spans[i].end;
    }
    redactor->span_count = kept + 1;
    return 0;
}

int lam_redact_replace(const struct lam_redactor *redactor, struct lam_sv text, struct lam_buf *out, struct lam_error *err)
{
    size_t at = 0;
    int rc;

    for (size_t i = 0; i < redactor->span_count; i++) {
        const struct lam_redact_span *span = &redactor->spans[i];

        if ((rc = lam_buf_add(out, text.ptr + at, span->start - at, err)) || (rc = lam_buf_add(out, span->tag, strlen(span->tag), err)))
            return rc;
        at = span->end;
    }
    return lam_buf_add(out, text.ptr + at, text.len - at, err);
}
