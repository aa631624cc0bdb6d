/* Objects and uploads: their sizes are kept, their bytes are not. One lock guards all; it is taken once a request. */
#include "sink.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 16 };

struct object {
    char *path;
    int64_t size;
    char etag[ETAG_ROOM];
    struct object *next;
};
struct upload {
    char *path;     /* NULL once it has ended */
    int64_t *sizes; /* by part number; -1 where there is none */
    int room, parts;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects[BUCKETS];
static struct upload *uploads;
static long upload_count, upload_room;
static int64_t received, requests, throttled, connections;
static double tokens, refilled;

void part_etag(int number, int64_t size, char etag[ETAG_ROOM]) {
    snprintf(etag, ETAG_ROOM, "%016x%016llx", (unsigned)number, (unsigned long long)size);
}

static struct object **place_of(const char *path) {
    uint32_t hash = 2166136261u;
    for (const char *at = path; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    struct object **place = &objects[hash % BUCKETS];
    while (*place && strcmp((*place)->path, path) != 0) place = &(*place)->next;
    return place;
}

static void put(const char *path, int64_t size, const char *etag) {
    struct object **place = place_of(path);
    if (!*place) {
        *place = calloc(1, sizeof **place);
        (*place)->path = strdup(path);
    }
    (*place)->size = size;
    snprintf((*place)->etag, ETAG_ROOM, "%s", etag);
}

static void drop(struct object **place) {
    struct object *gone = *place;
    *place = gone->next;
    free(gone->path);
    free(gone);
}

static struct upload *find(long id) {
    return id >= 0 && id < upload_count && uploads[id].path ? &uploads[id] : NULL;
}

static void end(struct upload *upload) {
    free(upload->path);
    free(upload->sizes);
    memset(upload, 0, sizeof *upload);
}

void store_put(const char *path, int64_t size, const char *etag) {
    pthread_mutex_lock(&lock);
    put(path, size, etag);
    pthread_mutex_unlock(&lock);
}

bool store_head(const char *path, int64_t *size, char etag[ETAG_ROOM]) {
    pthread_mutex_lock(&lock);
    struct object *found = *place_of(path);
    if (found) {
        *size = found->size;
        strcpy(etag, found->etag);
    }
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

void store_delete(const char *path) {
    pthread_mutex_lock(&lock);
    struct object **place = place_of(path);
    if (*place) drop(place);
    pthread_mutex_unlock(&lock);
}

void store_clear(void) {
    pthread_mutex_lock(&lock);
    for (int index = 0; index < BUCKETS; index++)
        while (objects[index]) drop(&objects[index]);
    for (long id = 0; id < upload_count; id++)
        if (uploads[id].path) end(&uploads[id]);
    pthread_mutex_unlock(&lock);
}

long store_create(const char *path) {
    pthread_mutex_lock(&lock);
    if (upload_count == upload_room) {
        upload_room = upload_room ? upload_room * 2 : 1024;
        uploads = realloc(uploads, (size_t)upload_room * sizeof *uploads);
    }
    long id = upload_count++;
    uploads[id] = (struct upload){.path = strdup(path)};
    pthread_mutex_unlock(&lock);
    return id;
}

static void make_room(struct upload *upload, int number) {
    int room = upload->room ? upload->room : 64;
    while (room <= number) room *= 2;
    if (room == upload->room) return;
    upload->sizes = realloc(upload->sizes, (size_t)room * sizeof *upload->sizes);
    for (int index = upload->room; index < room; index++) upload->sizes[index] = -1;
    upload->room = room;
}

bool store_add_part(long id, int number, int64_t size) {
    pthread_mutex_lock(&lock);
    struct upload *upload = number >= 1 && number <= 10000 ? find(id) : NULL;
    if (upload) {
        make_room(upload, number);
        upload->parts += upload->sizes[number] < 0;
        upload->sizes[number] = size;
    }
    pthread_mutex_unlock(&lock);
    return upload != NULL;
}

bool store_abort(long id) {
    pthread_mutex_lock(&lock);
    struct upload *upload = find(id);
    if (upload) end(upload);
    pthread_mutex_unlock(&lock);
    return upload != NULL;
}

/* Not what a store does: bytes sent in a part that is not listed were sent for nothing, which must not be hidden. */
static bool is_exactly(const struct upload *upload, const struct part *parts, int count) {
    if (count != upload->parts) return false;
    for (int index = 0; index < count; index++) {
        int number = parts[index].number;
        if (number < 1 || number >= upload->room || upload->sizes[number] != parts[index].size) return false;
        if (index && number <= parts[index - 1].number) return false;
    }
    return true;
}

enum completed store_complete(long id, const struct part *parts, int count, const char *etag) {
    enum completed outcome = COMPLETED;
    int64_t size = 0;
    pthread_mutex_lock(&lock);
    struct upload *upload = find(id);
    if (!upload) {
        outcome = NO_SUCH_UPLOAD;
    } else if (!is_exactly(upload, parts, count)) {
        outcome = INVALID_PART;
    } else {
        for (int index = 0; index < count; index++) size += parts[index].size;
        put(upload->path, size, etag);
        end(upload);
    }
    pthread_mutex_unlock(&lock);
    return outcome;
}

bool store_list_parts(long id, struct buffer *rows) {
    char etag[ETAG_ROOM];
    pthread_mutex_lock(&lock);
    struct upload *upload = find(id);
    for (int number = 1; upload && number < upload->room; number++) {
        if (upload->sizes[number] < 0) continue;
        part_etag(number, upload->sizes[number], etag);
        buffer_print(rows, "<Part><PartNumber>%d</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "<ETag>\"%s\"</ETag><Size>%lld</Size></Part>", number, etag, (long long)upload->sizes[number]);
    }
    pthread_mutex_unlock(&lock);
    return upload != NULL;
}

void store_list_uploads(const char *bucket, struct buffer *rows) {
    size_t size = strlen(bucket);
    pthread_mutex_lock(&lock);
    for (long id = 0; id < upload_count; id++) {
        const char *path = uploads[id].path;
        if (!path || strncmp(path, bucket, size) != 0 || path[size] != '/') continue;
        buffer_print(rows, "<Upload><Key>%s</Key><UploadId>%ld</UploadId><Initiated>2026-01-01T00:00:00.000Z"
            "</Initiated></Upload>", path + size + 1, id);
    }
    pthread_mutex_unlock(&lock);
}

void store_count(int64_t bytes, int64_t more_requests, int64_t more_throttled, int64_t more_connections) {
    pthread_mutex_lock(&lock);
    received += bytes;
    requests += more_requests;
    throttled += more_throttled;
    connections += more_connections;
    pthread_mutex_unlock(&lock);
}

bool store_is_throttled(double now, double per_second) {
    pthread_mutex_lock(&lock);
    tokens += (now - refilled) * per_second;
    refilled = now;
    if (tokens > per_second / 10 + 1) tokens = per_second / 10 + 1;
    bool is_throttled = tokens < 1;
    if (!is_throttled) tokens -= 1;
    pthread_mutex_unlock(&lock);
    return is_throttled;
}

struct totals store_totals(const char *prefix) {
    struct totals totals = {0};
    size_t size = strlen(prefix);
    pthread_mutex_lock(&lock);
    for (int index = 0; index < BUCKETS; index++)
        for (struct object *object = objects[index]; object; object = object->next) {
            if (strncmp(object->path, prefix, size) != 0) continue;
            if (!totals.objects || object->size < totals.least) totals.least = object->size;
            if (object->size > totals.most) totals.most = object->size;
            totals.objects++;
            totals.bytes += object->size;
        }
    for (long id = 0; id < upload_count; id++)
        totals.open_uploads += uploads[id].path && strncmp(uploads[id].path, prefix, size) == 0;
    totals.received = received;
    totals.requests = requests;
    totals.throttled = throttled;
    totals.connections = connections;
    pthread_mutex_unlock(&lock);
    return totals;
}
