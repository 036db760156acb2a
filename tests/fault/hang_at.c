/*
 * Preloaded into the real program: what hangs, as long as a file says so.
 *
 *     LAMINA_HANG_POLL=FILE    polling Kafka does not return while this file is there
 *     LAMINA_HANG_SYNC=FILE    syncing a file below bronze/ does not
 *
 * FILE.hangs is made when one does.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define NAP_US 20000

static void hang(const char *variable)
{
    const char *path = getenv(variable);
    char told[1024];
    int fd;

    if (!path || access(path, F_OK))
        return;
    snprintf(told, sizeof told, "%s.hangs", path);
    if ((fd = open(told, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) >= 0)
        close(fd);
    while (!access(path, F_OK))
        usleep(NAP_US);
}

int fsync(int fd)
{
    char link[64], path[1024];
    ssize_t len;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    if (strstr(path, "/bronze/"))
        hang("LAMINA_HANG_SYNC");
    return ((__typeof__(&fsync))dlsym(RTLD_NEXT, "fsync"))(fd);
}

ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages, size_t size)
{
    hang("LAMINA_HANG_POLL");
    return ((__typeof__(&rd_kafka_consume_batch_queue))dlsym(RTLD_NEXT, "rd_kafka_consume_batch_queue"))(queue, timeout_ms, messages, size);
}
