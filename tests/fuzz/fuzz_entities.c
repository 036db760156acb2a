/*
 * Entities and redaction over foreign bytes. Input, parts ended by a 0 byte: the record's time (decimal microseconds), a regular
 * expression, an array of entities as another analyzer may have told them, and a text; what has fewer parts is all text. The
 * gazetteer is learned from the text itself, and besides read from its bytes.
 */
#include <math.h>

#include "ai/builtin/entities.h"
#include "ai/builtin/train.h"
#include "ai/redact/redact.h"
#include "base/utf8.h"
#include "model/json.h"
#include "fuzz.h"

struct seen {
    struct lam_sv text;
    size_t end, count;
};

static int check_entity(void *arg, const struct lam_entity *entity, struct lam_error *err)
{
    struct seen *seen = arg;
    size_t len = strlen(entity->value);

    (void)err;
    CHECK(entity->start >= seen->end && entity->start < entity->end && entity->end <= seen->text.len);
    CHECK(len < LAM_ENTITY_VALUE);
    CHECK(lam_entity_type_known(lam_sv_of(entity->type)) || !strcmp(entity->type, "own"));
    CHECK(lam_utf8_valid(seen->text) < seen->text.len || lam_utf8_valid(lam_sv_of(entity->value)) == len);
    seen->end = entity->end;
    CHECK(++seen->count <= LAM_ENTITIES_MAX);
    return 0;
}

static struct lam_gazetteer *learn(struct lam_sv text)
{
    struct lam_builtin_doc docs[2] = {{.text = text, .label = -1}, {.text = text, .label = -1}};
    struct lam_gazetteer *gazetteer, *copy;
    struct lam_error err;
    struct lam_buf buf;

    CHECK(!lam_gazetteer_learn(docs, 2, NULL, NULL, &gazetteer, &err));
    lam_buf_init(&buf, (size_t)4 << 20);
    CHECK(!lam_gazetteer_write(gazetteer, &buf, &err) && !lam_gazetteer_read(lam_buf_sv(&buf), &copy, &err));
    CHECK(copy->count == gazetteer->count);
    lam_buf_release(&buf);
    lam_gazetteer_free(gazetteer);
    return copy;
}

static void check_entities(struct lam_sv text, const struct lam_entity_options *options, const struct lam_lexicon *lexicon)
{
    struct lam_tokens tokens;
    struct lam_buf first, second;
    struct lam_json *json = lam_json_new((size_t)1 << 20, 10);
    struct seen seen = {.text = text};
    struct lam_error err;

    lam_tokens_init(&tokens, lexicon);
    lam_buf_init(&first, (size_t)1 << 20);
    lam_buf_init(&second, (size_t)1 << 20);
    CHECK(json && !lam_tokens_read(&tokens, lam_sv("", 0), text, &err));
    CHECK(!lam_entities_each(&tokens, options, check_entity, &seen, &err));
    CHECK(!lam_entities_find(&tokens, options, &first, &err) && !lam_entities_find(&tokens, options, &second, &err));
    CHECK(lam_sv_eq(lam_buf_sv(&first), lam_buf_sv(&second)));
    CHECK(!lam_json_parse(json, lam_buf_sv(&first), &err));
    lam_buf_release(&first);
    lam_buf_release(&second);
    lam_tokens_release(&tokens);
    lam_json_free(json);
}

static void check_redaction(const struct lam_tasks *tasks, struct lam_sv text, struct lam_sv entities)
{
    static const struct lam_sv kinds[] = {LAM_SV("email"), LAM_SV("person"), LAM_SV("place"), LAM_SV("phone"), LAM_SV("url"), LAM_SV("card")};
    struct lam_redact_options options = {.tasks = tasks, .kinds = kinds, .kind_count = sizeof kinds / sizeof *kinds};
    struct lam_row row = {.rec = {.text = text, .title = text, .metadata = text}, .enr = {.entities = entities, .summary = text, .keywords = entities}}, out;
    struct lam_redactor *redactor;
    struct lam_json *json = lam_json_new((size_t)1 << 24, 300);
    struct lam_error err;

    CHECK(json && !lam_redactor_new(&options, &redactor, &err));
    for (int twice = 0; twice < 2; twice++) {
        CHECK(!lam_redact_row(redactor, &row, &out, &err));
        CHECK(lam_utf8_valid(text) < text.len || lam_utf8_valid(out.rec.text) == out.rec.text.len);
        CHECK(!out.enr.entities.len || !lam_json_parse(json, out.enr.entities, &err));
        CHECK(!out.rec.metadata.len || !lam_json_parse(json, out.rec.metadata, &err));
    }
    lam_redactor_free(redactor);
    lam_json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_sv time = fuzz_part(&data, &size), expression = fuzz_part(&data, &size), entities = fuzz_part(&data, &size);
    struct lam_sv text = lam_sv((const char *)data, size);
    struct lam_pattern pattern = {LAM_SV("own"), expression};
    struct lam_tasks tasks = {.patterns = &pattern, .pattern_count = 1, .country = LAM_SV("DE")};
    struct lam_entity_options options = {.country = tasks.country, .language = size % 3 ? LAM_LANG_EN : LAM_LANG_DE};
    struct lam_name_words words;
    struct lam_lexicon lexicon;
    struct lam_gazetteer *foreign;
    struct lam_error err;
    char digits[32] = "";

    memcpy(digits, time.ptr, time.len < 31 ? time.len : 31);
    options.now_us = strtoll(digits, NULL, 10);
    CHECK(!lam_lexicon_init(&lexicon, &err) && !lam_name_words_init(&words, &err));
    if (lam_patterns_new(&tasks, &options.patterns, &err))
        tasks.pattern_count = 0;
    options.words = &words;
    check_entities(text, &options, &lexicon);
    options.gazetteer = learn(text);
    check_entities(text, &options, &lexicon);
    lam_gazetteer_free((struct lam_gazetteer *)(uintptr_t)options.gazetteer);
    if (!lam_gazetteer_read(text, &foreign, &err)) {
        options.gazetteer = foreign;
        check_entities(text, &options, &lexicon);
        lam_gazetteer_free(foreign);
    }
    check_redaction(&tasks, text, entities);
    lam_patterns_free(options.patterns);
    lam_name_words_release(&words);
    lam_lexicon_release(&lexicon);
    return 0;
}
