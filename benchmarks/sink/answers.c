/* What is answered to a request whose body has come: as much of S3 as uploads need. */
#include "sink.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#define XML_HEADER "Content-Type: application/xml\r\n"
#define XML_START "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
#define NAMESPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define LAST_MODIFIED "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
static const char STATISTICS[] = "/-/statistics";

void buffer_add(struct buffer *buffer, const void *data, size_t size) {
    if (buffer->size + size + 1 > buffer->room) {
        buffer->room = (buffer->size + size + 1) * 2;
        buffer->data = realloc(buffer->data, buffer->room);
        if (!buffer->data) abort();
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void buffer_print(struct buffer *buffer, const char *format, ...) {
    char text[4096];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    buffer_add(buffer, text, size < (int)sizeof text ? (size_t)size : sizeof text - 1);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

static void respond(struct buffer *out, const char *status, const char *headers, const char *body, int64_t length) {
    buffer_print(out, "HTTP/1.1 %s\r\nContent-Length: %lld\r\nx-amz-request-id: SINK\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", status, (long long)length);
    buffer_add(out, headers, strlen(headers));
    buffer_add(out, "\r\n", 2);
    if (body) buffer_add(out, body, strlen(body));
}

static void respond_document(struct buffer *out, const char *status, const char *name, const char *inside) {
    struct buffer document = {0};
    bool is_error = strcmp(name, "Error") == 0;
    buffer_print(&document, XML_START "<%s%s>", name, is_error ? "" : NAMESPACE);
    buffer_add(&document, inside, strlen(inside));
    buffer_print(&document, "</%s>", name);
    respond(out, status, XML_HEADER, document.data, (int64_t)document.size);
    buffer_free(&document);
}

static void respond_error(const struct request *request, struct buffer *out, const char *status, const char *code) {
    char inside[256];
    snprintf(inside, sizeof inside, "<Code>%s</Code><Message>%s</Message>", code, code);
    if (strcmp(request->method, "HEAD") == 0)
        respond(out, status, "", NULL, 0);
    else
        respond_document(out, status, "Error", inside);
}

/* Returns the value of one parameter of the query, "" where it has none, NULL where it is not there. */
static const char *parameter(const struct request *request, const char *name, char value[1024]) {
    size_t size = strlen(name);
    for (const char *at = request->query; *at; at += strcspn(at, "&"), at += *at == '&') {
        size_t whole = strcspn(at, "&");
        if (whole < size || strncmp(at, name, size) != 0 || (whole > size && at[size] != '=')) continue;
        snprintf(value, 1024, "%.*s", whole > size ? (int)(whole - size - 1) : 0, at + size + 1);
        return value;
    }
    return NULL;
}

static long upload_id(const struct request *request) {
    char value[1024];
    return parameter(request, "uploadId", value) ? strtol(value, NULL, 10) : -1;
}

static void put(const struct request *request, struct buffer *out) {
    char value[1024], etag[ETAG_ROOM], header[80];
    int64_t size = request->body->size;
    int number = parameter(request, "partNumber", value) ? atoi(value) : 0;
    if (number && !store_add_part(upload_id(request), number, size)) {
        respond_error(request, out, "404 Not Found", "NoSuchUpload");
        return;
    }
    part_etag(number, size, etag);
    if (!number) {
        strcat(etag, "-1"); /* so that no client takes it for the MD5 of the object */
        store_put(request->path, size, etag);
    }
    snprintf(header, sizeof header, "ETag: \"%s\"\r\n", etag);
    respond(out, "200 OK", header, "", 0);
}

static int listed_parts(const char *document, struct part *parts) {
    int count = 0;
    for (const char *at = document; (at = strstr(at, "<Part>")) && count < 10000; at++) {
        const char *end = strstr(at, "</Part>"), *number = strstr(at, "<PartNumber>"), *etag = strstr(at, "<ETag>");
        if (!end || !number || !etag || number > end || etag > end) return -1;
        etag += 6;
        while (etag < end && (*etag == '"' || *etag == '&')) etag += *etag == '&' ? strcspn(etag, ";") + 1 : 1;
        if (end - etag < 32) return -1;
        parts[count].number = atoi(number + 12);
        parts[count].size = strtoll(etag + 16, NULL, 16);
        count++;
    }
    return count;
}

/* As S3 makes it, since clients prove a commit by it: the MD5 of the parts' tags, and their number. */
static void object_etag(const struct part *parts, int count, char etag[ETAG_ROOM]) {
    unsigned char *tags = calloc((size_t)count + 1, 16), digest[16];
    for (int index = 0; index < count; index++)
        for (int byte = 0; byte < 8; byte++) {
            tags[16 * index + 7 - byte] = (unsigned char)((uint64_t)parts[index].number >> 8 * byte);
            tags[16 * index + 15 - byte] = (unsigned char)((uint64_t)parts[index].size >> 8 * byte);
        }
    EVP_Digest(tags, 16 * (size_t)count, digest, NULL, EVP_md5(), NULL);
    free(tags);
    for (int byte = 0; byte < 16; byte++) snprintf(etag + 2 * byte, 3, "%02x", digest[byte]);
    snprintf(etag + 32, ETAG_ROOM - 32, "-%d", count);
}

static void complete(const struct request *request, struct buffer *out) {
    struct part *parts = calloc(10000, sizeof *parts);
    int count = request->body->kept.data ? listed_parts(request->body->kept.data, parts) : -1;
    char inside[256], etag[ETAG_ROOM] = "";
    if (count >= 1) object_etag(parts, count, etag);
    enum completed outcome = count < 1 ? INVALID_PART : store_complete(upload_id(request), parts, count, etag);
    free(parts);
    snprintf(inside, sizeof inside, "<Bucket>bench</Bucket><ETag>\"%s\"</ETag>", etag);
    if (outcome == NO_SUCH_UPLOAD)
        respond_error(request, out, "404 Not Found", "NoSuchUpload");
    else if (outcome == INVALID_PART)
        respond_error(request, out, "400 Bad Request", "InvalidPart");
    else
        respond_document(out, "200 OK", "CompleteMultipartUploadResult", inside);
}

static void post(const struct request *request, struct buffer *out) {
    char value[1024];
    if (parameter(request, "uploads", value)) {
        struct buffer inside = {0};
        const char *key = strchr(request->path + 1, '/');
        buffer_print(&inside, "<Bucket>%.*s</Bucket><Key>%s</Key><UploadId>%ld</UploadId>",
            (int)(key ? key - request->path - 1 : 0), request->path + 1, key ? key + 1 : "",
            store_create(request->path));
        respond_document(out, "200 OK", "InitiateMultipartUploadResult", inside.data);
        buffer_free(&inside);
    } else if (parameter(request, "uploadId", value)) {
        complete(request, out);
    } else {
        respond_document(out, "200 OK", "DeleteResult", "");
    }
}

static void delete(const struct request *request, struct buffer *out) {
    if (upload_id(request) < 0)
        store_delete(request->path);
    else if (!store_abort(upload_id(request))) {
        respond_error(request, out, "404 Not Found", "NoSuchUpload");
        return;
    }
    respond(out, "204 No Content", "", "", 0);
}

static void head(const struct request *request, struct buffer *out) {
    char etag[ETAG_ROOM] = "", headers[256];
    int64_t size = 0;
    const char *key = strchr(request->path + 1, '/');
    if (key && key[1] && !store_head(request->path, &size, etag)) {
        respond_error(request, out, "404 Not Found", "NotFound");
        return;
    }
    snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n" LAST_MODIFIED "Accept-Ranges: bytes\r\n", etag);
    respond(out, "200 OK", headers, NULL, size);
}

static void forget(struct buffer *out) {
    store_clear();
    respond(out, "204 No Content", "", "", 0);
}

static void statistics(const struct request *request, struct buffer *out) {
    char prefix[1024];
    struct buffer text = {0};
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct totals totals = store_totals(parameter(request, "prefix", prefix) ? prefix : "");
    buffer_print(&text, "{\"objects\": %lld, \"bytes\": %lld, \"least\": %lld, \"most\": %lld, \"open_uploads\": %lld, ",
        (long long)totals.objects, (long long)totals.bytes, (long long)totals.least, (long long)totals.most,
        (long long)totals.open_uploads);
    buffer_print(&text, "\"bytes_received\": %lld, \"requests\": %lld, \"throttled\": %lld, \"connections\": %lld, ",
        (long long)totals.received, (long long)totals.requests, (long long)totals.throttled,
        (long long)totals.connections);
    buffer_print(&text, "\"cpu_seconds\": %.6f, \"tls\": \"%s\"}",
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        request->tls);
    respond(out, "200 OK", "Content-Type: application/json\r\n", text.data, (int64_t)text.size);
    buffer_free(&text);
}

static void get(const struct request *request, struct buffer *out) {
    char value[1024];
    const char *name = "ListBucketResult";
    struct buffer inside = {0};
    buffer_print(&inside, "<IsTruncated>false</IsTruncated>");
    if (parameter(request, "uploadId", value)) {
        name = store_list_parts(upload_id(request), &inside) ? "ListPartsResult" : NULL;
    } else if (parameter(request, "uploads", value)) {
        name = "ListMultipartUploadsResult";
        store_list_uploads(request->path, &inside);
    } else if (parameter(request, "location", value)) {
        name = "LocationConstraint";
        inside.size = 0;
        inside.data[0] = 0;
    } else {
        buffer_print(&inside, "<Name>bench</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>");
    }
    if (name)
        respond_document(out, "200 OK", name, inside.data);
    else
        respond_error(request, out, "404 Not Found", "NoSuchUpload");
    buffer_free(&inside);
}

void answer(const struct request *request, double now, struct buffer *out) {
    static const struct {
        const char *method;
        void (*handle)(const struct request *, struct buffer *);
    } table[] = {{"PUT", put}, {"POST", post}, {"DELETE", delete}, {"HEAD", head}, {"GET", get}};
    if (strcmp(request->path, STATISTICS) == 0) {
        if (strcmp(request->method, "GET") == 0)
            statistics(request, out);
        else
            forget(out);
        return;
    }
    bool is_throttled = shaping.requests > 0 && store_is_throttled(now, shaping.requests);
    store_count(request->body->is_kept ? 0 : request->body->size, 1, is_throttled, 0);
    if (is_throttled) {
        respond_error(request, out, "503 Slow Down", "SlowDown");
        return;
    }
    for (size_t index = 0; index < sizeof table / sizeof *table; index++)
        if (strcmp(table[index].method, request->method) == 0) {
            table[index].handle(request, out);
            return;
        }
    respond_error(request, out, "405 Method Not Allowed", "MethodNotAllowed");
}
