/* The fields of `deep` and of `tasks.custom`: see fields.c. Lists stand in no part by themselves: parts.c puts what of them is analysis there. */
#include "fields.h"

#define URL_PATTERN "^https?://[^ \"/?#@]+(/[^ \"?#]*)?$"
#define MODEL_PATTERN "^[^\001-\037\177]+$"

static const char *const analyzers[] = {"builtin", "openai", NULL};
static const char *const modes[] = {"combined", "per_task", "packed", NULL};
static const char *const kinds[] = {"chat", "embeddings", NULL};

static const struct lam_field endpoint_fields[] = {
    {.name = "url", .kind = LAM_KIND_STRING, REST, AT(lam_job_endpoint, url), .flags = LAM_FIELD_REQUIRED, .min = 8, .max = 2000, .pattern = URL_PATTERN,
     .expected = "a base URL such as \"http://127.0.0.1:8000/v1\", without a user, a query or a fragment",
     .doc = "The base of an OpenAI-compatible API; /chat/completions or /embeddings is added."},
    {.name = "model", .kind = LAM_KIND_STRING, REST, AT(lam_job_endpoint, model), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 300,
     .pattern = MODEL_PATTERN, .expected = "text without control characters", .doc = "The model to ask for. Its change is a new full view."},
    {.name = "kind", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_endpoint, kind), .def = "\"chat\"", .choices = kinds,
     .doc = "chat answers the tasks; embeddings answers the task embed, which is the built-in analyzer's where no endpoint does it."},
    {.name = "key_env", .kind = LAM_KIND_STRING, REST, AT(lam_job_endpoint, key_env), .max = 200, .pattern = ENV_PATTERN,
     .expected = "the name of an environment variable", .doc = "The environment variable that holds the key. Default: no key is sent."},
    {.name = "weight", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_endpoint, weight), .def = "1", .min = 0.001, .max = 1000,
     .doc = "Its share of the requests, against the other endpoints."},
    {.name = "concurrency", .kind = LAM_KIND_INT, REST, AT(lam_job_endpoint, concurrency), .def = "64", .min = 1, .max = 100000,
     .doc = "Requests at once at most, over all ranks; how many it is follows what the endpoint can take."},
    {.name = "start", .kind = LAM_KIND_INT, REST, AT(lam_job_endpoint, start), .def = "16", .min = 1, .max = 100000,
     .doc = "Requests at once to begin with, before anything is known of it. More spares a large server the first seconds; a small one then answers late at first."},
    {.name = "rpm", .kind = LAM_KIND_INT, REST, AT(lam_job_endpoint, rpm), .def = "0", .max = 4e9,
     .doc = "Requests a minute, over all ranks; 0: no limit."},
    {.name = "tpm", .kind = LAM_KIND_INT, REST, AT(lam_job_endpoint, tpm), .def = "0", .max = 1e15,
     .doc = "Tokens a minute, over all ranks; 0: no limit."},
    {.name = "context", .kind = LAM_KIND_INT, REST, AT(lam_job_endpoint, context), .def = "8192", .min = 256, .max = 100000000,
     .doc = "Tokens that a request and its answer may have together. Longer documents are cut."},
    {.name = "price_in", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_endpoint, price_in), .def = "0", .max = 1e6,
     .doc = "Price of a million tokens that are sent."},
    {.name = "price_out", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_endpoint, price_out), .def = "0", .max = 1e6,
     .doc = "Price of a million tokens that come back."},
    {.name = "stream", .kind = LAM_KIND_BOOL, REST, AT(lam_job_endpoint, stream), .def = "false",
     .doc = "Let chat answers come in pieces: some servers go on generating what nobody waits for any more unless they stream."},
};
static const struct lam_shape endpoint_shape = {endpoint_fields, COUNT(endpoint_fields), sizeof(struct lam_job_endpoint), NULL};

static const struct lam_field step_fields[] = {
    {.name = "model", .kind = LAM_KIND_STRING, REST, AT(lam_job_step, model), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 300,
     .doc = "\"builtin\", or the model of one or more endpoints."},
    {.name = "accept", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_step, accept), .def = "0.8", .min = 0, .max = 1,
     .doc = "From this confidence on its category stands; below it the next step is asked. The last step's always stands."},
};
static const struct lam_shape step_shape = {step_fields, COUNT(step_fields), sizeof(struct lam_job_step), "model"};

static const struct lam_field cache_fields[] = {
    {.name = "size", .kind = LAM_KIND_SIZE, REST, AT(lam_job_deep, cache.size), .def = "0", .max = 1048576 * GIBI,
     .doc = "What the cache of answers may take in the store; 0: no limit."},
    {.name = "age", .kind = LAM_KIND_DURATION, REST, AT(lam_job_deep, cache.age_us), .def = "0", .max = 100 * YEAR,
     .doc = "Answers older than this are asked for again; 0: they stay good."},
};
static const struct lam_shape cache_shape = {cache_fields, COUNT(cache_fields), 0, NULL};

static const struct lam_field replay_fields[] = {
    {.name = "path", .kind = LAM_KIND_STRING, REST, AT(lam_job_recording, path), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 4000,
     .doc = "A recording, or a folder of them, relative to the job file."},
    {.name = "speed", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_recording, speed), .def = "1", .max = 1e6,
     .doc = "2 halves the recorded latencies; 0: answers come at once."},
};
static const struct lam_shape replay_shape = {replay_fields, COUNT(replay_fields), sizeof(struct lam_job_recording), "path"};

