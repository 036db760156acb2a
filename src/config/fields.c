/*
 * Every field of a job file, once: type, limits, default, part, meaning. What is said here is checked, filled into struct lam_job,
 * and printed as JSON Schema. Whole sentences in doc: they are the reference that users read.
 */
#include "fields.h"

#define POINTER "(/([^~/]|~[01])*)+"
#define KEY_PATTERN "^(\\$key|\\$path|" POINTER ")$"
#define TEXT_PATTERN "^" POINTER "$"
#define TIME_PATTERN "^(\\$mtime|" POINTER ")$"
#define ORDER_PATTERN "^(position|event_time|" POINTER ")$"
#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]*$"
#define TOPIC_PATTERN "^[A-Za-z0-9._-]+$"
#define ROUTE_PATTERN "^([A-Za-z0-9._-]|\\{category\\})+$"
#define BROKERS_PATTERN "^[^ ,]+(, ?[^ ,]+)*$"
#define LISTEN_PATTERN "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]+$"
#define DELIMITER_PATTERN "^(auto|[^A-Za-z0-9\"\r\n])$"
#define SOURCE_PATTERN "^[^\001-\037\177]+$"

static const char *const kinds[] = {"append", "upsert", NULL};
static const char *const lates[] = {"quarantine", "accept", NULL};
static const char *const source_types[] = {"files", NULL};
static const char *const formats[] = {"auto", "text", "markdown", "html", "json", "jsonl", "csv", "lines", NULL};
static const char *const missings[] = {"keep", "delete", NULL};
static const char *const bronzes[] = {"reference", "copy", NULL};
static const char *const headers[] = {"auto", "yes", "no", NULL};
static const char *const embedders[] = {"builtin", "static", NULL};
static const char *const fast_analyzers[] = {"builtin", "student", NULL};

static const struct lam_field store_fields[] = {
    {.name = "path", .kind = LAM_KIND_STRING, REST, AT(lam_job, store.path), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 4000,
     .doc = "The folder of the store; made when it is not there. Nodes share it."},
    {.name = "visibility", .kind = LAM_KIND_DURATION, REST, AT(lam_job, store.visibility_us), .def = "90", .max = 3600,
     .doc = "How long a commit that one was told of may stay invisible, since NFS caches folders."},
    {.name = "grace", .kind = LAM_KIND_DURATION, REST, AT(lam_job, store.grace_us), .def = "600", .max = YEAR,
     .doc = "How long removed files stay for readers that still have them open."},
};
static const struct lam_shape store_shape = {store_fields, COUNT(store_fields), 0, "path"};

static const struct lam_field roles_fields[] = {
    {.name = "serve", .kind = LAM_KIND_INT, REST, AT(lam_job, roles.serve), .def = "1", .max = 1,
     .doc = "Ranks of `run` that serve: rank 0, or none of its own."},
    {.name = "speed", .kind = LAM_KIND_INT, REST, AT(lam_job, roles.speed), .max = 100000,
     .doc = "Ranks of `run` that are the speed layer; what is left is the batch layer. Default 1, and 0 without a stream."},
};
static const struct lam_shape roles_shape = {roles_fields, COUNT(roles_fields), 0, NULL};

#define MAPPING(type)                                                                                                                  \
    {.name = "key", .kind = LAM_KIND_STRINGS, MAPPED_IDENTITY, AT(type, map.key), .max = 16, .pattern = KEY_PATTERN,                   \
     .expected = "a JSON pointer such as \"/id\", or \"$key\" or \"$path\"",                                                           \
     .doc = "Where a record's key is: JSON pointers, $key (the key of a message) or $path; the first present wins. "                   \
            "Default: the path of a file that is one document; other records of an append dataset have their position."},              \
    {.name = "event_time", .kind = LAM_KIND_VIEW, MAPPED_IDENTITY, AT(type, map.event_time), .max = 1000, .pattern = TIME_PATTERN,     \
     .expected = "a JSON pointer such as \"/created_at\", or \"$mtime\"",                                                              \
     .doc = "Where a record's time is: a JSON pointer, or $mtime of its file."},                                                       \
    {.name = "deleted", .kind = LAM_KIND_VIEW, MAPPED_IDENTITY, AT(type, map.deleted), .max = 1000, .pattern = TEXT_PATTERN,           \
     .expected = "a JSON pointer such as \"/deleted\"", .doc = "A field that is true in a record which deletes its key."},             \
    {.name = "text", .kind = LAM_KIND_STRINGS, MAPPED_ANALYSIS, AT(type, map.text), .max = 32, .pattern = TEXT_PATTERN,                \
     .expected = "a JSON pointer such as \"/body\"",                                                                                   \
     .doc = "Fields that hold a record's text, joined in this order. Default: the whole text of a file that is one document."}

