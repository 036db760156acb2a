/*
 * What a server may send as an answer, from the HTTP body to the row: whatever it is, nothing is read out of bounds, and what passed the schema
 * fills a row with sane values. The input is the body.
 */
#include <lamina/block.h>

#include <math.h>

#include "ai/openai/answer.h"
#include "ai/openai/schema.h"
#include "fuzz.h"

#define WANTED (LAM_TASK_CLASSIFY | LAM_TASK_ENTITIES | LAM_TASK_SUMMARIZE | LAM_TASK_SENTIMENT | LAM_TASK_KEYWORDS | LAM_TASK_LANGUAGE | LAM_TASK_CUSTOM)
#define CUSTOM "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1}},\"additionalProperties\":false}"

static const struct lam_label labels[] = {{{"a", 1}, {"x", 1}}, {{"b", 1}, {"y", 1}}};
static const struct lam_tasks tasks = {.wanted = WANTED, .labels = labels, .label_count = 2, .sentences = 1, .max_keywords = 3,
                                       .custom_prompt = {"?", 1}, .custom_schema = {CUSTOM, sizeof CUSTOM - 1}};
static const char text[] = "Acme charged Bob 5 EUR in Paris.";

static struct lam_json *schema(void)
{
    static struct lam_json *made;
    struct lam_buf bytes;

    if (made)
        return made;
    lam_buf_init(&bytes, 1 << 20);
    CHECK(!lam_llm_schema_write(&tasks, WANTED, 500, &bytes, NULL) && (made = lam_json_new(1 << 20, 64)) && !lam_json_parse(made, lam_buf_sv(&bytes), NULL));
    lam_buf_release(&bytes);
    return made;
}

static void fill(const struct lam_json *answer, double certainty)
{
    struct lam_block *block = lam_block_new(2, 1 << 20);
    struct lam_row row = {.rec.text = {text, sizeof text - 1}, .enr.sentiment = NAN};
    const struct lam_enrichment *enr;

    CHECK(block && !lam_block_add_row(block, &row, NULL));
    if (!lam_llm_answer_apply(&tasks, WANTED, answer, LAM_JSON_ROOT, certainty, block, lam_block_row(block, 0), NULL)) {
        enr = &lam_block_row(block, 0)->enr;
        CHECK(enr->confidence >= 0 && enr->confidence <= 1);
        CHECK(enr->sentiment >= -1 && enr->sentiment <= 1);
        CHECK(lam_sv_eq(enr->category, LAM_SV("a")) || lam_sv_eq(enr->category, LAM_SV("b")));
        CHECK(enr->entities.len >= 2 && enr->keywords.len >= 2);
    }
    lam_block_free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_llm_reader *reader = lam_llm_reader_new(1 << 20);
    struct lam_sv body = lam_sv((const char *)data, size);
    struct lam_llm_reply reply;
    char reason[200];
    double certainty;

    CHECK(reader);
    if (!lam_llm_reader_chat(reader, body, &reply, NULL) && reply.finish == LAM_LLM_STOP) {
        certainty = lam_llm_reader_certainty(reader, &reply, "category");
        CHECK(isnan(certainty) || (certainty >= 0 && certainty <= 1));
        if (!lam_llm_reader_fit(reader, reply.content, schema(), NULL)) {
            CHECK(!lam_llm_schema_check(schema(), LAM_JSON_ROOT, lam_llm_reader_answer(reader), LAM_JSON_ROOT, false, NULL));
            certainty = lam_llm_reader_certainty(reader, &reply, "category");
            CHECK(isnan(certainty) || (certainty >= 0 && certainty <= 1));
            fill(lam_llm_reader_answer(reader), certainty);
        }
    }
    lam_llm_reader_error(reader, body, reason, sizeof reason);
    lam_llm_reader_free(reader);
    return 0;
}
