/*
 * Runs a fuzzer's entry point over files instead of over what libFuzzer invents: each argument is a file, or a folder whose files
 * are taken in the order of their names. So that all that was ever found is tried again with every compiler and sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t len = 0, cap = 0, n;

    if (!file) {
        perror(path);
        return 1;
    }
    do {
        if (len == cap && !(data = realloc(data, cap = cap ? 2 * cap : 4096))) {
            fclose(file);
            return 1;
        }
        n = fread(data + len, 1, cap - len, file);
        len += n;
    } while (n > 0);
    fclose(file);
    data = realloc(data, len ? len : 1); /* exactly as long as the input, so that a sanitizer sees a read beyond it */
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 0;
}

static int is_name(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int replay_folder(const char *folder, int *count)
{
    struct dirent **names;
    int n = scandir(folder, &names, is_name, alphasort), failed = n < 0;

    if (failed)
        perror(folder);
    for (int i = 0; i < n; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        failed |= replay_file(path);
        free(names[i]);
        ++*count;
    }
    if (n >= 0)
        free(names);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0, count = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st)) {
            perror(argv[i]);
            failed = 1;
        } else if (S_ISDIR(st.st_mode))
            failed |= replay_folder(argv[i], &count);
        else
            failed |= replay_file(argv[i]), count++;
    }
    printf("%d inputs replayed\n", count);
    return failed || count == 0;
}
