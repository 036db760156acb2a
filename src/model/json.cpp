/*
 * simdjson's DOM parser behind json.h.
 *
 * The parser validates the whole document and leaves two lists, both in the order of the document: its *tape* (a word for each key,
 * scalar, opening and closing brace; two for a number) and the *structural indexes* (the byte offset of each of these, and of commas and
 * colons). A value is its index on the tape; one pass over both lists gives each its byte offset, so that the text as written can be shown.
 *
 *     bytes        {"a": [1.0, "x"]}
 *     structural   0 1 4 6 7 10 12 15 16         tape   r { "a" [ 1.0 . "x" ] } r
 *     where[]                                    offset   0  1  6  7     12 15 16
 */
#pragma GCC diagnostic ignored "-Wshadow" /* C lets a function have the name of its struct: lam_sv, lam_json_iter */

#include <cstdlib>
#include <cstring>
#include <new>
#include <simdjson.h>

extern "C" {
#include "json.h" /* and the C headers that it includes, which know nothing of C++ */
}

#define FIRST_CAPACITY 65536     /* of documents; grows by doubling */
#define KEPT_CAPACITY (1 << 21) /* more is given back with the next document */

static const uint64_t PAYLOAD = ((uint64_t)1 << 56) - 1;

struct lam_json {
    simdjson::dom::parser parser;
    size_t max_len, capacity, len;
    unsigned max_depth;
    char *bytes;      /* the document as it came, and padding */
    char *patched;    /* where the document has numbers beyond 64 bits: a copy in which every number is 0, for the parser */
    uint32_t *where;  /* for each word of the tape the offset in bytes */
    uint32_t words;   /* of the tape; 0: no document */
    bool own_numbers; /* the tape's numbers are not the document's: read them from bytes */
};

static char tag(const lam_json *json, uint32_t at) { return (char)(json->parser.doc.tape[at] >> 56); }
static uint64_t payload(const lam_json *json, uint32_t at) { return json->parser.doc.tape[at] & PAYLOAD; }
static bool is_value(const lam_json *json, uint32_t at) { return at != LAM_JSON_NONE && at < json->words; }
static bool is_container(char t) { return t == '{' || t == '['; }

/* The word behind a value and all that is in it. */
static uint32_t behind(const lam_json *json, uint32_t at)
{
    char t = tag(json, at);

    if (is_container(t))
        return (uint32_t)payload(json, at); /* simdjson's: the word behind the closing one */
    return at + (t == 'l' || t == 'u' || t == 'd' ? 2 : 1);
}

static struct lam_sv text_of(const lam_json *json, uint32_t at)
{
    const uint8_t *string = json->parser.doc.string_buf.get() + payload(json, at);
    uint32_t len;

    memcpy(&len, string, sizeof len);
    return lam_sv((const char *)string + sizeof len, len);
}

static void release(lam_json *json)
{
    free(json->bytes);
    free(json->patched);
    free(json->where);
    json->bytes = json->patched = nullptr;
    json->where = nullptr;
    json->capacity = 0;
}

/* Room for a document of len bytes. What was parsed is gone. */
static int make_room(lam_json *json, size_t len, lam_error *err)
{
    bool much = json->capacity > KEPT_CAPACITY && len <= KEPT_CAPACITY; /* of a large one before: some twenty bytes of memory a byte of text */
    size_t capacity = json->capacity && !much ? json->capacity : FIRST_CAPACITY;

    if (json->bytes && len <= json->capacity && !much)
        return 0;
    while (capacity < len)
        capacity *= 2;
    release(json);
    json->bytes = (char *)malloc(capacity + simdjson::SIMDJSON_PADDING);
    json->where = (uint32_t *)malloc((2 * capacity + 8) * sizeof *json->where);
    if (!json->bytes || !json->where || json->parser.allocate(capacity, json->max_depth + 1)) {
        release(json);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse JSON of %zu bytes", len);
    }
    json->capacity = capacity;
    return 0;
}

extern "C" struct lam_json *lam_json_new(size_t max_len, unsigned max_depth)
{
    lam_json *json = new (std::nothrow) lam_json();

    if (!json)
        return nullptr;
    json->max_len = max_len < LAM_JSON_MAX_LEN ? max_len : LAM_JSON_MAX_LEN;
    json->max_depth = max_depth;
    return json;
}

extern "C" void lam_json_free(struct lam_json *json)
{
    if (!json)
        return;
    release(json);
    delete json;
}

static bool ends_token(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':' || c == ']' || c == '}' ||
           c == '[' || c == '{' || c == '"';
}

/* The scalar that starts at offset, up to what ends it. */
static struct lam_sv token(const lam_json *json, size_t offset)
{
    size_t end = offset;

    while (end < json->len && !ends_token(json->bytes[end]))
        end++;
    return lam_sv(json->bytes + offset, end - offset);
}

