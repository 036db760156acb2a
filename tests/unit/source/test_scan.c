#include "scratch.h"

#include "source/digest.h"

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void make_dir(const char *name) { assert_int_equal(mkdir(at(name), 0755), 0); }

static int fresh(void **state)
{
    return scratch_setup(state);
}

/* "state path" of each file, comma-separated, in the order in which they came. */
static void list(const char *path, const struct lam_scan_options *given, const struct lam_file_stamp *before, size_t count, char out[4096])
{
    struct lam_scan_options options = given ? *given : (struct lam_scan_options){0};
    struct lam_scan_file file;
    struct lam_scan *scan;
    struct lam_error err = {0};
    char last[4096] = "";
    int rc;

    options.path = path;
    if (!options.began_ns)
        options.began_ns = now_ns();
    out[0] = '\0';
    assert_ok(lam_scan_open(&scan, &options, before, count, &err));
    while ((rc = lam_scan_next(scan, &file, &err)) == 0) {
        sprintf(out + strlen(out), "%s%s %.*s", *out ? "," : "", lam_file_state_name(file.state), LAM_SV_ARG(file.path));
        assert_true(lam_sv_cmp(lam_sv_of(last), file.path) < 0 || !*last);
        snprintf(last, sizeof last, "%.*s", LAM_SV_ARG(file.path));
        assert_true(lam_digest_eq(file.partition, lam_hash128(file.path.ptr, file.path.len)));
        if (file.state == LAM_FILE_UNREADABLE)
            assert_true(file.error.code && file.error.text[0]);
    }
    if (rc != LAM_END)
        fail_msg("%s", err.text);
    lam_scan_close(scan);
}

#define assert_list(path, options, before, count, expected) \
    do { \
        char out_[4096]; \
        list((path), (options), (before), (count), out_); \
        assert_string_equal(out_, (expected)); \
    } while (0)

static void make_tree(void)
{
    make_dir("t");
    make_dir("t/a");
    make_dir("t/a/deep");
    make_dir("t/.hidden");
    put_text("t/a.txt", "1");
    put_text("t/a-b.md", "1");
    put_text("t/a/x.txt", "1");
    put_text("t/a/deep/y.md", "1");
    put_text("t/z.txt", "1");
    put_text("t/.dot.txt", "1");
    put_text("t/.hidden/h.txt", "1");
    assert_int_equal(mkfifo(at("t/fifo.txt"), 0600), 0);
}

static void files_come_in_the_order_of_their_paths_bytes(void **state)
{
    (void)state;
    make_tree();
    assert_list(at("t"), NULL, NULL, 0, "new a-b.md,new a.txt,new a/deep/y.md,new a/x.txt,new z.txt");
    assert_list(at("t/"), NULL, NULL, 0, "new a-b.md,new a.txt,new a/deep/y.md,new a/x.txt,new z.txt");
    assert_list(at("t/z.txt"), NULL, NULL, 0, "new z.txt");
}

static void a_glob_finds_what_it_says(void **state)
{
    (void)state;
    make_tree();
    assert_list(at("t/*.txt"), NULL, NULL, 0, "new a.txt,new z.txt");
    assert_list(at("t/**"), NULL, NULL, 0, "new a-b.md,new a.txt,new a/deep/y.md,new a/x.txt,new z.txt");
    assert_list(at("t/**/*.md"), NULL, NULL, 0, "new a-b.md,new a/deep/y.md");
    assert_list(at("t/*/x.txt"), NULL, NULL, 0, "new a/x.txt");
    assert_list(at("t/[a-c]*/**/*.md"), NULL, NULL, 0, "new a/deep/y.md");
    assert_list(at("t/.*.txt"), NULL, NULL, 0, "new .dot.txt");
    assert_list(at("t/?.txt"), NULL, NULL, 0, "new a.txt,new z.txt");
    assert_list(at("t/nothing*"), NULL, NULL, 0, "");
}

