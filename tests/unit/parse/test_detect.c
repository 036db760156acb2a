#include "parse_support.h"

static void assert_kind(const char *name, struct lam_sv bytes, const char *media_type, const char *refused)
{
    const char *found = "";
    struct lam_error err = {0};
    int rc = lam_detect(lam_sv_of(name), bytes, &found, &err);

    if (strcmp(found, media_type))
        fail_msg("%s is %s, not %s", name, found, media_type);
    assert_int_equal(rc, refused ? LAM_E_INVALID : 0);
    if (refused && !strstr(err.text, refused))
        fail_msg("%s: \"%s\" without \"%s\"", name, err.text, refused);
}

static void names_say_what_text_is(void **state)
{
    (void)state;
    assert_kind("a/b.txt", LAM_SV("x"), "text/plain", NULL);
    assert_kind("a/b.MD", LAM_SV("x"), "text/markdown", NULL);
    assert_kind("b.html", LAM_SV("x"), "text/html", NULL);
    assert_kind("b.htm", LAM_SV(""), "text/html", NULL);
    assert_kind("b.json", LAM_SV("{}"), "application/json", NULL);
    assert_kind("README", LAM_SV("x"), "text/plain", NULL);
    assert_kind("a.html/copyright", LAM_SV("x"), "text/plain", NULL);
    assert_kind("prog.c", LAM_SV("int main;"), "text/plain", NULL);
    assert_kind(".md", LAM_SV("x"), "text/plain", NULL);
    assert_kind("", LAM_SV(""), "text/plain", NULL);
    assert_kind("b.xml", LAM_SV("<a/>"), "application/xml", "is XML, not yet read");
    assert_kind("b.eml", LAM_SV("From: x"), "message/rfc822", "is mail, not yet read");
    assert_null(lam_media_of_name(LAM_SV("x.tar.what")));
    assert_string_equal(lam_media_of_name(LAM_SV("x.markdown")), "text/markdown");
}

static void magic_bytes_stand_above_names(void **state)
{
    char tar[512] = "name";

    (void)state;
    memcpy(tar + 257, "ustar", 5);
    assert_kind("a.txt", LAM_SV("%PDF-1.7\n"), "application/pdf", "is a PDF, not yet read");
    assert_kind("a.txt", LAM_SV("\x89PNG\r\n\x1a\n...."), "image/png", "a PNG image");
    assert_kind("a.html", LAM_SV("PK\x03\x04...."), "application/zip", "a ZIP archive");
    assert_kind("a.txt", LAM_SV("\x1f\x8b\x08"), "application/gzip", "gzip");
    assert_kind("a", LAM_SV("\x28\xb5\x2f\xfd"), "application/zstd", "zstd");
    assert_kind("a", LAM_SV("\x7f" "ELF\2"), "application/x-elf", "an ELF binary");
    assert_kind("a", LAM_SV("\x89HDF\r\n\x1a\n"), "application/x-hdf5", "an HDF5 file");
    assert_kind("a", lam_sv(tar, sizeof tar), "application/x-tar", "a tar archive");
    assert_kind("a.txt", LAM_SV("\xff\xfeh\0i\0"), "text/plain", "text in UTF-16, not yet read");
    assert_kind("a.txt", LAM_SV("abc\0def"), "application/octet-stream", "is binary");
    assert_kind("a.txt", LAM_SV("\1\2\3\4\5\6"), "application/octet-stream", "is binary");
}

static void text_that_begins_with_markup_is_looked_at(void **state)
{
    (void)state;
    assert_kind("index", LAM_SV("<!DOCTYPE html><p>x"), "text/html", NULL);
    assert_kind("index", LAM_SV("\n <html><p>x"), "text/html", NULL);
    assert_kind("index", LAM_SV("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- c --><html>"), "text/html", NULL);
    assert_kind("index", LAM_SV("<?xml version=\"1.0\"?><feed>"), "application/xml", "is XML");
    assert_kind("index", LAM_SV("<mail@example.org> wrote"), "text/plain", NULL);
    assert_kind("index.txt", LAM_SV("<html>"), "text/plain", NULL);
    assert_kind("a.xhtml", LAM_SV("<?xml version=\"1.0\"?><html>"), "text/html", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_what_text_is),
        cmocka_unit_test(magic_bytes_stand_above_names),
        cmocka_unit_test(text_that_begins_with_markup_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