/*
 * simdjson refuses integers beyond 64 bits and doubles beyond the largest, which RFC 8259 allows. So where it stumbles over a number, every
 * number that is one by the grammar is shown to it as 0, and read from the bytes later. What is wrong stays wrong.
 */
static simdjson::error_code parse_patched(lam_json *json)
{
    const simdjson::internal::dom_parser_implementation &impl = *json->parser.implementation;
    lam_number number;

    if (!json->patched && !(json->patched = (char *)malloc(json->capacity + simdjson::SIMDJSON_PADDING)))
        return simdjson::MEMALLOC;
    memcpy(json->patched, json->bytes, json->len + simdjson::SIMDJSON_PADDING);
    for (uint32_t i = 0; i < impl.n_structural_indexes; i++) {
        uint32_t offset = impl.structural_indexes[i];
        char c = json->bytes[offset];

        if (c != '-' && (c < '0' || c > '9'))
            continue;
        struct lam_sv text = token(json, offset);
        if (lam_number_parse(text, &number, nullptr))
            continue;
        memset(json->patched + offset, ' ', text.len);
        json->patched[offset] = '0';
    }
    json->own_numbers = true;
    return json->parser.parse(json->patched, json->len, false).error();
}

/* False where it is nested too deeply after all: simdjson does not count an empty container as a level. */
static bool index_words(lam_json *json)
{
    const simdjson::internal::dom_parser_implementation &impl = *json->parser.implementation;
    unsigned depth = 0;
    uint32_t words = (uint32_t)payload(json, 0), i = 0; /* the root's payload: the last word of the tape, its own closing one */

    for (uint32_t at = 1; at < words;) {
        char t = tag(json, at);

        while (json->bytes[impl.structural_indexes[i]] == ',' || json->bytes[impl.structural_indexes[i]] == ':')
            i++;
        json->where[at] = impl.structural_indexes[i++];
        if (is_container(t) && ++depth > json->max_depth)
            return false;
        depth -= t == '}' || t == ']';
        at += t == 'l' || t == 'u' || t == 'd' ? 2 : 1;
    }
    json->words = words;
    return true;
}

static int refuse(const lam_json *json, struct lam_sv text, simdjson::error_code error, lam_error *err)
{
    const char *what = "";
    size_t offset;

    if (error == simdjson::MEMALLOC || error == simdjson::CAPACITY)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse JSON of %zu bytes", text.len);
    if (error == simdjson::DEPTH_ERROR)
        return LAM_FAIL(err, LAM_E_LIMIT, "JSON is nested deeper than %u", json->max_depth);
    offset = lam_json_locate(text, json->max_depth, &what);
    if (offset > text.len)
        return LAM_FAIL(err, LAM_E_INVALID, "no JSON: %s", simdjson::error_message(error));
    return LAM_FAIL(err, LAM_E_INVALID, "no JSON at byte %zu: %s", offset, what);
}

extern "C" int lam_json_parse(struct lam_json *json, struct lam_sv text, struct lam_error *err)
{
    int rc;

    json->words = 0;
    if (text.len > json->max_len)
        return LAM_FAIL(err, LAM_E_LIMIT, "JSON of %zu bytes, the limit is %zu", text.len, json->max_len);
    if ((rc = make_room(json, text.len, err)))
        return rc;
    if (text.len)
        memcpy(json->bytes, text.ptr, text.len);
    memset(json->bytes + text.len, 0, simdjson::SIMDJSON_PADDING);
    json->len = text.len;
    json->own_numbers = false;
    try {
        simdjson::error_code error = json->parser.parse(json->bytes, text.len, false).error();

        if (error == simdjson::NUMBER_ERROR)
            error = parse_patched(json);
        if (error)
            return refuse(json, text, error, err);
    } catch (...) {
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to parse JSON of %zu bytes", text.len);
    }
    return index_words(json) ? 0 : refuse(json, text, simdjson::DEPTH_ERROR, err);
}

extern "C" enum lam_json_type lam_json_type(const struct lam_json *json, uint32_t at)
{
    if (!is_value(json, at))
        return LAM_JSON_ABSENT;
    switch (tag(json, at)) {
    case '{':
        return LAM_JSON_OBJECT;
    case '[':
        return LAM_JSON_ARRAY;
    case '"':
        return LAM_JSON_STRING;
    case 't':
    case 'f':
        return LAM_JSON_BOOL;
    case 'n':
        return LAM_JSON_NULL;
    default:
        return LAM_JSON_NUMBER;
    }
}

/* The length of a string as written, quotes included: the document is valid, so the quote that is not escaped is there. */
static size_t string_length(const char *start)
{
    const char *p = start + 1;

    while (*p != '"')
        p += *p == '\\' ? 2 : 1;
    return (size_t)(p + 1 - start);
}

