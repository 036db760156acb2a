#include "detect.h"

#include <strings.h>

#define LOOK 4096
#define HTML_WITHIN 512 /* bytes in which <html or its doctype must come, behind comments and an XML declaration */

struct magic {
    uint16_t offset;
    uint8_t len;
    const char *bytes, *media_type, *what; /* what: "is …, not yet read" */
};

#define MAGIC(offset, bytes, media_type, what) {offset, sizeof bytes - 1, bytes, media_type, what}

/* Longer and rarer ones first: the first that fits is taken. */
static const struct magic magics[] = {
    MAGIC(0, "%PDF-", "application/pdf", "a PDF"),
    MAGIC(0, "\x89PNG\r\n\x1a\n", "image/png", "a PNG image"),
    MAGIC(0, "\xff\xd8\xff", "image/jpeg", "a JPEG image"),
    MAGIC(0, "GIF87a", "image/gif", "a GIF image"),
    MAGIC(0, "GIF89a", "image/gif", "a GIF image"),
    MAGIC(8, "WEBP", "image/webp", "a WebP image"),
    MAGIC(0, "II*\0", "image/tiff", "a TIFF image"),
    MAGIC(0, "MM\0*", "image/tiff", "a TIFF image"),
    MAGIC(0, "8BPS\0", "image/vnd.adobe.photoshop", "a Photoshop image"),
    MAGIC(0, "PK\x03\x04", "application/zip", "a ZIP archive or an office document"),
    MAGIC(0, "PK\x05\x06", "application/zip", "an empty ZIP archive"),
    MAGIC(0, "\x1f\x8b", "application/gzip", "gzip"),
    MAGIC(0, "\x28\xb5\x2f\xfd", "application/zstd", "zstd"),
    MAGIC(0, "BZh", "application/x-bzip2", "bzip2"),
    MAGIC(0, "\xfd" "7zXZ\0", "application/x-xz", "xz"),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", "a 7-Zip archive"),
    MAGIC(0, "Rar!\x1a\x07", "application/vnd.rar", "a RAR archive"),
    MAGIC(257, "ustar", "application/x-tar", "a tar archive"),
    MAGIC(0, "!<arch>\n", "application/x-archive", "an ar archive"),
    MAGIC(0, "\x7f" "ELF", "application/x-elf", "an ELF binary"),
    MAGIC(0, "\xca\xfe\xba\xbe", "application/java-vm", "a Java class"),
    MAGIC(0, "\0asm", "application/wasm", "WebAssembly"),
    MAGIC(0, "SQLite format 3\0", "application/vnd.sqlite3", "an SQLite database"),
    MAGIC(0, "\x89HDF\r\n\x1a\n", "application/x-hdf5", "an HDF5 file"),
    MAGIC(0, "PAR1", "application/vnd.apache.parquet", "a Parquet file"),
    MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage", "an old office document"),
    MAGIC(0, "{\\rtf", "application/rtf", "an RTF document"),
    MAGIC(0, "%!PS", "application/postscript", "PostScript"),
    MAGIC(0, "OggS", "application/ogg", "an Ogg recording"),
    MAGIC(0, "ID3", "audio/mpeg", "an MP3 recording"),
    MAGIC(0, "fLaC", "audio/flac", "a FLAC recording"),
    MAGIC(8, "WAVE", "audio/wav", "a WAV recording"),
    MAGIC(4, "ftyp", "video/mp4", "an MP4 film"),
    MAGIC(0, "wOFF", "font/woff", "a font"),
    MAGIC(0, "wOF2", "font/woff2", "a font"),
    MAGIC(0, "\0\1\0\0\0", "font/ttf", "a font"),
    MAGIC(0, "\xde\x12\x04\x95", "application/x-gettext-mo", "a compiled message catalogue"),
    MAGIC(0, "\xff\xfe\0\0", "text/plain", "text in UTF-32"),
    MAGIC(0, "\0\0\xfe\xff", "text/plain", "text in UTF-32"),
    MAGIC(0, "\xff\xfe", "text/plain", "text in UTF-16"),
    MAGIC(0, "\xfe\xff", "text/plain", "text in UTF-16"),
};

