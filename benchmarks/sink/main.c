/* sink [--threads N] [--certificate FILE --key FILE] [--latency SECONDS] [--rate BYTES_PER_SECOND] [--requests PER_SECOND]
   Listens on a free loopback port, prints it, and ends when its standard input is closed. */
#include "sink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRATCH = 64 * 1024, EVENTS = 256, RATED_SOCKET_BUFFER = 128 * 1024, READ_AHEAD = 64 * 1024 };

struct shaping shaping;

struct worker {
    int epoll, inbox[2];
    struct connection *asleep;
    char *scratch;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(struct worker *worker, struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, connection->descriptor, &event) != 0) fail("epoll_ctl");
}

/* A sleeper is taken out of the poll: a peer that hangs up would wake it again and again. */
static void lay_down(struct worker *worker, struct connection *connection) {
    connection->is_asleep = true;
    connection->next_asleep = worker->asleep;
    worker->asleep = connection;
}

static void turn(struct worker *worker, struct connection *connection) {
    enum turn outcome = connection_turn(connection, worker->scratch, SCRATCH);
    if (outcome == CLOSE) {
        if (!connection->is_asleep) epoll_ctl(worker->epoll, EPOLL_CTL_DEL, connection->descriptor, NULL);
        connection_close(connection);
    } else if (outcome == SLEEP) {
        if (!connection->is_asleep) epoll_ctl(worker->epoll, EPOLL_CTL_DEL, connection->descriptor, NULL);
        lay_down(worker, connection);
    } else if (connection->is_asleep) {
        connection->is_asleep = false;
        watch(worker, connection);
    }
}

/* Gives every sleeper whose time has come a turn; returns the milliseconds to the next, -1 without any. */
static int wake(struct worker *worker) {
    double now = clock_now(), next = -1;
    struct connection *sleepers = worker->asleep;
    worker->asleep = NULL;
    while (sleepers) {
        struct connection *connection = sleepers;
        sleepers = sleepers->next_asleep;
        if (connection->asleep_until <= now)
            turn(worker, connection);
        else
            lay_down(worker, connection);
    }
    for (struct connection *connection = worker->asleep; connection; connection = connection->next_asleep)
        if (next < 0 || connection->asleep_until < next) next = connection->asleep_until;
    if (next < 0) return -1;
    return next <= now ? 0 : (int)((next - now) * 1000) + 1;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(worker->epoll, events, EVENTS, wake(worker));
        for (int index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;
            if (connection)
                turn(worker, connection);
            else if (read(worker->inbox[0], &connection, sizeof connection) == sizeof connection)
                lay_down(worker, connection);
        }
    }
    return NULL;
}

static struct worker *start_workers(int count) {
    struct worker *workers = calloc((size_t)count, sizeof *workers);
    for (int index = 0; index < count; index++) {
        struct worker *worker = &workers[index];
        pthread_t thread;
        worker->epoll = epoll_create1(0);
        worker->scratch = malloc(SCRATCH);
        if (pipe(worker->inbox) != 0) fail("pipe");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->inbox[0], &event);
        if (pthread_create(&thread, NULL, work, worker) != 0) fail("pthread_create");
    }
    return workers;
}

static SSL_CTX *make_context(const char *certificate, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    /* One cipher for all clients, the one that S3 itself prefers. */
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "the certificate or its key cannot be used\n");
        exit(1);
    }
    return context;
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    /* Else megabytes wait in the kernel and a slow connection looks fast to its client. */
    if (shaping.rate > 0) setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &(int){RATED_SOCKET_BUFFER}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void *end_with_our_parent(void *argument) {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    exit(0);
    return argument;
}

int main(int count, char **arguments) {
    const char *certificate = NULL, *key = NULL;
    int threads = 2;
    for (int index = 1; index + 1 < count; index += 2) {
        const char *name = arguments[index], *value = arguments[index + 1];
        if (strcmp(name, "--threads") == 0) threads = atoi(value);
        if (strcmp(name, "--certificate") == 0) certificate = value;
        if (strcmp(name, "--key") == 0) key = value;
        if (strcmp(name, "--latency") == 0) shaping.latency = atof(value);
        if (strcmp(name, "--rate") == 0) shaping.rate = atof(value);
        if (strcmp(name, "--requests") == 0) shaping.requests = atof(value);
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = certificate ? make_context(certificate, key) : NULL;
    struct worker *workers = start_workers(threads);
    pthread_t lifeline;
    pthread_create(&lifeline, NULL, end_with_our_parent, NULL);
    int listener = listen_on_loopback();
    for (unsigned next = 0;; next++) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) continue;
        struct connection *connection = connection_open(descriptor, context);
        connection->is_asleep = true;
        if (write(workers[next % (unsigned)threads].inbox[1], &connection, sizeof connection) < 0) fail("write");
    }
}
