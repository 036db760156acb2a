/* JSON of foreign bytes: the fast reader and the plain one agree on what is JSON, and every value of a document can be asked for. */
#include "model/json.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool claim, const char *what)
{
    if (claim)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* Walks everything; each raw text must be JSON of its own, and of the same kind. */
static size_t walk(const struct lam_json *json, uint32_t at, struct lam_json *again, int depth)
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    struct lam_sv raw = lam_json_raw(json, at);
    struct lam_number a, b;
    size_t count = 1;

    check(raw.len > 0, "a value without text");
    if (again && depth < 3) {
        check(lam_json_parse(again, raw, NULL) == 0, "a value's text is no JSON");
        check(lam_json_type(again, LAM_JSON_ROOT) == lam_json_type(json, at), "a value's text is of another kind");
        check(lam_sv_eq(lam_json_string(again, LAM_JSON_ROOT), lam_json_string(json, at)), "a string reads differently");
        if (lam_json_number(json, at, &a))
            check(lam_json_number(again, LAM_JSON_ROOT, &b) && lam_number_cmp(&a, &b) == 0 && lam_number_parse(raw, &b, NULL) == 0 && a.kind == b.kind &&
                      lam_number_cmp(&a, &b) == 0, "a number reads differently");
    }
    while (lam_json_next(&iter))
        count += walk(json, iter.value, again, depth + 1);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lam_json *json, *again;
    struct lam_sv text = lam_sv((const char *)data, size);
    const char *what;
    int rc;

    if (!json) {
        json = lam_json_new(1 << 20, DEPTH);
        again = lam_json_new(1 << 20, DEPTH);
    }
    rc = lam_json_parse(json, text, NULL);
    check((rc == 0) == (lam_json_locate(text, DEPTH, &what) == size + 1), "the fast reader and the plain one disagree");
    if (rc == 0)
        walk(json, LAM_JSON_ROOT, again, 0);
    else
        check(lam_json_type(json, LAM_JSON_ROOT) == LAM_JSON_ABSENT, "a document after a failure");
    lam_json_find(json, LAM_JSON_ROOT, lam_sv(text.ptr, size < 20 ? size : 20));
    return 0;
}
