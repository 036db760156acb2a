/* A field of a parsed JSON object as text, where there may be none. */
#ifndef LAMINA_CONFIG_JSON_TEXT_H
#define LAMINA_CONFIG_JSON_TEXT_H

#include <jansson.h>

/* "" where object is none or the field no string. */
static inline const char *lam_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

#endif
