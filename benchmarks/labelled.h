/*
 * Labelled documents for measurements: JSON lines with title, text and label, or CSV with a text and a label column; and a labels file,
 * one label a line: its name, a colon, its words. Read whole into memory; exits with a message where it cannot.
 */
#ifndef LAMINA_BENCH_LABELLED_H
#define LAMINA_BENCH_LABELLED_H

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <lamina/analyzer.h>

struct labelled {
    struct lam_sv *titles, *texts;
    int *labels; /* index, -1: another */
    size_t count, cap;
    struct lam_label *names;
    size_t label_count;
};

static inline _Noreturn void labelled_die(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", which, what);
    exit(1);
}

static inline char *labelled_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long size;

    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) || !(bytes = malloc((size_t)size + 1)) ||
        fread(bytes, 1, (size_t)size, file) != (size_t)size)
        labelled_die("cannot be read", path);
    fclose(file);
    bytes[size] = '\0';
    *len = (size_t)size;
    return bytes;
}

static inline void labelled_names(struct labelled *data, const char *path)
{
    size_t len;
    char *p = labelled_file(path, &len), *save, *line;

    for (line = strtok_r(p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':');

        if (!colon)
            labelled_die("a line without a colon", path);
        data->names = realloc(data->names, (data->label_count + 1) * sizeof *data->names);
        *colon = '\0';
        data->names[data->label_count++] = (struct lam_label){lam_sv_of(line), lam_sv_of(colon + 1)};
    }
}

static inline int labelled_index(const struct labelled *data, const char *name)
{
    for (size_t i = 0; i < data->label_count; i++)
        if (lam_sv_eq(data->names[i].name, lam_sv_of(name)))
            return (int)i;
    return -1;
}

static inline void labelled_add(struct labelled *data, const char *title, const char *text, const char *label)
{
    if (data->count == data->cap) {
        data->cap = data->cap ? 2 * data->cap : 1024;
        data->titles = realloc(data->titles, data->cap * sizeof *data->titles);
        data->texts = realloc(data->texts, data->cap * sizeof *data->texts);
        data->labels = realloc(data->labels, data->cap * sizeof *data->labels);
        if (!data->titles || !data->texts || !data->labels)
            labelled_die("no memory", "documents");
    }
    data->titles[data->count] = lam_sv_of(strdup(title));
    data->texts[data->count] = lam_sv_of(strdup(text));
    data->labels[data->count++] = labelled_index(data, label);
}

static inline void labelled_jsonl(struct labelled *data, const char *path)
{
    size_t len;
    char *p = labelled_file(path, &len), *save, *line;

    for (line = strtok_r(p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        json_t *doc = json_loads(line, 0, NULL);
        const char *title = json_string_value(json_object_get(doc, "title")), *text = json_string_value(json_object_get(doc, "text")),
                   *label = json_string_value(json_object_get(doc, "label"));

        if (doc)
            labelled_add(data, title ? title : "", text ? text : "", label ? label : "");
        json_decref(doc);
    }
    free(p);
}

/* One field at *at, unquoted in place; *last: the record ends behind it. */
static inline char *labelled_field(char **at, bool *last)
{
    char *p = *at, *out = p, *start = p;
    bool quoted = *p == '"';

    p += quoted;
    while (*p && (quoted ? !(*p == '"' && p[1] != '"') : *p != ',' && *p != '\n')) {
        p += quoted && *p == '"';
        *out++ = *p++;
    }
    p += quoted && *p == '"';
    p += *p == '\r';
    *last = *p != ',';
    *at = p + (*p != '\0');
    *out = '\0';
    return start;
}

static inline void labelled_csv(struct labelled *data, const char *path, const char *text_name, const char *label_name)
{
    size_t len;
    char *bytes = labelled_file(path, &len), *p = bytes;
    int text_at = -1, label_at = -1;

    for (bool head = true; *p; head = false) {
        const char *text = "", *label = "";
        bool last = false;

        for (int i = 0; !last; i++) {
            const char *field = labelled_field(&p, &last);

            if (head && !strcmp(field, text_name))
                text_at = i;
            if (head && !strcmp(field, label_name))
                label_at = i;
            text = i == text_at ? field : text;
            label = i == label_at ? field : label;
        }
        if (!head && *text)
            labelled_add(data, "", text, label);
    }
    free(bytes);
}

#endif