static const struct lam_field deep_fields[] = {
    {.name = "analyzer", .kind = LAM_KIND_CHOICE, ANALYSIS, AT(lam_job_deep, analyzer), .def = "\"builtin\"", .choices = analyzers,
     .doc = "Who answers in the batch layer: builtin needs nothing; openai asks the models of the endpoints."},
    {.name = "endpoints", .kind = LAM_KIND_LIST, REST, AT(lam_job_deep, endpoints), .def = "[]", .max = LAM_JOB_ENDPOINTS_MAX, .shape = &endpoint_shape,
     .doc = "Servers of models, used together, each with its own health."},
    {.name = "request_mode", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_deep, request_mode), .def = "\"combined\"", .choices = modes,
     .doc = "combined: all tasks of a document in one request; per_task: a request for each; packed: several short documents in one request."},
    {.name = "token_budget", .kind = LAM_KIND_INT, REST, AT(lam_job_deep, token_budget), .def = "100000", .min = 256, .max = 100000000,
     .doc = "Tokens of a packed request, the answer included; the endpoint's context bounds it too."},
    {.name = "answer_tokens", .kind = LAM_KIND_INT, REST, AT(lam_job_deep, answer_tokens), .def = "1024", .min = 16, .max = 1000000,
     .doc = "Tokens that the answer for one document may have."},
    {.name = "max_cost", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_deep, max_cost), .def = "0", .max = 1e12,
     .doc = "What one run may spend, in the currency of the prices; at it no more is asked, what is left stays pending, and the run ends with 1. Each endpoint needs a price then. 0: no limit."},
    {.name = "max_tokens", .kind = LAM_KIND_INT, REST, AT(lam_job_deep, max_tokens), .def = "0", .max = 1e15,
     .doc = "Tokens that one run may use, as max_cost; 0: no limit."},
    {.name = "require", .kind = LAM_KIND_BOOL, REST, AT(lam_job_deep, require), .def = "false",
     .doc = "Publish no view while records wait for their answer."},
    {.name = "timeout", .kind = LAM_KIND_DURATION, REST, AT(lam_job_deep, timeout_us), .def = "120", .min = 0.1, .max = 86400,
     .doc = "What one request may take."},
    {.name = "patience", .kind = LAM_KIND_DURATION, REST, AT(lam_job_deep, patience_us), .def = "120", .min = 0.1, .max = 86400,
     .doc = "How long requests wait while no endpoint can be used; then their records stay pending for the next run."},
    {.name = "ca_file", .kind = LAM_KIND_STRING, REST, AT(lam_job_deep, ca_file), .min = 1, .max = 1000,
     .doc = "Certificates (PEM) to trust in place of the system's, relative to the job file: for servers with certificates of your own. Default: what CURL_CA_BUNDLE or "
            "SSL_CERT_FILE names, else the system's."},
    {.name = "cascade", .kind = LAM_KIND_LIST, REST, AT(lam_job_deep, cascade), .def = "[]", .max = LAM_JOB_CASCADE_MAX, .shape = &step_shape,
     .doc = "Who is asked first, and who where that one was not sure: \"builtin\" and models of endpoints. Default: no steps."},
    {.name = "cache", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &cache_shape,
     .doc = "The answers that were paid for, kept in the store."},
    {.name = "record", .kind = LAM_KIND_STRING, REST, AT(lam_job_deep, record), .min = 1, .max = 4000,
     .doc = "Write requests and answers into files of this folder, relative to the job file."},
    {.name = "replay", .kind = LAM_KIND_OBJECT, REST, AT(lam_job_deep, replay), .flags = LAM_FIELD_POINTER, .shape = &replay_shape,
     .doc = "Take answers from a recording, with its latencies, and ask nobody."},
    {.name = "prompts", .kind = LAM_KIND_STRING, ANALYSIS, AT(lam_job_deep, prompts), .min = 1, .max = 4000,
     .doc = "A folder with templates that stand in for the built-in ones, relative to the job file; all ranks read it. "
            "Let a new wording have a new folder: what a store compares is the name."},
    {.name = "agent", .kind = LAM_KIND_OBJECT, ANALYSIS, AT(lam_job_deep, agent), .flags = LAM_FIELD_POINTER, .shape = &lam_agent_shape,
     .doc = "A model that looks things up before it answers, for the records that a rule names."},
};
const struct lam_shape lam_deep_shape = {deep_fields, COUNT(deep_fields), sizeof(struct lam_job_deep), NULL};

static const struct lam_field custom_fields[] = {
    {.name = "prompt", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job, tasks.custom_prompt), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 100000,
     .doc = "What is asked about each record, in your words."},
    {.name = "schema", .kind = LAM_KIND_MAP, ANALYSIS, NO_SLOT, .flags = LAM_FIELD_REQUIRED, .check = lam_custom_check, .schema = lam_custom_schema,
     .doc = "The JSON Schema of the answer: type, properties, required, additionalProperties, enum, items, minimum, maximum, minLength, maxLength, minItems, "
            "maxItems and description are understood."},
};
const struct lam_shape lam_custom_shape = {custom_fields, COUNT(custom_fields), 0, NULL};
