/* Clients that are slow, many, or mean no HTTP at all; views that change under requests; stopping under load. */
#include "http_world.h"

#include <poll.h>
#include <time.h>

static void assert_serves(struct world *world)
{
    struct answer *answer = client_get(world->port, "/v1/records/doc/1");

    assert_int_equal(answer->status, 200);
    answer_free(answer);
}

/* Reads until the server ends the connection. */
static void wait_end(int fd)
{
    char bytes[4096];

    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
    close(fd);
}

static void garbage_is_survived(void **state)
{
    static const char *const lines[] = {"\r\n\r\n\r\n",
                                        "GET\r\n\r\n",
                                        "GET /v1/status\r\n\r\n",
                                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS says hello\r\n\r\n",
                                        "GET /v1/status HTTP/9.9\r\nHost: localhost\r\n\r\n",
                                        "GET http://localhost/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                        "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                                        "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                        "application/json\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
                                        "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                        "application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                        "GET /v1/records/%00%00 HTTP/1.1\r\nHost: localhost\r\n : \r\n\r\n",
                                        "GET /v1/records?a&b=&=c&&&& HTTP/1.1\r\nHost: localhost\r\n\r\n"};
    struct world *world = *state;
    unsigned seed = (unsigned)time(NULL);

    world->config.read_timeout_ms = 500;
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int fd = client_connect(world->port);

        client_send(fd, lines[i], strlen(lines[i]));
        shutdown(fd, SHUT_WR);
        wait_end(fd);
    }
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 50; i++) {
        char bytes[2000];
        int fd = client_connect(world->port);

        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)(random() % 5 ? random() : "\r\n GET/:?%"[random() % 10]);
        client_send(fd, bytes, sizeof bytes);
        shutdown(fd, SHUT_WR);
        wait_end(fd);
    }
    assert_serves(world);
}