static const struct lam_field dataset_fields[] = {
    {.name = "kind", .kind = LAM_KIND_CHOICE, IDENTITY, AT(lam_job_dataset, kind), .def = "\"upsert\"", .choices = kinds,
     .doc = "append: events, each one counts; upsert: documents and rows, of each key the newest version counts."},
    MAPPING(lam_job_dataset),
    {.name = "order_by", .kind = LAM_KIND_VIEW, IDENTITY, AT(lam_job_dataset, order_text), .max = 1000, .pattern = ORDER_PATTERN,
     .expected = "\"position\", \"event_time\", or a JSON pointer such as \"/updated_at\"",
     .doc = "What makes a version newer: position, event_time, or a field. Default position; with several sources it must be named."},
    {.name = "max_skew", .kind = LAM_KIND_DURATION, ANALYSIS, AT(lam_job_dataset, max_skew_us), .def = "86400", .max = 100 * YEAR,
     .doc = "Event times further in the future, seen from the arrival, are quarantined."},
    {.name = "late", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_dataset, late), .def = "\"quarantine\"", .choices = lates,
     .doc = "What becomes of a version that is older than deletes already forgotten, of a key that the view does not hold."},
    {.name = "tombstones", .kind = LAM_KIND_DURATION, REST, AT(lam_job_dataset, tombstones_us), .def = "2592000", .max = 100 * YEAR,
     .doc = "Age at which a compaction may forget a delete."},
};
static const struct lam_shape dataset_shape = {dataset_fields, COUNT(dataset_fields), 0, NULL};

static const struct lam_field csv_fields[] = {
    {.name = "delimiter", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job_csv, delimiter_text), .def = "\"auto\"",
     .pattern = DELIMITER_PATTERN, .max = 4,
     .expected = "\"auto\" or one ASCII character that is no letter, digit or quote", .doc = "What separates fields; auto finds it."},
    {.name = "header", .kind = LAM_KIND_CHOICE, ANALYSIS, AT(lam_job_csv, header), .def = "\"auto\"", .choices = headers,
     .doc = "Does the first row name the columns? Columns without a name are called by their numbers."},
};
static const struct lam_shape csv_shape = {csv_fields, COUNT(csv_fields), 0, NULL};

static const struct lam_field source_fields[] = {
    {.name = "type", .kind = LAM_KIND_CHOICE, .part = LAM_PART_NONE, NO_SLOT, .flags = LAM_FIELD_REQUIRED, .choices = source_types,
     .doc = "Where records come from."},
    {.name = "name", .kind = LAM_KIND_STRING, .part = LAM_PART_NONE, AT(lam_job_source, name), .min = 1,
     .max = LAM_SOURCE_NAME_MAX, .pattern = SOURCE_PATTERN,
     .expected = "text without control characters", .doc = "What the store knows the source by, for ever. Default: its type and path."},
    {.name = "path", .kind = LAM_KIND_STRING, REST, AT(lam_job_source, path), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 4000,
     .pattern = SOURCE_PATTERN, .expected = "a path without control characters",
     .doc = "A file, a folder or a glob (* ? [a-z], ** for any depth), relative to the job file."},
    {.name = "format", .kind = LAM_KIND_CHOICE, ANALYSIS, AT(lam_job_source, format), .def = "\"auto\"", .choices = formats,
     .doc = "What the files are; auto goes by name and first bytes. Compressed ones are opened by themselves."},
    MAPPING(lam_job_source),
    {.name = "csv", .kind = LAM_KIND_OBJECT, ANALYSIS, AT(lam_job_source, csv), .def = "{}", .shape = &csv_shape,
     .doc = "How CSV files are read."},
    {.name = "on_missing", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_source, on_missing), .def = "\"keep\"", .choices = missings,
     .doc = "What becomes of records whose file vanished, or no longer has their key."},
    {.name = "max_files", .kind = LAM_KIND_INT, REST, AT(lam_job_source, max_files), .def = "0", .max = 1e15,
     .doc = "Only the first so many files, in order of their paths; 0: all."},
    {.name = "bronze", .kind = LAM_KIND_CHOICE, REST, AT(lam_job_source, bronze), .def = "\"reference\"", .choices = bronzes,
     .doc = "reference: files stay where they are and are checked; copy: their bytes go into the store."},
};
static const struct lam_shape source_shape = {source_fields, COUNT(source_fields), sizeof(struct lam_job_source), NULL};

