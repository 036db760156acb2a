#include "prompt.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/hash.h"

#define MARK_TEXT 16 /* bytes of a mark's number, NUL included */
#define TEMPLATE_MAX ((size_t)1 << 20)

struct lam_llm_prompts {
    struct {
        struct lam_sv text;
        uint32_t version;
        char *owned; /* NULL: compiled in */
    } templates[LAM_PROMPT_COUNT];
};

static const char *const names[LAM_PROMPT_COUNT] = {"head",     "classify",  "sentiment", "language", "keywords", "entities",
                                                     "summarize", "custom",    "tail",      "packed",   "repair",   "part"};

static const struct {
    enum lam_task task;
    enum lam_prompt template;
} of_task[] = {{LAM_TASK_CLASSIFY, LAM_PROMPT_CLASSIFY}, {LAM_TASK_SENTIMENT, LAM_PROMPT_SENTIMENT}, {LAM_TASK_LANGUAGE, LAM_PROMPT_LANGUAGE},
               {LAM_TASK_KEYWORDS, LAM_PROMPT_KEYWORDS}, {LAM_TASK_ENTITIES, LAM_PROMPT_ENTITIES},   {LAM_TASK_SUMMARIZE, LAM_PROMPT_SUMMARIZE},
               {LAM_TASK_CUSTOM, LAM_PROMPT_CUSTOM}};
#define TASKS (sizeof of_task / sizeof *of_task)

const char *lam_llm_prompt_name(enum lam_prompt which) { return names[which]; }

struct lam_sv lam_llm_prompt_text(const struct lam_llm_prompts *prompts, enum lam_prompt which) { return prompts->templates[which].text; }

/* "version: N" and a line end, then the text. */
static int read_template(struct lam_llm_prompts *prompts, enum lam_prompt which, const char *path, struct lam_error *err)
{
    struct lam_buf bytes;
    unsigned version = 0;
    int rc, head = 0;

    lam_buf_init(&bytes, TEMPLATE_MAX);
    if ((rc = lam_fs_read_all(&lam_fs_system, path, &bytes, err)) || (rc = lam_buf_add(&bytes, "", 1, err)))
        goto cleanup;
    if (sscanf(bytes.ptr, "version: %9u%n", &version, &head) != 1 || !version || bytes.ptr[head] != '\n') {
        rc = LAM_FAIL(err, LAM_E_INVALID, "%s: the first line of a template says its version: \"version: 2\"", path);
        goto cleanup;
    }
    prompts->templates[which].text = lam_sv(bytes.ptr + head + 1, bytes.len - 2 - (size_t)head);
    prompts->templates[which].version = version;
    prompts->templates[which].owned = bytes.ptr;
    bytes.ptr = NULL;
cleanup:
    if (bytes.ptr)
        lam_buf_release(&bytes);
    return rc;
}

static int read_folder(struct lam_llm_prompts *prompts, const char *folder, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    DIR *dir = opendir(folder);
    int rc = 0;

    if (!dir)
        return LAM_FAIL(err, LAM_E_INVALID, "deep.prompts: %s: %s", folder, strerror(errno));
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        int which = -1;

        if (!dot || strcmp(dot, ".txt"))
            continue;
        for (int i = 0; i < LAM_PROMPT_COUNT; i++)
            if (strlen(names[i]) == (size_t)(dot - entry->d_name) && !strncmp(names[i], entry->d_name, strlen(names[i])))
                which = i;
        if (which < 0)
            rc = LAM_FAIL(err, LAM_E_INVALID, "deep.prompts: %s/%s is no template: they are head, classify, … (see the documentation)", folder, entry->d_name);
        else if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            rc = read_template(prompts, (enum lam_prompt)which, path, err);
    }
    closedir(dir);
    return rc;
}

int lam_llm_prompts_open(const char *folder, struct lam_llm_prompts **out, struct lam_error *err)
{
    struct lam_llm_prompts *prompts = calloc(1, sizeof *prompts);
    int rc = 0;

    *out = NULL;
    if (!prompts)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for prompts");
    for (int i = 0; i < LAM_PROMPT_COUNT; i++) {
        prompts->templates[i].text = lam_sv_of(lam_prompt_texts[i]);
        prompts->templates[i].version = LAM_PROMPT_VERSION;
    }
    if (folder && (rc = read_folder(prompts, folder, err))) {
        lam_llm_prompts_free(prompts);
        return rc;
    }
    *out = prompts;
    return 0;
}

void lam_llm_prompts_free(struct lam_llm_prompts *prompts)
{
    for (int i = 0; prompts && i < LAM_PROMPT_COUNT; i++)
        free(prompts->templates[i].owned);
    free(prompts);
}

