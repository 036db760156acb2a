/* Rules over several fields. They run on a whole json in which every single field is right. */
#include "shape.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(json_t *object, const char *name) { return json_string_value(json_object_get(object, name)); }

static void set_default(json_t *object, const char *name, json_t *value)
{
    if (json_object_get(object, name))
        json_decref(value);
    else
        json_object_set_new(object, name, value);
}

void lam_job_complete(json_t *whole)
{
    json_t *sources = json_object_get(whole, "sources"), *stream = json_object_get(whole, "stream"),
           *dataset = json_object_get(whole, "dataset");
    json_t *source;
    size_t i;

    json_array_foreach(sources, i, source)
        set_default(source, "name", json_sprintf("%s:%s", text_of(source, "type"), text_of(source, "path")));
    if (stream)
        set_default(stream, "name", json_sprintf("stream:%s", text_of(stream, "topic")));
    set_default(json_object_get(whole, "roles"), "speed", json_integer(stream != NULL));
    if (!strcmp(text_of(dataset, "kind"), "append") || json_array_size(sources) + (stream != NULL) < 2)
        set_default(dataset, "order_by", json_string("position"));
}

/* A source's own field, or the dataset's. */
static json_t *mapped(json_t *whole, json_t *source, const char *name)
{
    json_t *own = json_object_get(source, name);

    return own ? own : json_object_get(json_object_get(whole, "dataset"), name);
}

/* Of lines, rows and messages $path is no key. A stream has no format. With auto one cannot know. */
static bool has_records(json_t *source)
{
    const char *format = text_of(source, "format");

    return !format || !strcmp(format, "jsonl") || !strcmp(format, "csv") || !strcmp(format, "lines");
}

static bool has_fields(json_t *source)
{
    return has_records(source) && strcmp(text_of(source, "format") ? text_of(source, "format") : "", "lines");
}

static void check_mapping(struct lam_checker *checker, json_t *whole, json_t *source, const char *pointer)
{
    json_t *dataset = json_object_get(whole, "dataset");
    const char *event_time = json_string_value(mapped(whole, source, "event_time"));
    const char *order_by = text_of(dataset, "order_by");
    bool stream = !text_of(source, "type");

    if (!strcmp(text_of(dataset, "kind"), "upsert") && has_records(source) && !mapped(whole, source, "key"))
        lam_problem_add(
            checker, pointer,
            "records of an upsert dataset need a key: name its field in /dataset/key, such as \"/id\", or here");
    if (order_by && !strcmp(order_by, "event_time") && !event_time)
        lam_problem_add(checker, pointer,
                        "/dataset/order_by is event_time, and this source has none: name its field in "
                        "/dataset/event_time, or here");
    if (stream && event_time && !strcmp(event_time, "$mtime"))
        lam_problem_add(checker, pointer, "$mtime is the time of a file, and messages have none: name a field in event_time here");
    if (has_fields(source) && !mapped(whole, source, "text") && json_object_size(json_object_get(whole, "tasks")))
        lam_problem_add(checker, pointer,
                        "there is nothing to analyse: name the fields that hold the text in /dataset/text, such as "
                        "\"/body\", or here");
}

static void check_sources(struct lam_checker *checker, json_t *whole)
{
    json_t *sources = json_object_get(whole, "sources"), *stream = json_object_get(whole, "stream"), *source;
    json_t *names = json_object();
    char pointer[LAM_POINTER_MAX];
    size_t i;

    if (!json_array_size(sources) && !stream)
        lam_problem_add(checker, "", "there is nothing to read: name files in /sources, or a topic in /stream");
    json_array_foreach(sources, i, source) {
        const char *name = text_of(source, "name"), *first = text_of(names, name);

        snprintf(pointer, sizeof pointer, "/sources/%zu", i);
        check_mapping(checker, whole, source, pointer);
        if (lam_text_characters(name) > LAM_SOURCE_NAME_MAX) /* the default: its type and path */
            lam_problem_add(checker, pointer, "the path is too long to be a name; give the source a name of its own");
        if (first)
            lam_problem_add(checker, pointer, "has the same name as %s, \"%.100s\"; give one of them another", first, name);
        else
            lam_json_put(checker, names, name, json_string(pointer));
    }
    if (stream) {
        const char *first = text_of(names, text_of(stream, "name"));

        check_mapping(checker, whole, stream, "/stream");
        if (first)
            lam_problem_add(checker, "/stream/name", "is the name of %s too; give one of them another", first);
        if (!strcmp(text_of(stream, "route_default"), text_of(stream, "topic")) ||
            !strcmp(text_of(stream, "route"), text_of(stream, "topic")))
            lam_problem_add(checker, "/stream/topic",
                            "the answers would go to the topic that is read; let /stream/route and "
                            "/stream/route_default name others");
    }
    json_decref(names);
}

