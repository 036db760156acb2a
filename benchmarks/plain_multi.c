#include "plain_multi.h"

#include <curl/curl.h>
#include <stdbool.h>

#include "base/buf.h"
#include "bench.h"

#define ANSWER_MAX ((size_t)1 << 20)

struct slot {
    CURL *easy;
    struct lam_buf answer;
};

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
    struct slot *slot = arg;

    (void)one;
    return lam_buf_add(&slot->answer, bytes, len, NULL) ? 0 : len;
}

static void slot_init(struct slot *slot, const char *url, struct curl_slist *headers, struct lam_sv body)
{
    if (!(slot->easy = curl_easy_init()))
        bench_die("curl_easy_init", "no handle");
    lam_buf_init(&slot->answer, ANSWER_MAX);
    curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE, (long)body.len);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
}

/* Out of the multi handle, and told; in again where there is more to send: then true. */
static bool turn(CURLM *multi, const CURLMsg *message, bool more, void (*answered)(void *arg, struct lam_sv answer), void *arg)
{
    struct slot *slot;
    long status = 0;

    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    if (message->data.result || status != 200)
        bench_die("plain libcurl", curl_easy_strerror(message->data.result));
    curl_multi_remove_handle(multi, slot->easy);
    answered(arg, lam_buf_sv(&slot->answer));
    lam_buf_clear(&slot->answer);
    if (more)
        curl_multi_add_handle(multi, slot->easy);
    return more;
}

void plain_multi(const char *url, struct lam_sv body, size_t slots, size_t count, void (*answered)(void *arg, struct lam_sv answer), void *arg)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct slot *all = bench_alloc(slots * sizeof *all);
    CURLM *multi = curl_multi_init();
    size_t sent = 0, open = 0;
    int running, messages;

    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)slots); /* else it would close some of them after their answers */
    for (size_t i = 0; i < slots; i++)
        slot_init(&all[i], url, headers, body);
    for (; open < slots && sent < count; open++, sent++)
        curl_multi_add_handle(multi, all[open].easy);
    while (open) {
        CURLMsg *message;

        if (curl_multi_perform(multi, &running))
            bench_die("plain libcurl", "its loop failed");
        while ((message = curl_multi_info_read(multi, &messages))) {
            if (turn(multi, message, sent < count, answered, arg))
                sent++;
            else
                open--;
        }
        if (open && curl_multi_poll(multi, NULL, 0, 1000, NULL)) /* returns at once where one was added */
            bench_die("plain libcurl", "its wait failed");
    }
    for (size_t i = 0; i < slots; i++) {
        curl_easy_cleanup(all[i].easy);
        lam_buf_release(&all[i].answer);
    }
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    free(all);
}
