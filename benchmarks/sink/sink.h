/* A server that swallows uploads, counts every byte and answers like S3. Who does what is said in each file's head. */
#ifndef SINK_H
#define SINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_LIMIT = 8192, HEAD_LIMIT = 64 * 1024 };

struct shaping {
    double latency;  /* seconds of one round trip; a new connection costs one, with TLS two, an answer one */
    double rate;     /* bytes per second of one connection; 0 is unlimited */
    double requests; /* per second, above which SlowDown is answered; 0 is unlimited */
};
extern struct shaping shaping;

struct buffer {
    char *data;
    size_t size, room;
};
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *buffer);

/* body.c: the framing of one request's body. */
struct chunked {
    enum { ON_SIZE, IN_DATA, ON_DATA_END, ON_TRAILER, AT_END } state;
    int64_t remaining;
    size_t line_size;
    char line[LINE_LIMIT];
};
struct body {
    bool is_chunked, is_aws_chunked, is_kept, is_broken;
    int64_t remaining, size;
    struct buffer kept;
    struct chunked http, aws;
};
void body_begin(struct body *body, int64_t length, bool is_chunked, bool is_aws_chunked, bool is_kept);
size_t body_feed(struct body *body, const char *data, size_t size);
bool body_is_done(const struct body *body);

/* store.c: objects and uploads by size; safe from any thread. */
enum { ETAG_ROOM = 48 };
struct totals {
    int64_t objects, bytes, least, most, open_uploads, received, requests, throttled, connections;
};
struct part {
    int number;
    int64_t size;
};
void store_put(const char *path, int64_t size, const char *etag);
bool store_head(const char *path, int64_t *size, char etag[ETAG_ROOM]);
void store_delete(const char *path);
void store_clear(void);
long store_create(const char *path);
bool store_add_part(long id, int number, int64_t size);
bool store_abort(long id);
enum completed { COMPLETED, NO_SUCH_UPLOAD, INVALID_PART };
enum completed store_complete(long id, const struct part *parts, int count, const char *etag);
bool store_list_parts(long id, struct buffer *rows);
void store_list_uploads(const char *bucket, struct buffer *rows);
void store_count(int64_t bytes, int64_t requests, int64_t throttled, int64_t connections);
bool store_is_throttled(double now, double per_second);
struct totals store_totals(const char *prefix);
void part_etag(int number, int64_t size, char etag[ETAG_ROOM]);

/* answers.c: what is answered to one request. */
struct request {
    char *method, *target, *path, *query;
    const struct body *body;
    const char *tls;
};
void answer(const struct request *request, double now, struct buffer *out);

/* connection.c: one client's connection. */
struct connection {
    int descriptor;
    SSL *tls;
    double asleep_until, paid_until;
    bool is_asleep, has_head;
    struct connection *next_asleep;
    struct buffer head, out;
    struct body body;
    struct request request;
};
enum turn { GO_ON, SLEEP, CLOSE };
double clock_now(void);
struct connection *connection_open(int descriptor, SSL_CTX *context);
enum turn connection_turn(struct connection *connection, char *scratch, size_t room);
void connection_close(struct connection *connection);

#endif