static const struct lam_field roll_fields[] = {
    {.name = "bytes", .kind = LAM_KIND_SIZE, REST, AT(lam_job_stream, roll.bytes), .def = "67108864", .min = 65536, .max = 64 * GIBI,
     .doc = "Size of what came in."},
    {.name = "seconds", .kind = LAM_KIND_DURATION, REST, AT(lam_job_stream, roll.period_us), .def = "30", .min = 0.05, .max = 86400,
     .doc = "Time since the last roll."},
};
static const struct lam_shape roll_shape = {roll_fields, COUNT(roll_fields), 0, NULL};

static const struct lam_field replay_fields[] = {
    {.name = "path", .kind = LAM_KIND_STRING, REST, AT(lam_job_replay, path), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 4000,
     .doc = "A file of JSON lines, relative to the job file."},
    {.name = "rate", .kind = LAM_KIND_NUMBER, REST, AT(lam_job_replay, rate), .def = "0", .max = 1e7,
     .doc = "Events a second; 0: as fast as the topic takes them."},
};
static const struct lam_shape replay_shape = {replay_fields, COUNT(replay_fields), sizeof(struct lam_job_replay), "path"};

static const struct lam_field stream_fields[] = {
    {.name = "brokers", .kind = LAM_KIND_STRING, REST, AT(lam_job_stream, brokers), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 4000,
     .pattern = BROKERS_PATTERN, .expected = "\"local\", or brokers such as \"kafka1:9092,kafka2:9092\"",
     .doc = "Kafka's brokers; local is a small broker inside the job, for trying out: it forgets all with the process."},
    {.name = "topic", .kind = LAM_KIND_STRING, REST, AT(lam_job_stream, topic), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 249,
     .pattern = TOPIC_PATTERN,
     .expected = "a topic's name: letters, digits, \".\", \"_\" and \"-\"", .doc = "The topic that is read."},
    {.name = "name", .kind = LAM_KIND_STRING, .part = LAM_PART_NONE, AT(lam_job_stream, name), .min = 1,
     .max = LAM_SOURCE_NAME_MAX, .pattern = SOURCE_PATTERN,
     .expected = "text without control characters", .doc = "What the store knows the source by, for ever. Default: stream: and the topic."},
    {.name = "partitions", .kind = LAM_KIND_INT, REST, AT(lam_job_stream, partitions), .def = "4", .min = 1, .max = 1000,
     .doc = "Partitions of the topic on the local broker; a real one has its own."},
    {.name = "route", .kind = LAM_KIND_STRING, REST, AT(lam_job_stream, route), .def = "\"processed_{category}\"", .min = 1,
     .max = 249, .pattern = ROUTE_PATTERN,
     .expected = "a topic's name, in which \"{category}\" may stand", .doc = "The topic that a record goes to when it is analysed."},
    {.name = "route_default", .kind = LAM_KIND_STRING, REST, AT(lam_job_stream, route_default), .def = "\"processed_default\"",
     .min = 1, .max = 249,
     .pattern = TOPIC_PATTERN, .expected = "a topic's name: letters, digits, \".\", \"_\" and \"-\"",
     .doc = "The topic for records without a category."},
    MAPPING(lam_job_stream),
    {.name = "kafka", .kind = LAM_KIND_MAP, REST, NO_SLOT, .check = lam_kafka_check, .schema = lam_kafka_schema,
     .doc = "Properties of librdkafka, except those that the engine depends on. Secrets as {\"env\": \"NAME\"}."},
    {.name = "roll", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &roll_shape,
     .doc = "When what came in is written to the store, whichever comes first."},
    {.name = "tail", .kind = LAM_KIND_SIZE, REST, AT(lam_job_stream, tail), .def = "268435456", .min = MEBI, .max = 1024 * GIBI,
     .doc = "Memory for what is not in the store yet; at this size it is rolled at once and consumption pauses."},
    {.name = "analyze_when", .kind = LAM_KIND_RULE, REST, AT(lam_job_stream, analyze_when),
     .doc = "Records that the deep analysis is asked for at once."},
    {.name = "replay", .kind = LAM_KIND_OBJECT, REST, AT(lam_job_stream, replay), .flags = LAM_FIELD_POINTER, .shape = &replay_shape,
     .doc = "A file that is sent to the topic while the job runs."},
};
static const struct lam_shape stream_shape = {stream_fields, COUNT(stream_fields), sizeof(struct lam_job_stream), NULL};

