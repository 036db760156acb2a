#include "print_audit.h"

#include <stdio.h>
#include <stdlib.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

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
           *text_of(step, "tool") ? text_of(step, "tool") : "(no step)", json_integer_value(json_object_get(step, "tokens")),
           json_integer_value(json_object_get(step, "ms")));
    print_json("arguments", json_object_get(step, "arguments"));
    if (*text_of(step, "error"))
        printf("        %-10s %s\n", "error", text_of(step, "error"));
    if (json_object_get(step, "result"))
        printf("        %-10s %s (%" JSON_INTEGER_FORMAT " bytes)\n", "result", text_of(step, "result"), json_integer_value(json_object_get(step, "bytes")));
}

void lam_print_audit(const json_t *record)
{
    const json_t *trail = json_object_get(json_object_get(json_object_get(record, "provenance"), "trace"), "agent"), *step;
    size_t i;

    if (!trail) {
        printf("%s: no agent worked on this record\n", text_of(record, "key"));
        return;
    }
    printf("%s: %s; %zu steps by the protocol \"%s\", %" JSON_INTEGER_FORMAT " tokens, %" JSON_INTEGER_FORMAT " ms\n\n", text_of(record, "key"), text_of(trail, "outcome"),
           json_array_size(json_object_get(trail, "steps")), text_of(trail, "protocol"), json_integer_value(json_object_get(trail, "tokens")),
           json_integer_value(json_object_get(trail, "ms")));
    json_array_foreach(json_object_get(trail, "steps"), i, step) print_step(step);
    printf("\n");
    print_json("answer", json_object_get(json_object_get(json_object_get(record, "enrichment"), "custom"), "agent"));
}
