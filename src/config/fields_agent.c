/* The fields of `deep.agent`: see fields.c. */
#include "agent.h"
#include "fields.h"

#define TOOL_PATTERN "^[A-Za-z0-9_-]{1,63}$"
#define TOOL_URL_PATTERN "^https?://[^ \"/?#@]+(/[^ \"?#]*)?$"

static const char *const methods[] = {"GET", "POST", NULL};
static const char *const protocols[] = {"tools", "choice", NULL};
static const char *const layers[] = {"both", "batch", NULL};

static const struct lam_field http_fields[] = {
    {.name = "name", .kind = LAM_KIND_STRING, REST, AT(lam_job_agent_http, name), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 63, .pattern = TOOL_PATTERN,
     .expected = "letters, digits, \"_\" and \"-\"", .doc = "The tool's name, as the model calls it."},
    {.name = "description", .kind = LAM_KIND_STRING, REST, AT(lam_job_agent_http, description), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 2000,
     .doc = "What it does, in words for the model."},
    {.name = "url", .kind = LAM_KIND_STRING, REST, AT(lam_job_agent_http, url), .flags = LAM_FIELD_REQUIRED, .min = 8, .max = 2000, .pattern = TOOL_URL_PATTERN,
     .expected = "a URL such as \"http://127.0.0.1:9000/lookup\", without a user, a query or a fragment",
     .doc = "The one URL that it may reach; redirects are not followed."},
    {.name = "method", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_agent_http, method), .def = "\"GET\"", .choices = methods,
     .doc = "GET sends the arguments as the query, POST as a JSON body."},
    {.name = "key_env", .kind = LAM_KIND_STRING, REST, AT(lam_job_agent_http, key_env), .max = 200, .pattern = ENV_PATTERN,
     .expected = "the name of an environment variable", .doc = "The environment variable that holds a bearer token. Default: none is sent."},
    {.name = "timeout", .kind = LAM_KIND_DURATION, REST, AT(lam_job_agent_http, timeout_us), .def = "10", .min = 0.1, .max = 600, .doc = "What one call may take."},
    {.name = "parameters", .kind = LAM_KIND_MAP, REST, NO_SLOT, .flags = LAM_FIELD_REQUIRED, .check = lam_custom_check, .schema = lam_custom_schema,
     .doc = "The JSON Schema of its arguments, an object."},
};
static const struct lam_shape http_shape = {http_fields, COUNT(http_fields), sizeof(struct lam_job_agent_http), NULL};

static const struct lam_field agent_fields[] = {
    {.name = "question", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job_agent, question), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 100000,
     .doc = "What the agent is to find out about a record, in your words."},
    {.name = "schema", .kind = LAM_KIND_MAP, ANALYSIS, NO_SLOT, .flags = LAM_FIELD_REQUIRED, .check = lam_custom_check, .schema = lam_custom_schema,
     .doc = "The JSON Schema of its answer, which is kept in the record's custom answer under \"agent\"."},
    {.name = "when", .kind = LAM_KIND_RULE, ANALYSIS, AT(lam_job_agent, when), .doc = "The records that it works on. Default: all."},
    {.name = "model", .kind = LAM_KIND_STRING, ANALYSIS, AT(lam_job_agent, model), .min = 1, .max = 300,
     .doc = "The model of a chat endpoint that thinks. Default: the first one that is asked."},
    {.name = "protocol", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_agent, protocol), .def = "\"tools\"", .choices = protocols,
     .doc = "tools: the chat-completions tool protocol, and choice where the server does not speak it; choice: a tool and its arguments as JSON under a schema."},
    {.name = "layers", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_agent, layers), .def = "\"both\"", .choices = layers,
     .doc = "both: events are asked about when they come, corpora when they are read; batch: events too wait for the next view."},
    {.name = "steps", .kind = LAM_KIND_INT, REST, AT(lam_job_agent, steps), .def = "8", .min = 1, .max = 1000,
     .doc = "Answers of the model for one record, the last one included."},
    {.name = "tokens", .kind = LAM_KIND_INT, REST, AT(lam_job_agent, tokens), .def = "50000", .min = 256, .max = 1e12, .doc = "Tokens for one record, over all steps."},
    {.name = "time", .kind = LAM_KIND_DURATION, REST, AT(lam_job_agent, time_us), .def = "300", .min = 0.1, .max = 86400, .doc = "Time for one record."},
    {.name = "result", .kind = LAM_KIND_SIZE, REST, AT(lam_job_agent, result), .def = "4096", .min = 64, .max = MEBI, .doc = "What one call of a tool may return; the rest is cut."},
    {.name = "answer_tokens", .kind = LAM_KIND_INT, REST, AT(lam_job_agent, answer_tokens), .def = "512", .min = 16, .max = 1000000,
     .doc = "Tokens of one answer of the model."},
    {.name = "parallel", .kind = LAM_KIND_INT, REST, AT(lam_job_agent, parallel), .def = "8", .min = 1, .max = 256, .doc = "Records that agents of one rank work on at once."},
    {.name = "http", .kind = LAM_KIND_LIST, REST, AT(lam_job_agent, http), .def = "[]", .max = LAM_JOB_AGENT_HTTP_MAX, .shape = &http_shape,
     .doc = "Tools of your own besides get_record, query, aggregate and related, which read the published view."},
};
const struct lam_shape lam_agent_shape = {agent_fields, COUNT(agent_fields), sizeof(struct lam_job_agent), NULL};
