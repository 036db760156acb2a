/* RE2 behind regex.h. */
#pragma GCC diagnostic ignored "-Wshadow" /* C lets a function have the name of its struct */

#include <new>
#include <re2/re2.h>

extern "C" {
#include "regex.h"
}

struct lam_regex {
    re2::RE2 re2;

    lam_regex(struct lam_sv text, const re2::RE2::Options &options) : re2(re2::StringPiece(text.ptr, text.len), options) {}
};

static re2::StringPiece piece(struct lam_sv text) { return re2::StringPiece(text.len ? text.ptr : "", text.len); }

int lam_regex_new(struct lam_sv text, struct lam_regex **regex, struct lam_error *err)
try {
    re2::RE2::Options options;

    *regex = nullptr;
    if (!text.len || text.len > LAM_REGEX_TEXT_MAX)
        return LAM_FAIL(err, LAM_E_INVALID, "a regular expression has 1 to %d bytes, not %zu", LAM_REGEX_TEXT_MAX, text.len);
    options.set_max_mem(LAM_REGEX_MEMORY);
    options.set_log_errors(false);
    *regex = new lam_regex(text, options);
    if (!(*regex)->re2.ok()) {
        LAM_FAIL(err, LAM_E_INVALID, "not a regular expression (RE2's syntax): %s", (*regex)->re2.error().c_str());
    } else if ((*regex)->re2.Match(piece(lam_sv("", 0)), 0, 0, re2::RE2::ANCHOR_BOTH, nullptr, 0)) {
        LAM_FAIL(err, LAM_E_INVALID, "it matches nothing at all, so it would match everywhere");
    } else {
        return 0;
    }
    lam_regex_free(*regex);
    *regex = nullptr;
    return LAM_E_INVALID;
} catch (const std::bad_alloc &) {
    return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a regular expression");
}

void lam_regex_free(struct lam_regex *regex) { delete regex; }

bool lam_regex_find(const struct lam_regex *regex, struct lam_sv text, size_t from, size_t *start, size_t *end)
try {
    re2::StringPiece found;

    if (from > text.len || !regex->re2.Match(piece(text), from, text.len, re2::RE2::UNANCHORED, &found, 1) || found.empty())
        return false;
    *start = (size_t)(found.data() - text.ptr);
    *end = *start + found.size();
    return true;
} catch (const std::bad_alloc &) {
    return false;
}