static const struct lam_field classify_fields[] = {
    {.name = "labels", .kind = LAM_KIND_MAP, ANALYSIS, NO_SLOT, .flags = LAM_FIELD_REQUIRED, .min = 2, .max = 5000,
     .check = lam_labels_check,
     .schema = lam_labels_schema, .doc = "Each label with words that describe it."},
    {.name = "label_field", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job, label_field), .min = 1, .max = 1000, .pattern = TEXT_PATTERN,
     .expected = "a JSON pointer such as \"/label\"",
     .doc = "Where records that somebody labelled have their label: the built-in analyzer learns from these."},
    {.name = "abstain_below", .kind = LAM_KIND_NUMBER, ANALYSIS, AT(lam_job, tasks.abstain_below), .max = 1,
     .doc = "An answer less sure than this is not given."},
    {.name = "other", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job, tasks.other), .min = 1, .max = 100, .pattern = SOURCE_PATTERN,
     .expected = "a name without control characters",
     .doc = "The category of records whose answer was not sure enough. Default: they have none."},
    {.name = "multi_label", .kind = LAM_KIND_NUMBER, ANALYSIS, AT(lam_job, tasks.multi_label), .max = 1,
     .doc = "Every label at least this sure is told, in the record's custom answer as `categories`. Default: the best one alone."},
};
static const struct lam_shape classify_shape = {classify_fields, COUNT(classify_fields), 0, NULL};

static const struct lam_shape empty_shape = {NULL, 0, 0, NULL};

static const struct lam_field entities_fields[] = {
    {.name = "patterns", .kind = LAM_KIND_MAP, ANALYSIS, NO_SLOT, .check = lam_patterns_check, .schema = lam_patterns_schema,
     .doc = "Identifiers of your own: the type of their entities, and the regular expression (RE2's syntax) that finds them."},
    {.name = "country", .kind = LAM_KIND_VIEW, ANALYSIS, AT(lam_job, tasks.country), .max = 2, .pattern = "^[A-Z][A-Z]$",
     .expected = "the two capitals of a country in ISO 3166, such as \"DE\"",
     .doc = "Where phone numbers are from that are written without a country."},
};
static const struct lam_shape entities_shape = {entities_fields, COUNT(entities_fields), 0, NULL};

static const struct lam_field redact_fields[] = {
    {.name = "kinds", .kind = LAM_KIND_STRINGS, REST, AT(lam_job, redact.kinds), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 64,
     .pattern = "^[a-z][a-z0-9_]*$", .expected = "types of entities, such as \"email\", \"phone\", \"person\", or names of /tasks/entities/patterns",
     .doc = "The types of entities that are masked, each value by a pseudonym of its own."},
    {.name = "secret_env", .kind = LAM_KIND_STRING, REST, AT(lam_job, redact.secret_env), .max = 200, .pattern = ENV_PATTERN,
     .expected = "the name of an environment variable",
     .doc = "The environment variable that holds the secret of the pseudonyms; without it the store has a salt of its own."},
};
static const struct lam_shape redact_shape = {redact_fields, COUNT(redact_fields), 0, NULL};

