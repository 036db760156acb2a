/* Addresses: mail, URL, IP, hosts, and paths of files. */
#include "entities.h"

#include <arpa/inet.h>
#include <stdio.h>

#define URL_MAX 2048
#define PATH_LEN_MAX 1024
#define LOCAL_MAX 64   /* of a mail address, by RFC 5321 */
#define DOMAIN_MAX 253

static void set(struct lam_entity *entity, const char *type, const struct lam_tokens *tokens, size_t start, size_t end)
{
    entity->type = type;
    entity->start = start;
    entity->end = end;
    memcpy(entity->value, tokens->text.ptr + start, end - start);
    entity->value[end - start] = '\0';
}

/* A domain name of two labels or more at i: its end, or 0. */
static size_t read_domain(const struct lam_tokens *tokens, size_t i)
{
    size_t start = i, end = 0, label = 0, labels = 0;
    bool alpha = false;

    for (; i - start < DOMAIN_MAX; i++) {
        char c = lam_at(tokens, i);

        if (lam_is_alnum(c) || (unsigned char)c >= 0x80) {
            alpha |= !lam_is_digit(c);
            label++;
            if (labels >= 1 && label >= 2 && alpha)
                end = i + 1;
        } else if (c == '-' && label) {
            label++;
        } else if (c == '.' && label) {
            labels++;
            label = 0;
            alpha = false;
        } else {
            break;
        }
    }
    return end;
}

static bool local_byte(char c) { return lam_is_alnum(c) || (c && strchr(".!#$%&*+/=?^_`{|}~-", c)); }

bool lam_match_email(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    size_t at = tokens->tokens[i].end, start, end;

    while (at - tokens->tokens[i].start < LOCAL_MAX && local_byte(lam_at(tokens, at)))
        at++; /* ann.lee@ from ann on */
    if (lam_at(tokens, at) != '@')
        return false;
    start = at;
    end = read_domain(tokens, at + 1);
    if (!end || (end < tokens->text.len && (unsigned char)tokens->text.ptr[end - 1] >= 0x80))
        return false;
    while (start > from && at - start < LOCAL_MAX && local_byte(tokens->text.ptr[start - 1]))
        start--;
    while (start < at && !lam_is_alnum(tokens->text.ptr[start]) && tokens->text.ptr[start] != '_')
        start++;
    if (start == at)
        return false;
    set(entity, "email", tokens, start, end);
    for (char *p = entity->value + (at - start); *p; p++) /* the domain has no case, the local part has */
        if (*p >= 'A' && *p <= 'Z')
            *p |= 0x20;
    return true;
}

static bool url_byte(char c) { return (unsigned char)c > 0x20 && c != 0x7f && !strchr("<>\"{}|\\^`", c); }

bool lam_match_url(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    static const char *const schemes[] = {"http", "https", "ftp",      "ftps",       "sftp",  "ssh",     "git",  "file",
                                          "s3",   "gs",    "ws",       "wss",        "ldap",  "ldaps",   "jdbc", "redis",
                                          "amqp", "kafka", "postgres", "postgresql", "mysql", "mongodb", "hdfs"};
    struct lam_sv word = lam_term_sv(tokens, &tokens->terms[tokens->tokens[i].term]);
    size_t start = tokens->tokens[i].start, end = tokens->tokens[i].end, brackets = 0, begin;
    bool known = false;

    if (lam_at(tokens, end) == ':') {
        if (lam_at(tokens, end + 1) != '/' || lam_at(tokens, end + 2) != '/')
            return false;
        for (size_t k = 0; k < sizeof schemes / sizeof *schemes && !known; k++)
            known = lam_sv_eq(word, lam_sv_of(schemes[k]));
        end += 3;
    } else {
        known = lam_sv_eq(word, LAM_SV("www")) && lam_starts_clean(tokens, start) && read_domain(tokens, start);
        end++;
    }
    begin = end;
    if (!known)
        return false;
    while (end < tokens->text.len && end - start < URL_MAX && url_byte(tokens->text.ptr[end])) {
        brackets += tokens->text.ptr[end] == '(';
        if (tokens->text.ptr[end] == ')' && !brackets)
            break;
        brackets -= tokens->text.ptr[end] == ')';
        end++;
    }
    while (end > begin && strchr(".,;:!?'*_)]", tokens->text.ptr[end - 1]) &&
           !(tokens->text.ptr[end - 1] == ')' && memchr(tokens->text.ptr + begin, '(', end - begin)))
        end--;
    while (end > begin && end < tokens->text.len && ((unsigned char)tokens->text.ptr[end] & 0xc0) == 0x80)
        end--; /* cut at the limit: not inside of a character */
    if (end == begin)
        return false;
    set(entity, "url", tokens, start, end);
    return true;
}