extern "C" struct lam_sv lam_json_raw(const struct lam_json *json, uint32_t at)
{
    const char *start;

    if (!is_value(json, at))
        return lam_sv("", 0);
    start = json->bytes + json->where[at];
    if (is_container(tag(json, at)))
        return lam_sv(start, json->where[behind(json, at) - 1] + 1 - json->where[at]);
    if (*start == '"')
        return lam_sv(start, string_length(start));
    return token(json, json->where[at]);
}

extern "C" struct lam_sv lam_json_string(const struct lam_json *json, uint32_t at)
{
    return is_value(json, at) && tag(json, at) == '"' ? text_of(json, at) : lam_sv("", 0);
}

extern "C" bool lam_json_bool(const struct lam_json *json, uint32_t at) { return is_value(json, at) && tag(json, at) == 't'; }

extern "C" bool lam_json_number(const struct lam_json *json, uint32_t at, struct lam_number *number)
{
    if (lam_json_type(json, at) != LAM_JSON_NUMBER)
        return false;
    if (json->own_numbers)
        return lam_number_parse(lam_json_raw(json, at), number, nullptr) == 0;
    switch (tag(json, at)) {
    case 'l':
        number->kind = LAM_NUMBER_I64;
        break;
    case 'u':
        number->kind = LAM_NUMBER_U64;
        break;
    default:
        number->kind = LAM_NUMBER_DOUBLE;
    }
    memcpy(&number->u64, &json->parser.doc.tape[at + 1], sizeof number->u64);
    return true;
}

extern "C" uint32_t lam_json_field(const struct lam_json *json, uint32_t at, struct lam_sv name)
{
    struct lam_json_iter iter = lam_json_iter(json, at);

    if (!iter.object)
        return LAM_JSON_NONE;
    while (lam_json_next(&iter))
        if (lam_sv_eq(iter.name, name))
            return iter.value;
    return LAM_JSON_NONE;
}

/* A name against a pointer's token, in which ~1 is / and ~0 is ~. 1: equal; 0: not; -1: the token is malformed. */
static int same_token(struct lam_sv name, struct lam_sv word)
{
    size_t n = 0;
    bool same = true;

    for (size_t i = 0; i < word.len; i++, n++) {
        char c = word.ptr[i];

        if (c == '~') {
            if (++i >= word.len || (word.ptr[i] != '0' && word.ptr[i] != '1'))
                return -1;
            c = word.ptr[i] == '0' ? '~' : '/';
        }
        same = same && n < name.len && name.ptr[n] == c;
    }
    return same && n == name.len;
}

static uint32_t step(const lam_json *json, uint32_t at, struct lam_sv word)
{
    struct lam_json_iter iter = lam_json_iter(json, at);
    bool plain = !memchr(word.ptr, '~', word.len);
    uint64_t index = 0;

    if (iter.object) {
        while (lam_json_next(&iter))
            if (plain ? lam_sv_eq(iter.name, word) : same_token(iter.name, word) == 1)
                return iter.value;
        return LAM_JSON_NONE;
    }
    if (word.len == 0 || word.len > 9 || (word.ptr[0] == '0' && word.len > 1))
        return LAM_JSON_NONE;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return LAM_JSON_NONE;
        index = index * 10 + (uint64_t)(word.ptr[i] - '0');
    }
    while (lam_json_next(&iter))
        if (index-- == 0)
            return iter.value;
    return LAM_JSON_NONE;
}

extern "C" uint32_t lam_json_find(const struct lam_json *json, uint32_t at, struct lam_sv pointer)
{
    size_t i = 0;

    if (!is_value(json, at))
        return LAM_JSON_NONE;
    while (i < pointer.len && at != LAM_JSON_NONE) {
        const char *slash;
        size_t len;

        if (pointer.ptr[i++] != '/')
            return LAM_JSON_NONE;
        slash = i < pointer.len ? (const char *)memchr(pointer.ptr + i, '/', pointer.len - i) : nullptr;
        len = slash ? (size_t)(slash - pointer.ptr) - i : pointer.len - i;
        at = step(json, at, lam_sv(pointer.ptr + i, len));
        i += len;
    }
    return at;
}

extern "C" struct lam_json_iter lam_json_iter(const struct lam_json *json, uint32_t at)
{
    struct lam_json_iter iter = {json, 0, 0, false, {"", 0}, LAM_JSON_NONE};

    if (!is_value(json, at) || !is_container(tag(json, at)))
        return iter;
    iter.object = tag(json, at) == '{';
    iter.next = at + 1;
    iter.end = behind(json, at) - 1;
    return iter;
}

extern "C" bool lam_json_next(struct lam_json_iter *iter)
{
    if (iter->next >= iter->end)
        return false;
    if (iter->object)
        iter->name = text_of(iter->json, iter->next++);
    iter->value = iter->next;
    iter->next = behind(iter->json, iter->value);
    return true;
}
