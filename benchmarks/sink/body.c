/* Takes bodies apart without copying them: Content-Length, chunked, and S3's aws-chunked inside either.
   Chunk signatures are read over, and so are trailers. */
#include "sink.h"

#include <stdlib.h>
#include <string.h>

typedef void consumer(struct body *body, const char *data, size_t size);

void body_begin(struct body *body, int64_t length, bool is_chunked, bool is_aws_chunked, bool is_kept) {
    body->is_chunked = is_chunked;
    body->is_aws_chunked = is_aws_chunked;
    body->is_kept = is_kept;
    body->is_broken = false;
    body->remaining = length;
    body->size = 0;
    body->kept.size = 0;
    body->http.state = body->aws.state = ON_SIZE;
    body->http.line_size = body->aws.line_size = 0;
}

bool body_is_done(const struct body *body) {
    return body->is_chunked ? body->http.state == AT_END : body->remaining == 0;
}

static void take_payload(struct body *body, const char *data, size_t size) {
    body->size += (int64_t)size;
    if (body->is_kept) buffer_add(&body->kept, data, size);
}

static void end_line(struct body *body, struct chunked *chunked) {
    while (chunked->line_size && (unsigned char)chunked->line[chunked->line_size - 1] <= ' ') chunked->line_size--;
    chunked->line[chunked->line_size] = 0;
    if (chunked->state == ON_SIZE) {
        char *end;
        chunked->remaining = strtoll(chunked->line, &end, 16);
        if (end == chunked->line || chunked->remaining < 0) body->is_broken = true;
        chunked->state = chunked->remaining ? IN_DATA : ON_TRAILER;
    } else if (chunked->state == ON_DATA_END) {
        if (chunked->line_size) body->is_broken = true;
        chunked->state = ON_SIZE;
    } else if (!chunked->line_size) {
        chunked->state = AT_END;
    }
    chunked->line_size = 0;
}

static size_t take_line(struct body *body, struct chunked *chunked, const char *data, size_t size) {
    const char *end = memchr(data, '\n', size);
    size_t taken = end ? (size_t)(end - data) : size;
    if (chunked->line_size + taken >= LINE_LIMIT) {
        body->is_broken = true;
        return size;
    }
    memcpy(chunked->line + chunked->line_size, data, taken);
    chunked->line_size += taken;
    if (!end) return size;
    end_line(body, chunked);
    return taken + 1;
}

static size_t feed_chunked(
    struct body *body, struct chunked *chunked, consumer *consume, const char *data, size_t size
) {
    size_t at = 0;
    while (at < size && chunked->state != AT_END && !body->is_broken) {
        if (chunked->state != IN_DATA) {
            at += take_line(body, chunked, data + at, size - at);
            continue;
        }
        size_t span = size - at < (size_t)chunked->remaining ? size - at : (size_t)chunked->remaining;
        consume(body, data + at, span);
        at += span;
        chunked->remaining -= (int64_t)span;
        if (!chunked->remaining) chunked->state = ON_DATA_END;
    }
    return at;
}

static void take_inner(struct body *body, const char *data, size_t size) {
    if (body->is_aws_chunked)
        feed_chunked(body, &body->aws, take_payload, data, size);
    else
        take_payload(body, data, size);
}

size_t body_feed(struct body *body, const char *data, size_t size) {
    if (body->is_chunked) return feed_chunked(body, &body->http, take_inner, data, size);
    size_t span = size < (size_t)body->remaining ? size : (size_t)body->remaining;
    take_inner(body, data, span);
    body->remaining -= (int64_t)span;
    return span;
}