static bool match_ip4(const struct lam_tokens *tokens, size_t start, struct lam_entity *entity)
{
    size_t at = start, n;
    unsigned part, prefix;

    for (int k = 0; k < 4; k++) {
        if (k && lam_at(tokens, at++) != '.')
            return false;
        n = lam_read_digits(tokens, at, 4, &part);
        if (!n || n > 3 || part > 255 || (n > 1 && lam_at(tokens, at) == '0'))
            return false;
        at += n;
    }
    if (lam_is_alnum(lam_at(tokens, at)) || (lam_at(tokens, at) == '.' && lam_is_digit(lam_at(tokens, at + 1))))
        return false;
    if (lam_at(tokens, at) == '/' && (n = lam_read_digits(tokens, at + 1, 3, &prefix)) && n < 3 && prefix <= 32 &&
        !lam_is_alnum(lam_at(tokens, at + 1 + n)))
        at += 1 + n;
    set(entity, "ip", tokens, start, at);
    return true;
}

static bool hex_or_colon(char c) { return lam_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':'; }

static bool match_ip6(const struct lam_tokens *tokens, size_t start, size_t from, struct lam_entity *entity)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    size_t end, colons = 0;

    while (start > from && tokens->text.ptr[start - 1] == ':')
        start--; /* ::1 */
    for (end = start; end - start < sizeof text && (hex_or_colon(lam_at(tokens, end)) || (colons >= 2 && lam_at(tokens, end) == '.'));
         end++)
        colons += lam_at(tokens, end) == ':';
    while (end > start &&
           (lam_at(tokens, end - 1) == '.' || (lam_at(tokens, end - 1) == ':' && !(end - start > 1 && lam_at(tokens, end - 2) == ':'))))
        end--;
    if (colons < 2 || end - start >= sizeof text || end - start < 3 || lam_is_alnum(lam_at(tokens, end)) ||
        (start && lam_is_alnum(tokens->text.ptr[start - 1])))
        return false;
    memcpy(text, tokens->text.ptr + start, end - start);
    if (inet_pton(AF_INET6, text, &address) != 1)
        return false;
    entity->type = "ip";
    entity->start = start;
    entity->end = end;
    return inet_ntop(AF_INET6, &address, entity->value, sizeof entity->value) != NULL;
}

bool lam_match_ip(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end = tokens->tokens[i].end;

    if (tokens->tokens[i].flags & LAM_TOKEN_DIGIT && lam_at(tokens, end) == '.' && lam_starts_clean(tokens, start) &&
        match_ip4(tokens, start, entity))
        return true;
    if (lam_at(tokens, end) == ':' || (start > from && tokens->text.ptr[start - 1] == ':'))
        return hex_or_colon(lam_at(tokens, start)) && match_ip6(tokens, start, from, entity);
    return false;
}

/* Ends of host names. Two letters that are a word, or an ending of files, need three labels before they are believed. */
static const char *const domains[] = {"com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "dev", "app", "cloud", "online",
                                      "local", "lan", "internal", "corp", "home", "intranet", "localdomain", "example", "test", "invalid",
                                      "de", "uk", "fr", "nl", "ch", "eu", "us", "ca", "au", "jp", "cn", "ru", "br", "es", "pl", "se", "dk",
                                      "fi", "cz", "hu", "ro", "gr", "pt", "tr", "kr", "tw", "za", "mx", "ar", "cl", "nz", "ie", "il", "ua",
                                      "ai", "tv", "cc", "co"};
static const char *const words_too[] = {"in", "it", "is", "at", "be", "no", "so", "to", "me", "my", "us",
                                        "am", "as", "do", "go", "by", "pl", "sh", "rs", "py", "md"};
static const char *const endings[] = {"txt", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml",
                                      "toml", "ini", "cfg", "conf", "log", "html", "htm", "css", "js", "ts", "py", "c", "h", "cpp", "hpp", "cc", "rs",
                                      "go", "java", "sh", "sql", "md", "rst", "tex", "png", "jpg", "jpeg", "gif", "svg", "mp3", "mp4", "wav",
                                      "avi", "zip", "tar", "gz", "tgz", "xz", "bz2", "zst", "7z", "exe", "dll", "so", "iso", "deb", "rpm", "jar",
                                      "bak", "tmp", "h5", "parquet", "db", "sqlite", "pem", "key", "crt"};

#define IN(list, word) in_list(list, sizeof list / sizeof *list, word)

static bool in_list(const char *const *list, size_t count, struct lam_sv word)
{
    for (size_t i = 0; i < count; i++)
        if (lam_sv_eq(word, lam_sv_of(list[i])))
            return true;
    return false;
}

