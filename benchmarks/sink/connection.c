/* One client's connection: requests come one after the other and are answered when their body has come.
   Latency and rate are made here, by sleeping: who sleeps is neither read nor answered. */
#include "sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READS_PER_TURN_PLAIN = 4, READS_PER_TURN_TLS = 64, LEAST_RATED_READ = 4096 };
static const double SHORTEST_SLEEP = 0.001;

double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct connection *connection_open(int descriptor, SSL_CTX *context) {
    struct connection *connection = calloc(1, sizeof *connection);
    connection->descriptor = descriptor;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (context) {
        connection->tls = SSL_new(context);
        SSL_set_fd(connection->tls, descriptor);
        SSL_set_accept_state(connection->tls);
    }
    connection->asleep_until = clock_now() + shaping.latency * (context ? 2 : 1);
    store_count(0, 0, 0, 1);
    return connection;
}

void connection_close(struct connection *connection) {
    if (connection->tls) SSL_free(connection->tls);
    close(connection->descriptor);
    buffer_free(&connection->head);
    buffer_free(&connection->out);
    buffer_free(&connection->body.kept);
    free(connection);
}

static const char *header(const char *head, const char *name) {
    size_t size = strlen(name);
    for (const char *at = strstr(head, "\r\n"); at; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, size) == 0 && at[size] == ':') return at + size + 1 + strspn(at + size + 1, " ");
    }
    return NULL;
}

static bool header_has(const char *head, const char *name, const char *word) {
    const char *value = header(head, name);
    size_t size = strlen(word);
    for (; value && *value && *value != '\r'; value++)
        if (strncasecmp(value, word, size) == 0) return true;
    return false;
}

static void decode_percents(char *text) {
    char *to = text;
    for (char *at = text; *at; at++) {
        unsigned value;
        if (*at == '%' && sscanf(at + 1, "%2x", &value) == 1) {
            *to++ = (char)value;
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
}

static bool read_request_line(struct connection *connection) {
    struct request *request = &connection->request;
    char *rest;
    request->method = strtok_r(connection->head.data, " ", &rest);
    request->path = strtok_r(NULL, " ", &rest);
    if (!request->method || !request->path || *request->path != '/') return false;
    request->query = strchr(request->path, '?');
    if (request->query)
        *request->query++ = 0;
    else
        request->query = request->path + strlen(request->path);
    request->body = &connection->body;
    request->tls = connection->tls ? SSL_get_cipher(connection->tls) : "";
    decode_percents(request->path);
    return true;
}

static bool begin_request(struct connection *connection) {
    char *head = connection->head.data;
    const char *length = header(head, "content-length");
    bool is_chunked = header_has(head, "transfer-encoding", "chunked");
    body_begin(&connection->body, length ? strtoll(length, NULL, 10) : 0, is_chunked,
        header_has(head, "content-encoding", "aws-chunked"), strncmp(head, "POST", 4) == 0);
    if (header_has(head, "expect", "100-continue")) {
        buffer_print(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
        connection->asleep_until = clock_now() + shaping.latency;
    }
    connection->has_head = true;
    return read_request_line(connection);
}

/* Returns how much of the data belonged to the head, or -1 where it is none. */
static ssize_t feed_head(struct connection *connection, const char *data, size_t size) {
    size_t before = connection->head.size, from = before > 3 ? before - 3 : 0;
    buffer_add(&connection->head, data, size < HEAD_LIMIT ? size : HEAD_LIMIT);
    char *end = memmem(connection->head.data + from, connection->head.size - from, "\r\n\r\n", 4);
    if (!end) return connection->head.size < HEAD_LIMIT ? (ssize_t)size : -1;
    end[2] = 0;
    size_t taken = (size_t)(end - connection->head.data) + 4 - before;
    return begin_request(connection) ? (ssize_t)taken : -1;
}

static bool feed(struct connection *connection, const char *data, size_t size) {
    while (size || (connection->has_head && body_is_done(&connection->body))) {
        if (!connection->has_head) {
            ssize_t taken = feed_head(connection, data, size);
            if (taken < 0) return false;
            data += taken;
            size -= (size_t)taken;
            if (!connection->has_head) return true;
        }
        size_t taken = body_feed(&connection->body, data, size);
        data += taken;
        size -= taken;
        if (connection->body.is_broken) return false;
        if (!body_is_done(&connection->body)) return true;
        double now = clock_now();
        answer(&connection->request, now, &connection->out);
        connection->asleep_until = now + shaping.latency;
        connection->has_head = false;
        connection->head.size = 0;
    }
    return true;
}

static bool is_later(struct connection *connection, int result) {
    if (!connection->tls) return errno == EAGAIN || errno == EINTR;
    int error = SSL_get_error(connection->tls, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Answers are far smaller than the socket's buffer, so that waiting here is the exception. */
static bool send_out(struct connection *connection) {
    size_t sent = 0;
    while (sent < connection->out.size) {
        const char *data = connection->out.data + sent;
        int size = (int)(connection->out.size - sent);
        int result = connection->tls ? SSL_write(connection->tls, data, size)
                                     : (int)send(connection->descriptor, data, (size_t)size, MSG_NOSIGNAL);
        if (result <= 0 && !is_later(connection, result)) return false;
        if (result <= 0) poll(&(struct pollfd){.fd = connection->descriptor, .events = POLLOUT}, 1, 1000);
        sent += result > 0 ? (size_t)result : 0;
    }
    connection->out.size = 0;
    return true;
}

static size_t allowance(size_t room) {
    if (shaping.rate <= 0) return room;
    size_t fair = (size_t)(shaping.rate * SHORTEST_SLEEP * 4);
    if (fair < LEAST_RATED_READ) fair = LEAST_RATED_READ;
    return fair < room ? fair : room;
}

static void pay(struct connection *connection, size_t size, double now) {
    if (shaping.rate <= 0) return;
    if (connection->paid_until < now - 4 * SHORTEST_SLEEP) connection->paid_until = now - 4 * SHORTEST_SLEEP;
    connection->paid_until += (double)size / shaping.rate;
    if (connection->paid_until > connection->asleep_until) connection->asleep_until = connection->paid_until;
}

enum turn connection_turn(struct connection *connection, char *scratch, size_t room) {
    int reads = connection->tls ? READS_PER_TURN_TLS : READS_PER_TURN_PLAIN;
    bool is_shaped = shaping.rate > 0 || shaping.latency > 0;
    while (reads--) {
        if (connection->out.size && !send_out(connection)) return CLOSE;
        size_t most = allowance(room);
        errno = 0;
        int result = connection->tls ? SSL_read(connection->tls, scratch, (int)most)
                                     : (int)recv(connection->descriptor, scratch, most, 0);
        if (result <= 0) return result < 0 && is_later(connection, result) ? GO_ON : CLOSE;
        if (!feed(connection, scratch, (size_t)result)) return CLOSE;
        double now = is_shaped ? clock_now() : 0;
        if (is_shaped) pay(connection, (size_t)result, now);
        if (is_shaped && connection->asleep_until > now) return SLEEP;
        if (connection->out.size && !send_out(connection)) return CLOSE;
    }
    /* What TLS has read ahead wakes nobody, so it must be asked for again. */
    return connection->tls && SSL_has_pending(connection->tls) ? SLEEP : GO_ON;
}