static void globs_match_names_and_never_a_leading_dot(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match, below;
    } cases[] = {
        {"**", "a", true, true},          {"**", "a/b/c", true, true},      {"**", ".a", false, false},     {"**", "a/.b/c", false, false},
        {"**/x", "x", true, true},        {"**/x", "a/b/x", true, true},    {"**/x", "a/b/y", false, true}, {"a/**", "a/b", true, true},
        {"a/**", "b/a", false, false},    {"*/b", "a/b", true, false},      {"*/b", "a/c/b", false, false}, {"*", "a", true, false},
        {"a/*/c/**/d", "a/b/c/d", true, true}, {"a/*/c/**/d", "a/b", false, true}, {"**/**/b", "b", true, true}, {"x", "x", true, false},
        {"", "a/b", true, true},          {"a**b", "axxb", true, false},    {"**/.x", "a/.x", true, false}, {"a/b", "a", false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (lam_glob_match(lam_sv_of(cases[i].pattern), lam_sv_of(cases[i].path)) != cases[i].match)
            fail_msg("%s and %s", cases[i].pattern, cases[i].path);
        if (lam_glob_match_below(lam_sv_of(cases[i].pattern), lam_sv_of(cases[i].path)) != cases[i].below)
            fail_msg("%s below %s", cases[i].pattern, cases[i].path);
    }
}

static void links_never_lead_out_of_the_root(void **state)
{
    struct lam_scan_options options = {.began_ns = 1};
    struct lam_error err = {0};
    struct lam_scan *scan;
    struct lam_scan_file file;
    int fd;

    (void)state;
    make_tree();
    put_text("secret.txt", "s");
    assert_int_equal(symlink("../secret.txt", at("t/out.txt")), 0);
    assert_int_equal(symlink("a/x.txt", at("t/in.txt")), 0);
    assert_int_equal(symlink("a", at("t/folder")), 0);
    assert_int_equal(symlink("..", at("t/a/up")), 0);
    assert_int_equal(symlink("nowhere", at("t/broken.txt")), 0);
    assert_list(at("t"), NULL, NULL, 0, "new a-b.md,new a.txt,new a/deep/y.md,new a/x.txt,new in.txt,new z.txt");
    options.path = at("t");
    assert_ok(lam_scan_open(&scan, &options, NULL, 0, &err));
    while (lam_scan_next(scan, &file, &err) == 0)
        ;
    assert_int_equal(lam_scan_links(scan), 4);
    assert_int_equal(lam_source_open(lam_scan_root(scan), LAM_SV("out.txt"), &fd, &err), LAM_E_INVALID);
    assert_int_equal(lam_source_open(lam_scan_root(scan), LAM_SV("a/up/../secret.txt"), &fd, &err), LAM_E_INVALID);
    assert_int_equal(lam_source_open(lam_scan_root(scan), LAM_SV("fifo.txt"), &fd, &err), LAM_E_INVALID);
    assert_int_equal(lam_source_open(lam_scan_root(scan), LAM_SV("a"), &fd, &err), LAM_E_INVALID);
    assert_int_equal(lam_source_open(lam_scan_root(scan), LAM_SV("no"), &fd, &err), LAM_E_NOT_FOUND);
    assert_ok(lam_source_open(lam_scan_root(scan), LAM_SV("in.txt"), &fd, &err));
    close(fd);
    lam_scan_close(scan);
}

static void every_rank_finds_the_root_for_itself(void **state)
{
    char root[LAM_PATH_MAX], folder[LAM_PATH_MAX];
    struct lam_error err = {0};

    (void)state;
    make_tree();
    assert_non_null(realpath(at("t"), folder));
    assert_ok(lam_source_root(at("t/**/*.md"), root, &err));
    assert_string_equal(root, folder);
    assert_ok(lam_source_root(at("t/a.txt"), root, &err));
    assert_string_equal(root, folder);
    assert_ok(lam_source_root(at("t/"), root, &err));
    assert_string_equal(root, folder);
    assert_int_equal(lam_source_root("/nowhere/at/all", root, &err), LAM_E_NOT_FOUND);
}

static void a_root_that_is_not_there_is_an_error(void **state)
{
    struct lam_scan_options options = {.path = "/nowhere/at/all"};
    struct lam_scan *scan;
    struct lam_error err;

    (void)state;
    assert_int_equal(lam_scan_open(&scan, &options, NULL, 0, &err), LAM_E_NOT_FOUND);
    options.path = "/nowhere/*.txt";
    assert_int_equal(lam_scan_open(&scan, &options, NULL, 0, &err), LAM_E_NOT_FOUND);
    options.path = "";
    assert_int_equal(lam_scan_open(&scan, &options, NULL, 0, &err), LAM_E_INVALID);
    options.path = "/tmp/*/../x";
    assert_int_equal(lam_scan_open(&scan, &options, NULL, 0, &err), LAM_E_INVALID);
}