bool lam_match_host(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end = start, dots = 0, last = 0;
    struct lam_sv ending;
    bool upper = false;

    if (!lam_starts_clean(tokens, start) || (start && strchr("@/_\\", tokens->text.ptr[start - 1])))
        return false;
    while (end - start < DOMAIN_MAX && (lam_is_alnum(lam_at(tokens, end)) || lam_at(tokens, end) == '-' || lam_at(tokens, end) == '_' ||
                                        (lam_at(tokens, end) == '.' && lam_is_alnum(lam_at(tokens, end + 1))))) {
        if (lam_at(tokens, end) == '.') {
            dots++;
            last = end + 1;
        }
        end++;
    }
    if (!dots || end - last > 11 ||
        (end < tokens->text.len && ((unsigned char)tokens->text.ptr[end] >= 0x80 || strchr("@/\\", tokens->text.ptr[end]))))
        return false;
    set(entity, "host", tokens, start, end);
    for (char *p = entity->value; *p; p++)
        if (*p >= 'A' && *p <= 'Z') {
            upper |= (size_t)(p - entity->value) >= last - start;
            *p |= 0x20;
        }
    ending = lam_sv(entity->value + (last - start), end - last);
    if (IN(domains, ending) && !memchr(entity->value, '_', end - start) && !(upper && ending.len == 2) &&
        (dots >= 2 || !IN(words_too, ending)))
        return true;
    if (dots > 2 || upper || !IN(endings, ending) || end - last == 1)
        return false;
    set(entity, "path", tokens, start, end);
    return true;
}

static bool path_byte(char c) { return lam_is_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("/._-+~@%=#$", c)); }

static size_t path_end(const struct lam_tokens *tokens, size_t start, char separator)
{
    size_t end = start;

    while (end < tokens->text.len && end - start < PATH_LEN_MAX && (path_byte(tokens->text.ptr[end]) || tokens->text.ptr[end] == separator))
        end++;
    while (end > start && end < tokens->text.len && ((unsigned char)tokens->text.ptr[end] & 0xc0) == 0x80)
        end--;
    while (end > start && tokens->text.ptr[end - 1] && strchr(".-=#@%", tokens->text.ptr[end - 1]))
        end--;
    return end;
}

/* Does what stands before start leave room for a path to begin? */
static bool path_starts(const struct lam_tokens *tokens, size_t start, size_t from)
{
    return start == 0 || (start >= from && tokens->text.ptr[start - 1] && strchr(" \t\r\n\"'`([=:,<", tokens->text.ptr[start - 1]) != NULL);
}

/* src/main.c: parts with an extension at the end, and no dot in the first (that would be a host). */
static bool relative_path(const struct lam_tokens *tokens, size_t start, size_t end)
{
    const char *p = tokens->text.ptr, *slash = memchr(p + start, '/', end - start), *dot = memrchr(p + start, '.', end - start);
    size_t letters = 0;

    if (!slash || !dot || dot < slash || memchr(p + start, '.', (size_t)(slash - (p + start))) || memchr(dot, '/', (size_t)(p + end - dot)))
        return false;
    for (const char *c = dot + 1; c < p + end; c++, letters++)
        if (!lam_is_alnum(*c))
            return false;
    return letters >= 1 && letters <= 5 && lam_is_alpha(dot[1]);
}

bool lam_match_path(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    const char *p = tokens->text.ptr;
    size_t start = tokens->tokens[i].start, end = tokens->tokens[i].end;

    if (end - start == 1 && lam_is_alpha(p[start]) && lam_at(tokens, end) == ':' &&
        (lam_at(tokens, end + 1) == '\\' || lam_at(tokens, end + 1) == '/') && path_starts(tokens, start, from)) {
        end = path_end(tokens, end + 1, '\\');
        if (end < start + 4)
            return false;
        set(entity, "path", tokens, start, end);
        return true;
    }
    while (start > from && tokens->tokens[i].start - start < 4 && p[start - 1] && strchr("/.~_", p[start - 1]))
        start--; /* /usr, ~/x, ./x, ../x, /.config */
    if (!path_starts(tokens, start, from))
        return false;
    end = path_end(tokens, start, '/');
    if (end <= tokens->tokens[i].start || !memchr(p + start, '/', end - start))
        return false;
    if (p[start] == '/' ? p[start + 1] == '/' || (!memchr(p + start + 1, '/', end - start - 1) && end - start < 4)
                        : !(p[start] == '~' || !memcmp(p + start, "./", 2) || (end - start > 3 && !memcmp(p + start, "../", 3)) ||
                            relative_path(tokens, start, end)))
        return false;
    if (lam_is_digit(p[start]) || end - start < 3)
        return false;
    set(entity, "path", tokens, start, end);
    return true;
}