/* What a name's ending says. what is set for kinds that no parser reads and that no magic bytes tell. */
static const struct ending {
    const char *ending, *media_type, *what;
} endings[] = {
    {"txt", LAM_MEDIA_TEXT, NULL},          {"text", LAM_MEDIA_TEXT, NULL},     {"log", LAM_MEDIA_TEXT, NULL},
    {"md", LAM_MEDIA_MARKDOWN, NULL},       {"markdown", LAM_MEDIA_MARKDOWN, NULL}, {"mdown", LAM_MEDIA_MARKDOWN, NULL},
    {"mkd", LAM_MEDIA_MARKDOWN, NULL},      {"html", LAM_MEDIA_HTML, NULL},     {"htm", LAM_MEDIA_HTML, NULL},
    {"xhtml", LAM_MEDIA_HTML, NULL},        {"json", LAM_MEDIA_JSON, NULL},     {"geojson", LAM_MEDIA_JSON, NULL},
    {"ipynb", LAM_MEDIA_JSON, NULL},        {"rst", LAM_MEDIA_TEXT, NULL},      {"csv", LAM_MEDIA_TEXT, NULL},
    {"tsv", LAM_MEDIA_TEXT, NULL},          {"xml", "application/xml", "XML"},  {"svg", "image/svg+xml", "an SVG image"},
    {"eml", "message/rfc822", "mail"},      {"mbox", "application/mbox", "a mailbox"},
    {"warc", "application/warc", "a web archive"},
};

static struct lam_sv base_name(struct lam_sv name)
{
    const char *slash = name.len ? memrchr(name.ptr, '/', name.len) : NULL;

    return slash ? lam_sv(slash + 1, (size_t)(name.ptr + name.len - slash - 1)) : name;
}

static const struct ending *find_ending(struct lam_sv name)
{
    struct lam_sv base = base_name(name);
    const char *dot = base.len ? memrchr(base.ptr, '.', base.len) : NULL;
    size_t len = dot ? (size_t)(base.ptr + base.len - dot - 1) : 0;

    for (size_t i = 0; len > 0 && dot > base.ptr && i < sizeof endings / sizeof *endings; i++)
        if (strlen(endings[i].ending) == len && !strncasecmp(endings[i].ending, dot + 1, len))
            return &endings[i];
    return NULL;
}

const char *lam_media_of_name(struct lam_sv name)
{
    const struct ending *ending = find_ending(name);

    return ending ? ending->media_type : NULL;
}

static const struct magic *find_magic(struct lam_sv bytes)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *m = &magics[i];

        if (bytes.len >= (size_t)m->offset + m->len && !memcmp(bytes.ptr + m->offset, m->bytes, m->len))
            return m;
    }
    return NULL;
}

static bool has_word(struct lam_sv bytes, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= bytes.len; i++)
        if (bytes.ptr[i] == '<' && !strncasecmp(bytes.ptr + i, word, len))
            return true;
    return false;
}

/* Text that begins with markup: HTML where it says so early, else XML where it declares itself. */
static const char *look_at_text(struct lam_sv bytes)
{
    size_t i = bytes.len >= 3 && !memcmp(bytes.ptr, "\xef\xbb\xbf", 3) ? 3 : 0;
    struct lam_sv head;

    while (i < bytes.len && strchr(" \t\r\n", bytes.ptr[i]) && bytes.ptr[i])
        i++;
    head = lam_sv(bytes.ptr + i, bytes.len - i < HTML_WITHIN ? bytes.len - i : HTML_WITHIN);
    if (head.len == 0 || head.ptr[0] != '<')
        return NULL;
    if (has_word(head, "<!doctype html") || has_word(head, "<html") || has_word(head, "<head>") || has_word(head, "<body"))
        return LAM_MEDIA_HTML;
    return head.len > 5 && !memcmp(head.ptr, "<?xml", 5) ? "application/xml" : NULL;
}

/* Control characters that text has not. */
static bool is_binary(struct lam_sv bytes)
{
    size_t odd = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (c == 0)
            return true;
        odd += c < 0x20 && !strchr("\t\n\r\f\b\x1b\x0e\x0f", c); /* ESC, BS, SO, SI: terminals and nroff */
    }
    return odd > bytes.len / 10;
}

int lam_detect(struct lam_sv name, struct lam_sv bytes, const char **media_type, struct lam_error *err)
{
    struct lam_sv head = lam_sv(bytes.ptr, bytes.len < LOOK ? bytes.len : LOOK);
    const struct magic *magic = find_magic(head);
    const struct ending *ending = find_ending(name);
    const char *seen;

    if (magic) {
        *media_type = magic->media_type;
        return LAM_FAIL(err, LAM_E_INVALID, "is %s, not yet read", magic->what);
    }
    *media_type = "application/octet-stream";
    if (is_binary(head))
        return LAM_FAIL(err, LAM_E_INVALID, "is binary: it has bytes that text has not");
    if (ending) {
        *media_type = ending->media_type;
        return ending->what ? LAM_FAIL(err, LAM_E_INVALID, "is %s, not yet read", ending->what) : 0;
    }
    seen = look_at_text(head);
    *media_type = seen ? seen : LAM_MEDIA_TEXT;
    return seen && !strcmp(seen, "application/xml") ? LAM_FAIL(err, LAM_E_INVALID, "is XML, not yet read") : 0;
}
