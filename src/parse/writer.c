#include "writer.h"

#include "base/utf8.h"

#define MAX_HREF 2048  /* longer ones are data, not addresses */
#define MAX_TITLE 1024
#define MAX_LABEL 1024 /* of a heading's or link's text in the structure; the text itself has all of it */

void lam_writer_init(struct lam_writer *writer, size_t max_text, size_t max_structure)
{
    *writer = (struct lam_writer){.max_structure = max_structure};
    lam_buf_init(&writer->text, max_text);
    lam_buf_init(&writer->title, MAX_TITLE + 8);
    lam_buf_init(&writer->headings, max_text * 2 + (max_structure * 64));
    lam_buf_init(&writer->links, max_text * 2 + (max_structure * 64));
    lam_buf_init(&writer->structure, max_text * 4 + (max_structure * 128) + 64);
}

void lam_writer_release(struct lam_writer *writer)
{
    lam_buf_release(&writer->text);
    lam_buf_release(&writer->title);
    lam_buf_release(&writer->headings);
    lam_buf_release(&writer->links);
    lam_buf_release(&writer->structure);
}

void lam_writer_clear(struct lam_writer *writer)
{
    lam_buf_clear(&writer->text);
    lam_buf_clear(&writer->title);
    lam_buf_clear(&writer->headings);
    lam_buf_clear(&writer->links);
    lam_buf_clear(&writer->structure);
    writer->heading_count = writer->link_count = writer->floor = 0;
    writer->heading_level = writer->newlines = writer->title_rank = writer->rc = 0;
    writer->link_open = writer->space = false;
}

static void put(struct lam_writer *writer, const char *bytes, size_t len)
{
    if (!writer->rc)
        writer->rc = lam_buf_add(&writer->text, bytes, len, &writer->err);
}

/* Documents are UTF-8, but Gumbo makes other bytes of numbers such as &#9999999999; : they become U+FFFD. */
static void put_text(struct lam_writer *writer, struct lam_sv text)
{
    while (text.len > 0 && !writer->rc) {
        size_t good = lam_utf8_valid(text);

        put(writer, text.ptr, good);
        if (good < text.len)
            put(writer, "\xef\xbf\xbd", 3);
        good += good < text.len;
        text = lam_sv(text.ptr + good, text.len - good);
    }
}

/* Writes the newlines, or the blank, that stand before what comes. */
static void settle(struct lam_writer *writer)
{
    if (writer->text.len > 0 && writer->newlines > 0)
        put(writer, "\n\n", writer->newlines > 1 ? 2 : 1);
    else if (writer->text.len > 0 && writer->space)
        put(writer, " ", 1);
    writer->newlines = 0;
    writer->space = false;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }

void lam_writer_text(struct lam_writer *writer, struct lam_sv text)
{
    size_t i = 0;

    while (i < text.len && !writer->rc) {
        size_t begin = i;

        while (i < text.len && !is_blank(text.ptr[i]))
            i++;
        if (i > begin) {
            settle(writer);
            put_text(writer, lam_sv(text.ptr + begin, i - begin));
        }
        while (i < text.len && is_blank(text.ptr[i])) {
            writer->space = true;
            i++;
        }
    }
}

void lam_writer_pre(struct lam_writer *writer, struct lam_sv text)
{
    if (text.len == 0)
        return;
    settle(writer);
    put_text(writer, text);
}

void lam_writer_break(struct lam_writer *writer, int newlines)
{
    if (writer->newlines < newlines)
        writer->newlines = newlines;
}

bool lam_writer_heading(struct lam_writer *writer, int level)
{
    if (writer->heading_level)
        return false;
    lam_writer_break(writer, 2);
    settle(writer);
    writer->heading_level = level;
    writer->heading_at = writer->text.len;
    return true;
}

static void add_label(struct lam_writer *writer, struct lam_buf *out, struct lam_sv label)
{
    if (!writer->rc)
        writer->rc = lam_buf_add_json(out, label.len > MAX_LABEL ? lam_utf8_cut(label, MAX_LABEL) : label, &writer->err);
}

