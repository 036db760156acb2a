#include "print_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/json_text.h"

static void print_json(const char *name, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    if (text)
        printf("        %-10s %s\n", name, text);
    free(text);
}

static void print_step(const json_t *step)
{
    printf("  %3" JSON_INTEGER_FORMAT "   %-20s %8" JSON_INTEGER_FORMAT " tokens %8" JSON_INTEGER_FORMAT " ms\n", json_integer_value(json_object_get(step, "step")),
           *lam_json_text(step, "tool") ? lam_json_text(step, "tool") : "(no step)", json_integer_value(json_object_get(step, "tokens")),
           json_integer_value(json_object_get(step, "ms")));
    print_json("arguments", json_object_get(step, "arguments"));
    if (*lam_json_text(step, "error"))
        printf("        %-10s %s\n", "error", lam_json_text(step, "error"));
    if (json_object_get(step, "result"))
        printf("        %-10s %s (%" JSON_INTEGER_FORMAT " bytes)\n", "result", lam_json_text(step, "result"), json_integer_value(json_object_get(step, "bytes")));
}

void lam_print_audit(const json_t *record)
{
    const json_t *trail = json_object_get(json_object_get(json_object_get(record, "provenance"), "trace"), "agent"), *step;
    size_t i;

    if (!trail) {
        printf("%s: no agent worked on this record\n", lam_json_text(record, "key"));
        return;
    }
    if (!strcmp(lam_json_text(trail, "outcome"), "pending")) {
        printf("%s: its agent has not answered yet\n", lam_json_text(record, "key"));
        return;
    }
    printf("%s: %s; %zu steps by the protocol \"%s\", %" JSON_INTEGER_FORMAT " tokens, %" JSON_INTEGER_FORMAT " ms\n\n", lam_json_text(record, "key"),
           lam_json_text(trail, "outcome"), json_array_size(json_object_get(trail, "steps")), lam_json_text(trail, "protocol"),
           json_integer_value(json_object_get(trail, "tokens")), json_integer_value(json_object_get(trail, "ms")));
    json_array_foreach(json_object_get(trail, "steps"), i, step) print_step(step);
    printf("\n");
    print_json("answer", json_object_get(json_object_get(json_object_get(record, "enrichment"), "custom"), "agent"));
}
