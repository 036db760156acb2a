/*
 * Static embeddings of a file's texts: their token ids for a comparison with the reference, how fast, and how well neighbours agree on the label.
 *
 *     bench_static PATH TEXTS ids      a line of ids for each text (TEXTS: JSON lines with "text" and perhaps "label")
 *     bench_static PATH TEXTS          texts a second of one core; nearest neighbours of the first 2,000 with a label
 *
 * PATH is what the job would name: the folder of the table that the user installed.
 */
#include "bench.h"

#include "ai/static/static.h"
#include "model/json.h"

#define TEXTS_MAX 200000u
#define IDS_MAX 100000u
#define JUDGED 2000u
#define NEIGHBOURS 5

struct text {
    struct lam_sv title, text;
    char label[64];
};

static char *whole_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes;

    if (!file || fseek(file, 0, SEEK_END))
        bench_die(path, "cannot be read");
    *len = (size_t)ftell(file);
    rewind(file);
    bytes = bench_alloc(*len + 1);
    if (fread(bytes, 1, *len, file) != *len)
        bench_die(path, "cannot be read");
    fclose(file);
    return bytes;
}

static char *copy_of(struct lam_sv sv)
{
    char *copy = bench_alloc(sv.len + 1);

    if (sv.len)
        memcpy(copy, sv.ptr, sv.len);
    return copy;
}

static size_t read_texts(const char *path, struct text *texts)
{
    size_t len, count = 0;
    char *bytes = whole_file(path, &len), *at = bytes;
    struct lam_json *json = lam_json_new(1 << 24, 16);
    struct lam_error err;

    while (at < bytes + len && count < TEXTS_MAX) {
        char *end = memchr(at, '\n', len - (size_t)(at - bytes));
        struct lam_sv sv, label;

        end = end ? end : bytes + len;
        BENCH_OK(lam_json_parse(json, lam_sv(at, (size_t)(end - at)), &err));
        sv = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("text")));
        label = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("label")));
        texts[count].text = lam_sv(copy_of(sv), sv.len);
        sv = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("title")));
        texts[count].title = lam_sv(copy_of(sv), sv.len);
        snprintf(texts[count++].label, sizeof texts->label, "%.*s", LAM_SV_ARG(label));
        at = end + 1;
    }
    return count;
}

static void print_ids(struct lam_static_reader *reader, const struct text *texts, size_t count)
{
    uint32_t *ids = bench_alloc(IDS_MAX * sizeof *ids);
    struct lam_error err;

    for (size_t i = 0; i < count; i++) {
        size_t found;

        BENCH_OK(lam_static_tokens(reader, texts[i].text, ids, IDS_MAX, &found, &err));
        for (size_t j = 0; j < found && j < IDS_MAX; j++)
            printf("%s%" PRIu32, j ? " " : "", ids[j]);
        putchar('\n');
    }
}

static void time_it(struct lam_static_reader *reader, const struct text *texts, size_t count, size_t cut, float *vectors, uint32_t dim)
{
    double best = INFINITY;
    uint64_t bytes = 0;
    struct lam_error err;
    bool found;

    for (int round = 0; round < 7; round++) {
        double cpu = bench_cpu_us();

        bytes = 0;
        for (size_t i = 0; i < count; i++) {
            struct lam_sv text = texts[i].text;

            text.len = text.len < cut ? text.len : cut;
            bytes += text.len;
            BENCH_OK(lam_static_embed(reader, LAM_SV(""), text, vectors + i * dim, &found, &err));
        }
        cpu = (bench_cpu_us() - cpu) / (double)count;
        best = cpu < best ? cpu : best;
    }
    printf("texts of %4.0f bytes: %6.2f us of CPU a text, %8.0f a second and core\n", (double)bytes / (double)count, best, 1e6 / best);
}

static void embed_all(struct lam_static_reader *reader, const struct text *texts, size_t count, float *vectors, uint32_t dim)
{
    struct lam_error err;
    bool found;

    for (size_t i = 0; i < count; i++)
        BENCH_OK(lam_static_embed(reader, texts[i].title, texts[i].text, vectors + i * dim, &found, &err));
}

/* Leave one out, cosine, the majority of five; of equals the label of the nearest. */
static double neighbours_agree(const struct text *texts, size_t count, const float *vectors, uint32_t dim)
{
    size_t right = 0;

    for (size_t i = 0; i < count; i++) {
        double best[NEIGHBOURS];
        size_t who[NEIGHBOURS], most = 0, at = 0;

        for (int k = 0; k < NEIGHBOURS; k++)
            best[k] = -INFINITY, who[k] = 0;
        for (size_t j = 0; j < count; j++) {
            double dot = 0;
            int k = NEIGHBOURS;

            for (uint32_t d = 0; d < dim; d++)
                dot += (double)(vectors[i * dim + d] * vectors[j * dim + d]);
            for (; j != i && k > 0 && dot > best[k - 1]; k--)
                if (k < NEIGHBOURS)
                    best[k] = best[k - 1], who[k] = who[k - 1];
            if (j != i && k < NEIGHBOURS)
                best[k] = dot, who[k] = j;
        }
        for (int k = 0; k < NEIGHBOURS; k++) {
            size_t same = 0;

            for (int l = 0; l < NEIGHBOURS; l++)
                same += !strcmp(texts[who[k]].label, texts[who[l]].label);
            if (same > most)
                most = same, at = who[k];
        }
        right += !strcmp(texts[i].label, texts[at].label);
    }
    return (double)right / (double)count;
}

int main(int argc, char **argv)
{
    static struct text texts[TEXTS_MAX];
    struct lam_static_reader *reader;
    struct lam_static *table;
    struct lam_error err;
    double start = bench_cpu_us();
    size_t count;

    if (argc < 3)
        bench_die("usage", "bench_static PATH TEXTS [ids]");
    BENCH_OK(lam_static_open(NULL, argv[1], NULL, 0, &table, &err));
    start = (bench_cpu_us() - start) / 1000;
    if (!(reader = lam_static_reader_new(table)))
        bench_die("reader", "no memory");
    count = read_texts(argv[2], texts);
    if (argc > 3) {
        print_ids(reader, texts, count);
    } else {
        float *vectors = bench_alloc(count * lam_static_dim(table) * sizeof *vectors);

        printf("%s, opened in %.0f ms of CPU; %zu texts\n", lam_static_space(table), start, count);
        time_it(reader, texts, count, 60, vectors, lam_static_dim(table));
        time_it(reader, texts, count, 120, vectors, lam_static_dim(table));
        time_it(reader, texts, count, SIZE_MAX, vectors, lam_static_dim(table));
        count = count < JUDGED ? count : JUDGED;
        embed_all(reader, texts, count, vectors, lam_static_dim(table));
        if (texts[0].label[0])
            printf("label of %d nearest neighbours right: %.3f of %zu\n", NEIGHBOURS, neighbours_agree(texts, count, vectors, lam_static_dim(table)), count);
        free(vectors);
    }
    lam_static_reader_free(reader);
    lam_static_close(table);
    return 0;
}
