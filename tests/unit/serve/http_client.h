/* A client of raw sockets, which may send anything. */
#ifndef LAMINA_TEST_HTTP_CLIENT_H
#define LAMINA_TEST_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct answer {
    unsigned status; /* 0: the server ended the connection without one */
    char head[16384];
    char *body;      /* ends with a NUL that is not counted */
    size_t len;
};

static inline int client_connect(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {60, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* False: the server does not listen any more. */
static inline bool client_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline const char *answer_header(const struct answer *answer, const char *name)
{
    static _Thread_local char value[16384];
    size_t len = strlen(name);

    for (const char *line = strchr(answer->head, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
        if (!strncasecmp(line + 1, name, len) && line[1 + len] == ':') {
            const char *at = line + 2 + len + strspn(line + 2 + len, " ");

            snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
            return value;
        }
    return NULL;
}

/* Reads one answer. head_only: of a HEAD. */
static inline struct answer *client_receive(int fd, bool head_only)
{
    struct answer *answer = calloc(1, sizeof *answer);
    size_t used = 0, wanted;
    const char *length;

    while (used + 1 < sizeof answer->head && !strstr(answer->head, "\r\n\r\n")) { /* looks before it takes: the body stays behind */
        ssize_t there = recv(fd, answer->head + used, sizeof answer->head - used - 1, MSG_PEEK);
        const char *end;

        if (there <= 0)
            break;
        answer->head[used + (size_t)there] = '\0';
        end = strstr(answer->head, "\r\n\r\n");
        if (end)
            there = end + 4 - (answer->head + used);
        if (recv(fd, answer->head + used, (size_t)there, 0) != there)
            break;
        used += (size_t)there;
        answer->head[used] = '\0';
    }
    if (sscanf(answer->head, "HTTP/1.%*d %u", &answer->status) != 1)
        answer->status = 0;
    length = answer->status ? answer_header(answer, "Content-Length") : NULL;
    wanted = length && !head_only ? strtoull(length, NULL, 10) : 0;
    answer->body = malloc(wanted + 1);
    while (answer->len < wanted) {
        ssize_t got = recv(fd, answer->body + answer->len, wanted - answer->len, 0);

        if (got <= 0)
            break;
        answer->len += (size_t)got;
    }
    if (answer->len < wanted)
        answer->status = 0;
    answer->body[answer->len] = '\0';
    return answer;
}

static inline void answer_free(struct answer *answer)
{
    free(answer->body);
    free(answer);
}

/* One request on a connection of its own: method and target, further header lines (each ends with \r\n), body. */
static inline struct answer *client_request(unsigned port, const char *method, const char *target, const char *headers, const char *body)
{
    size_t len = strlen(method) + strlen(target) + strlen(headers) + strlen(body) + 200;
    char *text = malloc(len);
    struct answer *answer;
    int fd = client_connect(port);

    if (fd < 0) {
        free(text);
        answer = calloc(1, sizeof *answer);
        answer->body = calloc(1, 1);
        return answer;
    }
    if (*body)
        snprintf(text, len, "%s %s HTTP/1.1\r\nHost: localhost:%u\r\n%sContent-Length: %zu\r\n\r\n%s", method, target,
                 port, headers, strlen(body), body);
    else
        snprintf(text, len, "%s %s HTTP/1.1\r\n%s%s\r\n", method, target, strstr(headers, "Host:") ? "" : "Host: localhost\r\n", headers);
    client_send(fd, text, strlen(text)); /* an early refusal is read all the same */
    answer = client_receive(fd, !strcmp(method, "HEAD"));
    close(fd);
    free(text);
    return answer;
}

static inline struct answer *client_get(unsigned port, const char *target) { return client_request(port, "GET", target, "", ""); }

static inline struct answer *client_post(unsigned port, const char *target, const char *body)
{
    return client_request(port, "POST", target, "Content-Type: application/json\r\n", body);
}

#endif