uint32_t lam_llm_prompt_version(const struct lam_llm_prompts *prompts, uint32_t wanted)
{
    uint32_t version = prompts->templates[LAM_PROMPT_HEAD].version;

    if (prompts->templates[LAM_PROMPT_TAIL].version > version)
        version = prompts->templates[LAM_PROMPT_TAIL].version;
    for (size_t i = 0; i < TASKS; i++)
        if (wanted & of_task[i].task && prompts->templates[of_task[i].template].version > version)
            version = prompts->templates[of_task[i].template].version;
    return version;
}

int lam_llm_prompt_fill(struct lam_sv template, const char *const fills[], const struct lam_sv values[], struct lam_buf *out, struct lam_error *err)
{
    size_t from = 0;
    int rc;

    for (size_t at = 0; at < template.len; at++) {
        if (template.ptr[at] != '{')
            continue;
        for (size_t i = 0; fills[i]; i++) {
            size_t len = strlen(fills[i]);

            if (at + len + 2 > template.len || template.ptr[at + len + 1] != '}' || memcmp(template.ptr + at + 1, fills[i], len))
                continue;
            if ((rc = lam_buf_add(out, template.ptr + from, at - from, err)) || (rc = lam_buf_add_sv(out, values[i], err)))
                return rc;
            at += len + 1;
            from = at + 1;
            break;
        }
    }
    return lam_buf_add(out, template.ptr + from, template.len - from, err);
}

static int write_labels(const struct lam_tasks *tasks, struct lam_buf *out, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < tasks->label_count; i++) {
        const struct lam_label *label = &tasks->labels[i];

        rc = lam_buf_addf(out, err, "  * %.*s%s%.*s\n", LAM_SV_ARG(label->name), label->description.len ? ": " : "", LAM_SV_ARG(label->description));
    }
    return rc;
}

int lam_llm_prompt_system(const struct lam_llm_prompts *prompts, const struct lam_tasks *tasks, uint32_t wanted, bool packed, struct lam_buf *out,
                          struct lam_error *err)
{
    static const char *const fills[] = {"labels", "sentences", "keywords", "question", NULL};
    char sentences[16], keywords[16];
    struct lam_buf labels;
    struct lam_sv values[4];
    int rc;

    lam_buf_init(&labels, (size_t)64 << 20);
    rc = write_labels(tasks, &labels, err);
    snprintf(sentences, sizeof sentences, "%" PRIu32, tasks->sentences);
    snprintf(keywords, sizeof keywords, "%" PRIu32, tasks->max_keywords);
    values[0] = lam_buf_sv(&labels);
    values[1] = lam_sv_of(sentences);
    values[2] = lam_sv_of(keywords);
    values[3] = tasks->custom_prompt;
    if (!rc)
        rc = lam_buf_add_sv(out, prompts->templates[LAM_PROMPT_HEAD].text, err);
    for (size_t i = 0; !rc && i < TASKS; i++)
        if (wanted & of_task[i].task)
            rc = lam_llm_prompt_fill(prompts->templates[of_task[i].template].text, fills, values, out, err);
    if (!rc)
        rc = lam_buf_add_sv(out, prompts->templates[packed ? LAM_PROMPT_PACKED : LAM_PROMPT_TAIL].text, err);
    lam_buf_release(&labels);
    return rc;
}

static bool stands_in(struct lam_sv text, const char *name) { return text.len && memmem(text.ptr, text.len, name, strlen(name)); }

/* A number that stands neither in title nor in text, so that nothing in them can be the closing mark: the hash, or the next one that does not. */
static void mark_of(struct lam_sv title, struct lam_sv text, char name[MARK_TEXT])
{
    uint32_t number = (uint32_t)lam_hash64(text.ptr, text.len) ^ (uint32_t)lam_hash64(title.ptr, title.len);

    do
        snprintf(name, MARK_TEXT, "%010" PRIu32, number++);
    while (stands_in(title, name) || stands_in(text, name));
}

int lam_llm_prompt_document(struct lam_sv title, struct lam_sv text, const char *note, size_t id, struct lam_buf *out, struct lam_error *err)
{
    char name[MARK_TEXT];
    int rc;

    mark_of(title, text, name);
    if ((rc = lam_buf_addf(out, err, "<document %s", name)) || (id && (rc = lam_buf_addf(out, err, " id=\"d%zu\"", id))) ||
        (*note && (rc = lam_buf_addf(out, err, " note=\"%s\"", note))) || (rc = lam_buf_add(out, ">\n", 2, err)) ||
        (title.len && ((rc = lam_buf_addf(out, err, "Title: ")) || (rc = lam_buf_add_sv(out, title, err)) || (rc = lam_buf_add(out, "\n\n", 2, err)))) ||
        (rc = lam_buf_add_sv(out, text, err)))
        return rc;
    return lam_buf_addf(out, err, "\n</document %s>\n", name);
}