static const struct lam_field summarize_fields[] = {
    {.name = "sentences", .kind = LAM_KIND_INT, ANALYSIS, AT(lam_job, tasks.sentences), .def = "2", .min = 1, .max = 20,
     .doc = "Length of a summary."},
};
static const struct lam_shape summarize_shape = {summarize_fields, COUNT(summarize_fields), 0, NULL};

static const struct lam_field keywords_fields[] = {
    {.name = "max", .kind = LAM_KIND_INT, ANALYSIS, AT(lam_job, tasks.max_keywords), .def = "8", .min = 1, .max = 100,
     .doc = "So many at most."},
};
static const struct lam_shape keywords_shape = {keywords_fields, COUNT(keywords_fields), 0, NULL};

static const struct lam_field embed_fields[] = {
    {.name = "analyzer", .kind = LAM_KIND_CHOICE, ANALYSIS, AT(lam_job, embed.analyzer), .def = "\"builtin\"", .choices = embedders,
     .doc = "builtin: hashed words, which need nothing. static: a table of vectors of tokens that you installed, at path."},
    {.name = "path", .kind = LAM_KIND_STRING, ANALYSIS, AT(lam_job, embed.path), .min = 1, .max = 4000,
     .doc = "static: a safetensors file, or the folder of a package that has one, relative to the job file; all ranks read it. "
            "Let another table have another name: what a store compares is the name."},
    {.name = "tokenizer", .kind = LAM_KIND_STRING, ANALYSIS, AT(lam_job, embed.tokenizer), .min = 1, .max = 4000,
     .doc = "static: the tokenizer's JSON (BPE as of Llama 2, or WordPiece as of BERT). Default: the one beside the table."},
    {.name = "dim", .kind = LAM_KIND_INT, ANALYSIS, AT(lam_job, tasks.dim), .def = "256", .min = 8, .max = 8192,
     .doc = "Dimensions of the vector."},
};
static const struct lam_shape embed_shape = {embed_fields, COUNT(embed_fields), 0, NULL};

/* A task that is there is wanted; its presence is read by hand. */
static const struct lam_field tasks_fields[] = {
    {.name = "classify", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &classify_shape,
     .doc = "The label that fits a record best."},
    {.name = "entities", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &entities_shape,
     .doc = "People, organisations, places, dates, amounts, addresses and the like in the text."},
    {.name = "redact", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .shape = &redact_shape,
     .doc = "Entities that are masked in what is served, exported or sent to an endpoint; what is stored stays as it is."},
    {.name = "summarize", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &summarize_shape,
     .doc = "A summary of a few sentences."},
    {.name = "sentiment", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &empty_shape, .doc = "From -1 (bad) to 1 (good)."},
    {.name = "keywords", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &keywords_shape,
     .doc = "The words that tell most about a record."},
    {.name = "language", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &empty_shape, .doc = "The language of the text."},
    {.name = "embed", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &embed_shape, .doc = "A vector that stands for the text."},
    {.name = "title", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &empty_shape,
     .doc = "A short title for a record that has none."},
    {.name = "readability", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &empty_shape,
     .doc = "How hard the text is to read: Flesch's reading ease (English) or LIX, in the structure."},
    {.name = "custom", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .shape = &lam_custom_shape,
     .doc = "A question of your own, answered by a model as JSON."},
};
static const struct lam_shape tasks_shape = {tasks_fields, COUNT(tasks_fields), 0, NULL};

static const struct lam_field every_fields[] = {
    {.name = "records", .kind = LAM_KIND_INT, REST, AT(lam_job, batch.every_records), .min = 1, .max = 1e15,
     .doc = "After so many archived records."},
    {.name = "minutes", .kind = LAM_KIND_NUMBER, REST, NO_SLOT, .min = 0.001, .max = 525600, .doc = "After this time."},
    {.name = "seconds", .kind = LAM_KIND_NUMBER, REST, NO_SLOT, .min = 0.05, .max = YEAR, .doc = "After this time, added to minutes."},
};
static const struct lam_shape every_shape = {every_fields, COUNT(every_fields), 0, NULL};