static void check_dataset(struct lam_checker *checker, json_t *whole)
{
    json_t *dataset = json_object_get(whole, "dataset"), *list = json_object_get(dataset, "key"), *one;
    size_t i;

    if (!text_of(dataset, "order_by"))
        lam_problem_add(checker, "/dataset",
                        "with several sources \"order_by\" must say what makes a version newer: \"position\", "
                        "\"event_time\" or a field such as \"/updated_at\"");
    json_array_foreach(list, i, one) if (!strcmp(json_string_value(one), "$path") && i + 1 < json_array_size(list) &&
                                         !json_object_get(whole, "stream"))
        lam_problem_add(checker, "/dataset/key",
                        "every file has a $path, so what comes after it is never looked at; let it be the last");
}

/* Does a store at path lie where the source's pattern looks? Both absolute and clean. */
static bool overlaps(const char *root, const char *pattern, const char *store)
{
    size_t len = strlen(root);
    const char *below, *end, *pattern_end;

    if (!strncmp(store, root, strlen(store)) && (root[strlen(store)] == '/' || root[strlen(store)] == '\0' || !strcmp(store, "/")))
        return true; /* the source is in the store */
    if (strcmp(root, "/") && (strncmp(store, root, len) || store[len] != '/'))
        return false;
    if (!pattern || strstr(pattern, "**"))
        return true;
    /* only as deep as the pattern has names: each must match, and one must be left for the files */
    for (below = store + (strcmp(root, "/") ? len + 1 : 1); *below; below = *end ? end + 1 : end) {
        char name[256], wanted[256];

        end = strchrnul(below, '/');
        pattern_end = strchr(pattern, '/');
        if (!pattern_end || pattern_end - pattern > 255 || end - below > 255)
            return false;
        snprintf(name, sizeof name, "%.*s", (int)(end - below), below);
        snprintf(wanted, sizeof wanted, "%.*s", (int)(pattern_end - pattern), pattern);
        if (fnmatch(wanted, name, 0))
            return false;
        pattern = pattern_end + 1;
    }
    return true;
}

void lam_job_check_paths(struct lam_checker *checker, const struct lam_job *job)
{
    char pointer[LAM_POINTER_MAX];

    for (size_t i = 0; i < job->source_count; i++) {
        const struct lam_job_source *source = &job->sources[i];

        snprintf(pointer, sizeof pointer, "/sources/%zu/path", i);
        if (source->root && overlaps(source->root, source->pattern, job->store.path))
            lam_problem_add(checker, pointer,
                            "the source and the store (%.100s) lie in one another, so the job would read its own "
                            "output; move the store",
                            job->store.path);
    }
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return !strcmp(host, "localhost");
}

static void check_serve(struct lam_checker *checker, json_t *whole)
{
    json_t *serve = json_object_get(whole, "serve");
    const char *listen = text_of(serve, "listen"), *colon = strrchr(listen, ':');
    bool brackets = listen[0] == '[';
    char host[300];

    snprintf(host, sizeof host, "%.*s", (int)(colon - listen) - 2 * brackets, listen + brackets);
    if (strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
        lam_problem_add(checker, "/serve/listen", "expected a port from 0 to 65535; found %.20s", colon + 1);
    if (!is_loopback(host) && !text_of(serve, "token_env"))
        lam_problem_add(checker, "/serve/listen", "%.100s can be reached from other machines, so requests must bring a token: "
                        "name the environment variable that holds it in /serve/token_env, or listen on 127.0.0.1", listen);
}

static void check_memory(struct lam_checker *checker, json_t *whole)
{
    json_t *batch = json_object_get(whole, "batch");
    json_int_t memory = json_integer_value(json_object_get(batch, "memory"));
    json_int_t split = json_integer_value(json_object_get(batch, "split"));

    for (const char *const *name = (const char *const[]){"record", "document", NULL}; *name; name++) {
        json_int_t bytes = json_integer_value(json_object_get(json_object_get(whole, "limits"), *name));
        char pointer[LAM_POINTER_MAX];

        snprintf(pointer, sizeof pointer, "/limits/%s", *name);
        if (bytes > memory / 4)
            lam_problem_add(checker, pointer,
                            "a %s of %" JSON_INTEGER_FORMAT
                            " bytes does not fit: it may take a quarter of /batch/memory, "
                            "%" JSON_INTEGER_FORMAT,
                            *name, bytes, memory / 4);
    }
    if (split > memory / 4)
        lam_problem_add(checker, "/batch/split",
                        "a split of %" JSON_INTEGER_FORMAT
                        " bytes does not fit: it may take a quarter of /batch/memory, "
                        "%" JSON_INTEGER_FORMAT,
                        split, memory / 4);
}

/* Has it no letter or digit? Bytes beyond ASCII count as letters. */
static bool is_blank(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80 || isalnum((unsigned char)*text))
            return false;
    return true;
}