/* What a finished scan would remember of a file as it is now. */
static struct lam_file_stamp stamp(const char *name, const char *path, bool ended)
{
    struct lam_file_stamp made = {.path = lam_sv_of(path), .ended = ended};
    struct lam_digester digester;
    struct lam_error err = {0};
    struct stat st;
    int fd = open(at(name), O_RDONLY);

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    made.size = (uint64_t)st.st_size;
    made.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    assert_ok(lam_digester_init(&digester, &err));
    assert_ok(lam_digest_prefix(fd, name, made.size, &digester, &err));
    assert_ok(lam_digester_end(&digester, &err));
    made.digest = lam_digest_of_blocks(digester.blocks, digester.count);
    lam_digester_release(&digester);
    close(fd);
    return made;
}

static void the_state_of_a_file_follows_the_scan_before(void **state)
{
    struct lam_file_stamp before[8];
    size_t n = 0;

    (void)state;
    make_dir("s");
    put_text("s/changed.txt", "one");
    put_text("s/cut.jsonl", "1\n2\n");
    put_text("s/edited.jsonl", "1\n2\n");
    put_text("s/grown.jsonl", "1\n2\n");
    put_text("s/open.jsonl", "1\n2");
    put_text("s/same.txt", "same");
    put_text("s/touched.txt", "touched");
    put_text("s/vanished.txt", "v");
    before[n++] = stamp("s/changed.txt", "changed.txt", false);
    before[n++] = stamp("s/cut.jsonl", "cut.jsonl", true);
    before[n++] = stamp("s/edited.jsonl", "edited.jsonl", true);
    before[n++] = stamp("s/grown.jsonl", "grown.jsonl", true);
    before[n++] = stamp("s/open.jsonl", "open.jsonl", false);
    put_age("s/same.txt", 60);
    before[n++] = stamp("s/same.txt", "same.txt", false);
    before[n++] = stamp("s/touched.txt", "touched.txt", false);
    before[n++] = stamp("s/vanished.txt", "vanished.txt", false);
    put_text("s/changed.txt", "two");
    put_text("s/cut.jsonl", "1\n");
    put_text("s/edited.jsonl", "1\n3\n4\n");
    put_text("s/grown.jsonl", "1\n2\n3\n");
    put_text("s/open.jsonl", "1\n2\n3\n");
    put_age("s/touched.txt", 30);
    put_age("s/changed.txt", 30);
    put_text("s/new.txt", "n");
    unlink(at("s/vanished.txt"));
    assert_list(at("s"), NULL, before, n,
                "changed changed.txt,changed cut.jsonl,changed edited.jsonl,grown grown.jsonl,new new.txt,changed "
                "open.jsonl,unchanged same.txt,"
                "unchanged touched.txt,vanished vanished.txt");
}

/* Size and mtime alone are trusted only when the file had rested; a file written twice within one tick is found by its digest. */
static void a_file_touched_just_before_the_scan_is_looked_at_by_digest(void **state)
{
    struct lam_scan_options options = {0};
    struct lam_file_stamp before;
    struct timespec times[2];

    (void)state;
    make_dir("r");
    put_text("r/f.txt", "one");
    before = stamp("r/f.txt", "f.txt", false);
    put_text("r/f.txt", "two");
    times[0] = times[1] = (struct timespec){before.mtime_ns / 1000000000, before.mtime_ns % 1000000000};
    assert_int_equal(utimensat(AT_FDCWD, at("r/f.txt"), times, 0), 0);
    options.began_ns = before.mtime_ns + 1000000;
    assert_list(at("r"), &options, &before, 1, "changed f.txt");
    options.began_ns = before.mtime_ns + 3600000000000;
    options.before_began_ns = before.mtime_ns + 1000000;
    assert_list(at("r"), &options, &before, 1, "changed f.txt");
    options.before_began_ns = 0; /* not known: an hour later size and mtime decide */
    assert_list(at("r"), &options, &before, 1, "unchanged f.txt");
}

static void packed_files_and_documents_do_not_grow(void **state)
{
    struct lam_file_stamp before[2];

    (void)state;
    make_dir("p");
    put_text("p/a.jsonl.gz", "1\n");
    put_text("p/b.md", "1\n");
    before[0] = stamp("p/a.jsonl.gz", "a.jsonl.gz", true);
    before[1] = stamp("p/b.md", "b.md", true);
    put_text("p/a.jsonl.gz", "1\n2\n");
    put_text("p/b.md", "1\n2\n");
    assert_list(at("p"), NULL, before, 2, "changed a.jsonl.gz,changed b.md");
}

