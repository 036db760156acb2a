#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

/* host, which is without brackets then, and port of "host:port" or "[host]:port". */
static int split(const char *text, char *host, size_t cap, char port[24], struct lam_error *err)
{
    const char *colon = strrchr(text, ':'), *end = colon;
    size_t len;
    long number;
    char *rest;

    if (!colon)
        return LAM_FAIL(err, LAM_E_INVALID, "listen \"%s\": expected an address and a port, such as 127.0.0.1:8080", text);
    if (*text == '[') {
        if (end[-1] != ']')
            return LAM_FAIL(err, LAM_E_INVALID, "listen \"%s\": expected [address]:port", text);
        text++;
        end--;
    }
    len = (size_t)(end - text);
    number = strtol(colon + 1, &rest, 10);
    if (colon[1] < '0' || colon[1] > '9' || *rest || number > 65535)
        return LAM_FAIL(err, LAM_E_INVALID, "listen \"%s\": \"%s\" is no port", text, colon + 1);
    if (!len || len >= cap)
        return LAM_FAIL(err, LAM_E_INVALID, "listen \"%s\": the address is missing or too long; 0.0.0.0 stands for all", text);
    memcpy(host, text, len);
    host[len] = '\0';
    snprintf(port, 24, "%ld", number);
    return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static int open_socket(const struct addrinfo *info, struct lam_listen *listening)
{
    int one = 1;

    listening->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening->fd < 0)
        return -1;
    if (setsockopt(listening->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || bind(listening->fd, info->ai_addr, info->ai_addrlen) ||
        listen(listening->fd, BACKLOG)) {
        int saved = errno;

        close(listening->fd);
        listening->fd = -1;
        errno = saved;
        return -1;
    }
    return 0;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
}

int lam_listen_open(const char *text, struct lam_listen *listening, struct lam_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *infos = NULL;
    char port[24];
    int rc;

    *listening = (struct lam_listen){.fd = -1};
    if ((rc = split(text, listening->host, sizeof listening->host, port, err)))
        return rc;
    if (!strcmp(listening->host, "localhost"))
        hints.ai_family = AF_INET; /* one socket: the address that every machine has */
    if ((rc = getaddrinfo(listening->host, port, &hints, &infos)))
        return LAM_FAIL(err, LAM_E_INVALID, "listen \"%s\": %s", text, gai_strerror(rc));
    if (open_socket(infos, listening)) {
        rc = LAM_FAIL(err, LAM_E_IO, "listen on %s: %s", text, strerror(errno));
    } else {
        listening->loopback = is_loopback(infos->ai_addr);
        listening->port = bound_port(listening->fd);
        snprintf(listening->url, sizeof listening->url,
                 strchr(listening->host, ':') ? "http://[%s]:%u" : "http://%s:%u", listening->host, listening->port);
    }
    freeaddrinfo(infos);
    return rc;
}