static const struct lam_field batch_fields[] = {
    {.name = "split", .kind = LAM_KIND_SIZE, REST, AT(lam_job, batch.split), .def = "8388608", .min = 4096, .max = GIBI,
     .doc = "Decoded bytes that one claim covers at most."},
    {.name = "every", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{\"records\": 100000, \"minutes\": 60}", .shape = &every_shape,
     .doc = "When `run` starts the next view, whichever comes first."},
    {.name = "workers", .kind = LAM_KIND_INT, REST, AT(lam_job, batch.workers), .def = "0", .max = 1024,
     .doc = "Threads of a batch rank; 0: the cores of the node, shared out among its ranks."},
    {.name = "memory", .kind = LAM_KIND_SIZE, REST, AT(lam_job, batch.memory), .def = "536870912", .min = 64 * MEBI, .max = 4096 * GIBI,
     .doc = "What a rank may take for data."},
    {.name = "sample", .kind = LAM_KIND_SIZE, REST, AT(lam_job, batch.sample), .def = "16777216", .max = GIBI,
     .doc = "Text that the built-in analyzer learns from, of the records whose keys have the smallest hash; 0: it learns nothing."},
};
static const struct lam_shape batch_shape = {batch_fields, COUNT(batch_fields), 0, NULL};

static const struct lam_field fast_fields[] = {
    {.name = "analyzer", .kind = LAM_KIND_CHOICE, REST, AT(lam_job, fast.analyzer), .def = "\"builtin\"", .choices = fast_analyzers,
     .doc = "Who answers in the speed layer; student falls back to builtin where there is none."},
};
static const struct lam_shape fast_shape = {fast_fields, COUNT(fast_fields), 0, NULL};

static const struct lam_field serve_fields[] = {
    {.name = "listen", .kind = LAM_KIND_STRING, REST, AT(lam_job, serve.listen), .def = "\"127.0.0.1:8080\"", .max = 300,
     .pattern = LISTEN_PATTERN,
     .expected = "an address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
     .doc = "Where HTTP is answered; port 0 is any free one."},
    {.name = "token_env", .kind = LAM_KIND_STRING, REST, AT(lam_job, serve.token_env), .max = 200, .pattern = ENV_PATTERN,
     .expected = "the name of an environment variable", .doc = "The environment variable that holds the token which requests must bring."},
    {.name = "keep", .kind = LAM_KIND_BOOL, REST, AT(lam_job, serve.keep), .def = "false", .doc = "Go on serving when all input was read."},
    {.name = "hosts", .kind = LAM_KIND_STRING, REST, AT(lam_job, serve.hosts), .max = 1000,
     .doc = "More names, separated by commas, by which requests may call this server."},
    {.name = "connections", .kind = LAM_KIND_INT, REST, AT(lam_job, serve.connections), .def = "64", .min = 1, .max = 10000,
     .doc = "Connections at once."},
    {.name = "queries", .kind = LAM_KIND_INT, REST, AT(lam_job, serve.queries), .def = "4", .min = 1, .max = 256,
     .doc = "Queries at once; more wait."},
    {.name = "timeout", .kind = LAM_KIND_DURATION, REST, AT(lam_job, serve.timeout_us), .def = "10", .min = 0.01, .max = 3600,
     .doc = "Deadline of one query."},
    {.name = "body", .kind = LAM_KIND_SIZE, REST, AT(lam_job, serve.body), .def = "1048576", .min = 1024, .max = GIBI,
     .doc = "Largest body of a request."},
};
static const struct lam_shape serve_shape = {serve_fields, COUNT(serve_fields), 0, NULL};

static const struct lam_field quarantine_fields[] = {
    {.name = "max", .kind = LAM_KIND_NUMBER, REST, AT(lam_job, quarantine.max), .def = "0.01", .max = 1,
     .doc = "Share of the records read that may end in quarantine; above it the job ends with 3."},
    {.name = "records", .kind = LAM_KIND_INT, REST, AT(lam_job, quarantine.records), .def = "0", .max = 1e15,
     .doc = "So many are allowed in any case."},
};
static const struct lam_shape quarantine_shape = {quarantine_fields, COUNT(quarantine_fields), 0, NULL};

static const struct lam_field limits_fields[] = {
    {.name = "record", .kind = LAM_KIND_SIZE, ANALYSIS, AT(lam_job, limits.record), .def = "1048576", .min = 1024, .max = GIBI,
     .doc = "Largest line, row or message."},
    {.name = "document", .kind = LAM_KIND_SIZE, ANALYSIS, AT(lam_job, limits.document), .def = "67108864", .min = 1024, .max = GIBI,
     .doc = "Largest file that is one document, decoded."},
    {.name = "decoded", .kind = LAM_KIND_SIZE, ANALYSIS, AT(lam_job, limits.decoded), .def = "274877906944", .min = 1048576,
     .max = 1048576 * GIBI,
     .doc = "What one packed file may unpack to."},
    {.name = "ratio", .kind = LAM_KIND_INT, ANALYSIS, AT(lam_job, limits.ratio), .def = "250", .min = 2, .max = 100000,
     .doc = "How many times larger a packed file may get, beyond its first 64 MiB."},
    {.name = "depth", .kind = LAM_KIND_INT, ANALYSIS, AT(lam_job, limits.depth), .def = "100", .min = 1, .max = 1000,
     .doc = "Deepest nesting of JSON and HTML."},
    {.name = "raw", .kind = LAM_KIND_SIZE, REST, AT(lam_job, limits.raw), .def = "65536", .max = 16 * MEBI,
     .doc = "Bytes of a rejected record that are kept."},
};
static const struct lam_shape limits_shape = {limits_fields, COUNT(limits_fields), 0, NULL};

static const struct lam_field job_fields[] = {
    {.name = "$schema", .kind = LAM_KIND_STRING, .part = LAM_PART_NONE, NO_SLOT, .max = 4000, .doc = "For editors; not read."},
    {.name = "name", .kind = LAM_KIND_STRING, REST, AT(lam_job, name), .flags = LAM_FIELD_REQUIRED, .min = 1, .max = 64,
     .pattern = NAME_PATTERN,
     .expected = "letters, digits, \".\", \"_\" and \"-\", a letter or digit first", .doc = "The job's name, for people, logs and Kafka."},
    {.name = "store", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .flags = LAM_FIELD_REQUIRED, .shape = &store_shape,
     .doc = "Where results are kept, relative to the job file."},
    {.name = "roles", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &roles_shape,
     .doc = "How `run` shares out its ranks."},
    {.name = "dataset", .kind = LAM_KIND_OBJECT, IDENTITY, AT(lam_job, dataset), .def = "{}", .shape = &dataset_shape,
     .doc = "What a record is."},
    {.name = "sources", .kind = LAM_KIND_LIST, REST, AT(lam_job, sources), .def = "[]", .max = 1000, .shape = &source_shape,
     .doc = "Corpora, read by the batch layer."},
    {.name = "stream", .kind = LAM_KIND_OBJECT, REST, AT(lam_job, stream), .flags = LAM_FIELD_POINTER, .shape = &stream_shape,
     .doc = "The topic that the speed layer reads, and where its answers go."},
    {.name = "tasks", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .def = "{}", .shape = &tasks_shape,
     .doc = "What is asked about each text."},
    {.name = "batch", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &batch_shape, .doc = "The batch layer."},
    {.name = "deep", .kind = LAM_KIND_OBJECT, ANALYSIS, AT(lam_job, deep), .def = "{}", .shape = &lam_deep_shape, .doc = "The thorough analysis."},
    {.name = "fast", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &fast_shape, .doc = "The quick analysis."},
    {.name = "serve", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &serve_shape, .doc = "The serving layer."},
    {.name = "commit_interval", .kind = LAM_KIND_DURATION, REST, AT(lam_job, commit_interval_us), .def = "5", .min = 0.05, .max = 3600,
     .doc = "At most one commit in this time."},
    {.name = "deadline", .kind = LAM_KIND_DURATION, REST, AT(lam_job, deadline_us), .def = "60", .min = 1, .max = 86400,
     .doc = "How long ranks wait for one that is silent, before the job ends and can be resumed."},
    {.name = "quarantine", .kind = LAM_KIND_OBJECT, REST, .offset = 0, .def = "{}", .shape = &quarantine_shape,
     .doc = "How many bad records are bearable."},
    {.name = "limits", .kind = LAM_KIND_OBJECT, ANALYSIS, .offset = 0, .def = "{}", .shape = &limits_shape,
     .doc = "What a single record may take."},
};

const struct lam_shape lam_job_shape = {job_fields, COUNT(job_fields), sizeof(struct lam_job), NULL};