static void lower(char *to, size_t cap, const char *text)
{
    size_t len = 0;

    for (; *text && len + 1 < cap; text++)
        to[len++] = (char)tolower((unsigned char)*text);
    to[len] = '\0';
}

/* Labels that nobody could tell apart, or that nothing stands for: where labelled records teach, a description may be empty. */
static void check_classify(struct lam_checker *checker, json_t *whole)
{
    json_t *tasks = json_object_get(whole, "tasks"), *classify = json_object_get(tasks, "classify"), *description;
    json_t *names = json_object();
    const char *name;

    json_object_foreach(json_object_get(classify, "labels"), name, description) {
        char below[LAM_POINTER_MAX], folded[256];
        const char *first;

        lam_pointer_join(below, "/tasks/classify/labels", name);
        lower(folded, sizeof folded, name);
        first = text_of(names, folded);
        if (first)
            lam_problem_add(checker, below, "differs from the label \"%.100s\" in case alone", first);
        else
            lam_json_put(checker, names, folded, json_string(name));
        if (is_blank(json_string_value(description)) && !text_of(classify, "label_field"))
            lam_problem_add(checker, below, "expected words that describe the label, found none; without them, name the field of labelled records in "
                            "/tasks/classify/label_field");
    }
    if (json_number_value(json_object_get(classify, "multi_label")) > 0 && json_object_get(tasks, "custom"))
        lam_problem_add(checker, "/tasks/classify/multi_label", "the labels would stand where the answer of /tasks/custom stands; ask for one of them");
    json_decref(names);
}

static void check_embed(struct lam_checker *checker, json_t *whole)
{
    json_t *embed = json_object_get(json_object_get(whole, "tasks"), "embed"), *endpoint;
    const char *analyzer = text_of(embed, "analyzer");
    bool wanted = analyzer && !strcmp(analyzer, "static");
    size_t i;

    if (wanted && !text_of(embed, "path"))
        lam_problem_add(checker, "/tasks/embed/path", "expected the file or folder of the table that the static embeddings are from, found none");
    if (!wanted && (text_of(embed, "path") || text_of(embed, "tokenizer")))
        lam_problem_add(checker, "/tasks/embed", "path and tokenizer are of a static table: set /tasks/embed/analyzer to \"static\"");
    json_array_foreach(json_object_get(json_object_get(whole, "deep"), "endpoints"), i, endpoint)
        if (wanted && text_of(endpoint, "kind") && !strcmp(text_of(endpoint, "kind"), "embeddings"))
            lam_problem_add(checker, "/tasks/embed/analyzer", "an endpoint of /deep/endpoints embeds as well; have one of them");
}

void lam_job_check_fields(struct lam_checker *checker, json_t *whole)
{
    json_t *speed = json_object_get(json_object_get(whole, "roles"), "speed");

    check_sources(checker, whole);
    check_dataset(checker, whole);
    check_serve(checker, whole);
    check_memory(checker, whole);
    check_classify(checker, whole);
    check_embed(checker, whole);
    lam_deep_check(checker, whole);
    if (json_integer_value(speed) > 0 && !json_object_get(whole, "stream"))
        lam_problem_add(checker, "/roles/speed", "there is no /stream for speed ranks to read; expected 0");
}