static void what_lies_beyond_max_files_is_kept(void **state)
{
    struct lam_scan_options options = {.max_files = 2};
    struct lam_file_stamp before = {.path = LAM_SV("d")};

    (void)state;
    make_dir("m");
    put_text("m/a", "1");
    put_text("m/b", "1");
    put_text("m/c", "1");
    put_text("m/d", "1");
    assert_list(at("m"), &options, &before, 1, "new a,new b,kept d");
    options.max_files = 4;
    assert_list(at("m"), &options, NULL, 0, "new a,new b,new c,new d");
}

static void an_unreadable_folder_is_reported_and_what_was_below_it_kept(void **state)
{
    struct lam_file_stamp before[] = {{.path = LAM_SV("a")}, {.path = LAM_SV("d/x")}, {.path = LAM_SV("d/y")}, {.path = LAM_SV("e")}};
    bool root = geteuid() == 0;
    char out[4096];

    (void)state;
    make_dir("u");
    make_dir("u/d");
    put_text("u/d/x", "1");
    put_text("u/f", "1");
    put_text("u/g", "1");
    assert_int_equal(chmod(at("u/d"), 0), 0);
    if (root) { /* who reads everything: so somebody else looks */
        assert_int_equal(chmod(scratch, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    list(at("u"), NULL, before, 4, out);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_string_equal(out, "vanished a,unreadable d/,kept d/x,kept d/y,vanished e,new f,new g");
}

static void folders_too_deep_are_reported_and_a_name_must_be_text(void **state)
{
    char path[2048] = "n", expected[4096] = "";
    struct lam_file_stamp before = {.path = LAM_SV("zz")};

    (void)state;
    make_dir("n");
    put_text("n/bad\xff.txt", "1");
    for (int i = 0; i < 256; i++) {
        strcat(path, "/d");
        make_dir(path);
    }
    strcat(expected, "unreadable bad\xff.txt,unreadable ");
    for (int i = 0; i < 256; i++)
        strcat(expected, "d/");
    strcat(expected, ",vanished zz");
    assert_list(at("n"), NULL, &before, 1, expected);
}

static void formats_are_guessed_by_name(void **state)
{
    (void)state;
    assert_int_equal(lam_format_of(LAM_SV("a/b.jsonl")), LAM_FORMAT_JSONL);
    assert_int_equal(lam_format_of(LAM_SV("a/b.NDJSON.gz")), LAM_FORMAT_JSONL);
    assert_int_equal(lam_format_of(LAM_SV("b.csv.zst")), LAM_FORMAT_CSV);
    assert_int_equal(lam_format_of(LAM_SV("b.tsv")), LAM_FORMAT_CSV);
    assert_int_equal(lam_format_of(LAM_SV("b.json")), LAM_FORMAT_DOCUMENT);
    assert_int_equal(lam_format_of(LAM_SV("README")), LAM_FORMAT_DOCUMENT);
    assert_int_equal(lam_pack_of(LAM_SV("b.csv.zst")), LAM_PACK_ZSTD);
    assert_int_equal(lam_pack_of(LAM_SV(".gz")), LAM_PACK_NONE);
    assert_true(lam_sv_eq(lam_path_unpacked(LAM_SV("a/b.md.gz")), LAM_SV("a/b.md")));
    assert_int_equal(lam_format_parse(LAM_SV("lines")), LAM_FORMAT_LINES);
    assert_int_equal(lam_format_parse(LAM_SV("xlsx")), -1);
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, fresh, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(files_come_in_the_order_of_their_paths_bytes),
        scratch_test(a_glob_finds_what_it_says),
        cmocka_unit_test(globs_match_names_and_never_a_leading_dot),
        scratch_test(links_never_lead_out_of_the_root),
        scratch_test(every_rank_finds_the_root_for_itself),
        cmocka_unit_test(a_root_that_is_not_there_is_an_error),
        scratch_test(the_state_of_a_file_follows_the_scan_before),
        scratch_test(a_file_touched_just_before_the_scan_is_looked_at_by_digest),
        scratch_test(packed_files_and_documents_do_not_grow),
        scratch_test(what_lies_beyond_max_files_is_kept),
        scratch_test(an_unreadable_folder_is_reported_and_what_was_below_it_kept),
        scratch_test(folders_too_deep_are_reported_and_a_name_must_be_text),
        cmocka_unit_test(formats_are_guessed_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