static void long_headers_are_refused(void **state)
{
    struct world *world = *state;
    size_t len = (size_t)1 << 20;
    char *text = malloc(len + 1);
    int fd;

    world->config.read_timeout_ms = 2000;
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    memset(text, 'a', len);
    text[len] = '\0';
    for (int i = 0; i < 2; i++) { /* a target, then a header */
        memcpy(text, i ? "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Long: " : "GET /", i ? 51 : 5);
        fd = client_connect(world->port);
        client_send(fd, text, len);
        wait_end(fd);
        memset(text, 'a', 100);
    }
    fd = client_connect(world->port); /* very many headers */
    client_send(fd, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n", 42);
    for (int i = 0; i < 100000 && client_send(fd, "X-A: b\r\n", 8); i++)
        ;
    wait_end(fd);
    free(text);
    assert_serves(world);
}

/* Each of them would hold its connection for ever. */
static void slow_clients_lose_their_connection(void **state)
{
    enum { SLOW = 6 };
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 1000\r\n\r\n{\"metrics\": ";
    struct world *world = *state;
    int fds[SLOW];
    unsigned ended = 0;

    world->config.read_timeout_ms = 300;
    world->config.max_connections = SLOW + 1;
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    for (int i = 0; i < SLOW; i++)
        fds[i] = client_connect(world->port);
    for (size_t at = 0; ended < SLOW; at++) {
        ended = 0;
        for (int i = 0; i < SLOW; i++) { /* one says nothing, the others a byte now and then, the last one of its body */
            size_t offset = i == SLOW - 1 ? sizeof request - 12 + at % 10 : at % 60;

            if (fds[i] >= 0 && i &&
                !client_send(fds[i], at == 0 && i == SLOW - 1 ? request : request + offset,
                             at == 0 && i == SLOW - 1 ? sizeof request - 12 : 1)) {
                close(fds[i]);
                fds[i] = -1;
            }
            if (i == 0 && fds[0] >= 0) {
                struct pollfd poller = {fds[0], POLLIN, 0};

                if (poll(&poller, 1, 0) == 1) {
                    close(fds[0]);
                    fds[0] = -1;
                }
            }
            ended += fds[i] < 0;
        }
        usleep(20000);
    }
    assert_serves(world);
}

/* A client that asks for much and takes nothing. */
static void answers_that_nobody_takes_are_dropped(void **state)
{
    static const char request[] = "GET /v1/records?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct world *world = *state;
    int fds[4], small = 4096;

    world->config.write_timeout_ms = 300;
    world->config.max_queries = 2;
    world->config.query_timeout_ms = 20000;
    world_start(state);
    memory_publish(&world->memory, make_rows(20000, 1));
    for (int i = 0; i < 4; i++) {
        fds[i] = client_connect(world->port);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        assert_true(client_send(fds[i], request, sizeof request - 1));
    }
    assert_serves(world); /* the queries' slots come free again */
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void connections_are_bounded_and_come_free(void **state)
{
    enum { MANY = 60 };
    struct world *world = *state;
    int fds[MANY];

    world->config.max_connections = 20;
    world->config.read_timeout_ms = 500;
    world_start(state);
    memory_publish(&world->memory, make_rows(10, 1));
    for (int i = 0; i < MANY; i++)
        fds[i] = client_connect(world->port);
    for (int i = 0; i < MANY; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (int tries = 0;; tries++) { /* the server sees the closed ones one by one */
        struct answer *answer = client_get(world->port, "/livez");
        unsigned status = answer->status;

        answer_free(answer);
        if (status == 200)
            break;
        assert_true(tries < 1000);
        usleep(10000);
    }
    assert_serves(world);
}

static void one_connection_serves_many_requests(void **state)
{
    struct world *world = world_start(state);
    int fd = client_connect(world->port);

    memory_publish(&world->memory, make_rows(10, 1));
    for (int i = 0; i < 500; i++) {
        char request[200];
        struct answer *answer;

        snprintf(request, sizeof request, "GET /v1/records/doc/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i % 12);
        assert_true(client_send(fd, request, strlen(request)));
        answer = client_receive(fd, false);
        assert_int_equal(answer->status, i % 12 < 10 ? 200 : 404);
        answer_free(answer);
    }
    close(fd);
}

static void no_more_queries_run_than_allowed(void **state)
{
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = *state;
    struct answer *answer;
    int fd;

    world->config.max_queries = 1;
    world->config.query_timeout_ms = 400;
    world_start(state);
    memory_publish(&world->memory, make_rows(100000, 1));
    atomic_store(&world->memory.delay_us, 1000);
    fd = client_connect(world->port);
    assert_true(client_send(fd, request, sizeof request - 1));
    while (!atomic_load(&world->memory.pins))
        usleep(1000);
    answer = client_get(world->port, "/livez"); /* health waits for no query */
    assert_int_equal(answer->status, 200);
    answer_free(answer);
    answer = client_get(world->port, "/v1/records/doc/1"); /* waits for the slot, or gives up: never a second one at once */
    assert_true(answer->status == 200 || answer->status == 503);
    answer_free(answer);
    answer = client_receive(fd, false);
    assert_int_equal(answer->status, 504);
    answer_free(answer);
    close(fd);
}

struct asker {
    struct world *world;
    pthread_t thread;
    atomic_bool *stop;
    unsigned answers, failures;
    uint64_t newest;
};

/* View v has v rows: an answer that mixes views is seen. */
static void *ask(void *arg)
{
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct asker *asker = arg;
    int fd = client_connect(asker->world->port);

    while (!atomic_load(asker->stop) || !asker->answers) {
        struct answer *answer;
        uint64_t view, rows;
        const char *at;

        if (!client_send(fd, request, sizeof request - 1))
            break;
        answer = client_receive(fd, false);
        at = answer->status == 200 ? strstr(answer->body, "\"rows\":") : NULL;
        if (!at || sscanf(strstr(answer->body, "\"view\":"), "\"view\":%lu", &view) != 1 ||
            sscanf(at, "\"rows\":%lu", &rows) != 1 || rows != view || view < asker->newest)
            asker->failures++;
        else
            asker->newest = view;
        asker->answers++;
        answer_free(answer);
    }
    close(fd);
    return NULL;
}

static void a_new_view_is_taken_up_without_a_pause(void **state)
{
    enum { ASKERS = 4, VIEWS = 200 };
    struct world *world = world_start(state);
    struct asker askers[ASKERS];
    atomic_bool stop;

    atomic_init(&stop, false);
    memory_publish(&world->memory, make_rows(1, 1));
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.world = world, .stop = &stop};
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    for (int view = 2; view <= VIEWS; view++) {
        memory_publish(&world->memory, make_rows(view, (uint64_t)view));
        usleep(1000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].failures, 0);
        assert_true(askers[i].answers > 0);
    }
}

struct stopper {
    struct lam_http *http;
    unsigned grace_ms;
};

static void *stop_server(void *arg)
{
    struct stopper *stopper = arg;

    lam_http_stop(stopper->http, stopper->grace_ms);
    return NULL;
}

static void requests_under_way_are_finished(void **state)
{
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = world_start(state);
    struct stopper stopper = {world->http, 60000};
    int idle = client_connect(world->port), fd = client_connect(world->port);
    struct answer *answer;
    pthread_t thread;

    memory_publish(&world->memory, make_rows(200, 1));
    atomic_store(&world->memory.delay_us, 1000);
    assert_true(client_send(fd, request, sizeof request - 1));
    while (!atomic_load(&world->memory.pins))
        usleep(1000);
    pthread_create(&thread, NULL, stop_server, &stopper);
    answer = client_receive(fd, false);
    assert_int_equal(answer->status, 200);
    assert_non_null(strstr(answer->body, "\"rows\":200"));
    answer_free(answer);
    close(fd);
    wait_end(idle); /* an idle connection holds up nothing */
    pthread_join(thread, NULL);
    world->http = NULL;
    assert_int_equal(client_connect(world->port), -1);
}

static void queries_that_take_too_long_are_cancelled(void **state)
{
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = world_start(state);
    int fd = client_connect(world->port);

    memory_publish(&world->memory, make_rows(100000, 1));
    atomic_store(&world->memory.delay_us, 1000); /* 100 s and more, if nobody stopped it */
    assert_true(client_send(fd, request, sizeof request - 1));
    while (!atomic_load(&world->memory.pins))
        usleep(1000);
    lam_http_stop(world->http, 50);
    world->http = NULL;
    wait_end(fd);
}

static void a_main_loop_need_not_wait(void **state)
{
    static const char request[] = "POST /v1/aggregate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  "application/json\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = world_start(state);
    int fd = client_connect(world->port);
    struct answer *answer;

    memory_publish(&world->memory, make_rows(200, 1));
    atomic_store(&world->memory.delay_us, 1000);
    assert_true(client_send(fd, request, sizeof request - 1));
    while (!atomic_load(&world->memory.pins))
        usleep(1000);
    lam_http_quiesce(world->http);
    lam_http_quiesce(world->http); /* once more does nothing */
    assert_int_equal(client_connect(world->port), -1);
    while (lam_http_busy(world->http))
        usleep(1000);
    lam_http_stop(world->http, 0);
    world->http = NULL;
    answer = client_receive(fd, false);
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_header(answer, "Connection"), "close");
    answer_free(answer);
    close(fd);
}

static void it_starts_and_stops_again(void **state)
{
    struct world *world = *state;

    memory_publish(&world->memory, make_rows(10, 1));
    for (int i = 0; i < 10; i++) {
        world_start(state);
        if (i % 2)
            assert_serves(world);
        lam_http_stop(world->http, 1000);
        world->http = NULL;
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(garbage_is_survived),
        CASE(long_headers_are_refused),
        CASE(slow_clients_lose_their_connection),
        CASE(answers_that_nobody_takes_are_dropped),
        CASE(connections_are_bounded_and_come_free),
        CASE(one_connection_serves_many_requests),
        CASE(no_more_queries_run_than_allowed),
        CASE(a_new_view_is_taken_up_without_a_pause),
        CASE(requests_under_way_are_finished),
        CASE(queries_that_take_too_long_are_cancelled),
        CASE(a_main_loop_need_not_wait),
        CASE(it_starts_and_stops_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