static struct lam_sv since(const struct lam_writer *writer, size_t at)
{
    return writer->text.len > at ? lam_sv(writer->text.ptr + at, writer->text.len - at) : lam_sv("", 0);
}

void lam_writer_heading_end(struct lam_writer *writer)
{
    struct lam_sv label = since(writer, writer->heading_at);
    int level = writer->heading_level;

    writer->heading_level = 0;
    lam_writer_break(writer, 2);
    if (label.len == 0 || writer->rc)
        return;
    lam_writer_title(writer, 1 + level, label);
    if (writer->heading_count >= writer->max_structure)
        return;
    writer->rc = lam_buf_addf(&writer->headings, &writer->err,
                              "%s{\"level\":%d,\"offset\":%zu,\"text\":", writer->heading_count ? "," : "", level,
                              writer->heading_at);
    add_label(writer, &writer->headings, label);
    if (!writer->rc)
        writer->rc = lam_buf_add(&writer->headings, "}", 1, &writer->err);
    writer->heading_count++;
}

bool lam_writer_link(struct lam_writer *writer)
{
    if (writer->link_open)
        return false;
    settle(writer);
    writer->link_open = true;
    writer->link_at = writer->text.len;
    return true;
}

void lam_writer_link_end(struct lam_writer *writer, struct lam_sv href)
{
    struct lam_sv label = since(writer, writer->link_at);

    writer->link_open = false;
    if (href.len == 0 || href.len > MAX_HREF || writer->link_count >= writer->max_structure || writer->rc)
        return;
    writer->rc = lam_buf_addf(&writer->links, &writer->err, "%s{\"offset\":%zu,\"text\":", writer->link_count ? "," : "", writer->link_at);
    add_label(writer, &writer->links, label);
    if (!writer->rc)
        writer->rc = lam_buf_add(&writer->links, ",\"href\":", 8, &writer->err);
    add_label(writer, &writer->links, href);
    if (!writer->rc)
        writer->rc = lam_buf_add(&writer->links, "}", 1, &writer->err);
    writer->link_count++;
    writer->floor = writer->link_at;
}

void lam_writer_title(struct lam_writer *writer, int rank, struct lam_sv title)
{
    struct lam_sv whole = lam_sv(title.ptr, lam_utf8_valid(title)), cut = lam_utf8_cut(whole, MAX_TITLE);
    bool space = false, begun = false;

    if (writer->rc || (writer->title_rank && writer->title_rank <= rank))
        return;
    for (size_t i = 0; i < cut.len && !begun; i++)
        begun = !is_blank(cut.ptr[i]);
    if (!begun)
        return;
    lam_buf_clear(&writer->title);
    writer->title_rank = rank;
    for (size_t i = 0; i < cut.len && !writer->rc; i++) {
        if (is_blank(cut.ptr[i])) {
            space = writer->title.len > 0;
            continue;
        }
        if (space)
            writer->rc = lam_buf_add(&writer->title, " ", 1, &writer->err);
        if (!writer->rc)
            writer->rc = lam_buf_add(&writer->title, cut.ptr + i, 1, &writer->err);
        space = false;
    }
}

int lam_writer_finish(struct lam_writer *writer, struct lam_error *err)
{
    struct lam_buf *text = &writer->text;

    while (text->len > writer->floor && is_blank(text->ptr[text->len - 1]))
        text->len--;
    if (!writer->rc && writer->heading_count + writer->link_count > 0)
        writer->rc = lam_buf_addf(&writer->structure, &writer->err, "{\"headings\":[%.*s],\"links\":[%.*s]}",
                                  LAM_SV_ARG(lam_buf_sv(&writer->headings)), LAM_SV_ARG(lam_buf_sv(&writer->links)));
    if (writer->rc && err)
        *err = writer->err;
    return writer->rc;
}
