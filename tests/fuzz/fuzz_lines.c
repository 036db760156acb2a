#include "files_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1)
        fuzz_file(data[1] & 2 ? LAM_FORMAT_JSONL : LAM_FORMAT_LINES, data, size);
    return 0;
}
