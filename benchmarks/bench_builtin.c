/*
 * Microseconds a document of the built-in analyzer by task, on one core: each task alone, then all together. What stands under
 * "reading" (tokens, language) is part of every task and paid once.
 *
 *     bench_builtin FILE.jsonl [BYTES]        texts of the file, joined until each has BYTES bytes (2048)
 */
#include <lamina/block.h>

#include <sys/resource.h>
#include <time.h>

#include "ai/builtin/builtin.h"
#include "ai/builtin/train.h"
#include "labelled.h"

#define DOCUMENTS 2000
#define REPEATS 5 /* the best counts: others work on the machine */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct lam_block *documents(const struct labelled *data, size_t bytes)
{
    struct lam_block *block = lam_block_new(DOCUMENTS, (size_t)2 << 30);
    char *text = malloc(bytes + 65536);
    struct lam_error err;
    size_t next = 0;

    for (int i = 0; i < DOCUMENTS; i++) {
        struct lam_row row = {.rec = {.title = data->titles[next % data->count]}};
        size_t len = 0;

        while (len < bytes) {
            struct lam_sv more = data->texts[next++ % data->count];

            memcpy(text + len, more.ptr, more.len < 65536 ? more.len : 65536);
            len += more.len < 65536 ? more.len : 65536;
            text[len++] = '\n';
        }
        row.rec.text = lam_sv(text, len < bytes ? len : bytes);
        if (lam_block_add_row(block, &row, &err))
            labelled_die(err.text, "block");
    }
    free(text);
    return block;
}

static double measure(const struct labelled *data, size_t bytes, uint32_t wanted, const struct lam_builtin_model *model)
{
    struct lam_tasks tasks = {
        .wanted = wanted, .labels = data->names, .label_count = data->label_count, .sentences = 2, .max_keywords = 8, .dim = 256};
    struct lam_analyzer *analyzer;
    struct lam_error err;
    double best = 1e9;

    if (lam_builtin_open_with_model(&tasks, model, 0, &analyzer, &err))
        labelled_die(err.text, "open");
    for (int i = 0; i < REPEATS; i++) {
        struct lam_block *block = documents(data, bytes);
        double start = now(), took;

        if (lam_analyzer_builtin.submit(analyzer, block, 0, DOCUMENTS, NULL, &err))
            labelled_die(err.text, "submit");
        took = (now() - start) / DOCUMENTS * 1e6;
        best = took < best ? took : best;
        lam_block_free(block);
    }
    lam_analyzer_builtin.close(analyzer);
    return best;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint32_t wanted;
    } tasks[] = {{"classify", LAM_TASK_CLASSIFY},   {"entities", LAM_TASK_ENTITIES}, {"summarize", LAM_TASK_SUMMARIZE},
                 {"sentiment", LAM_TASK_SENTIMENT}, {"keywords", LAM_TASK_KEYWORDS}, {"embed 256", LAM_TASK_EMBED}};
    struct lam_label news[] = {
        {LAM_SV("World"), LAM_SV("war government president iraq minister election attack military un nuclear police")},
        {LAM_SV("Sports"), LAM_SV("game team season win coach league cup olympic players championship match")},
        {LAM_SV("Business"), LAM_SV("company oil stocks market prices profit economy shares bank sales billion")},
        {LAM_SV("Sci/Tech"), LAM_SV("software internet microsoft computer technology space web scientists google mobile")}};
    struct labelled data = {.names = news, .label_count = 4};
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 2048;
    struct lam_tasks trained = {.labels = news, .label_count = 4};
    struct lam_builtin_model *model = NULL;
    struct lam_builtin_doc *docs;
    struct lam_error err;
    struct rusage usage;
    double base, all;

    if (argc < 2)
        labelled_die("bench_builtin FILE.jsonl [BYTES]", "usage");
    labelled_jsonl(&data, argv[1]);
    docs = calloc(data.count, sizeof *docs);
    for (size_t i = 0; i < data.count; i++)
        docs[i] = (struct lam_builtin_doc){data.titles[i], data.texts[i], -1};
    if (lam_builtin_train(&trained, docs, data.count, NULL, &model, NULL, &err) && err.code != LAM_E_NOT_FOUND)
        labelled_die(err.text, "train");
    base = measure(&data, bytes, LAM_TASK_LANGUAGE, NULL);
    printf("%-28s %8s\n", "task", "us/doc");
    printf("%-28s %8.1f\n", "reading and language", base);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        printf("%-28s %8.1f\n", tasks[i].name, measure(&data, bytes, tasks[i].wanted, NULL) - base);
    printf("%-28s %8.1f\n", "classify, trained", measure(&data, bytes, LAM_TASK_CLASSIFY, model) - base);
    all = measure(&data, bytes, 127, NULL);
    printf("%-28s %8.1f   %.0f documents/s and core\n", "all", all, 1e6 / all);
    all = measure(&data, bytes, 127, model);
    printf("%-28s %8.1f   %.0f documents/s and core\n", "all, trained", all, 1e6 / all);
    getrusage(RUSAGE_SELF, &usage);
    printf("documents of %zu bytes, peak memory %ld MiB\n", bytes, usage.ru_maxrss / 1024);
    lam_builtin_model_free(model);
    free(docs);
    return 0;
}
