#include "auth/body_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    FORMS = 2,
    CHUNK = 16 * 1024, /* bytes of a canonical body that are hashed at a time */
};

/* A canonical form in use. */
struct stream {
    enum canonical_form form;
    struct canonical_body body;
    EVP_MD_CTX *context; /* NULL: nobody asked for it */
    uint64_t len;        /* bytes hashed */
};

/* A hash that was asked for. */
struct want {
    enum canonical_form form;
    uint64_t limit;
    bool is_done; /* the limit was reached */
    struct body_digest answer;
};

struct body_hash {
    struct stream streams[FORMS]; /* by enum canonical_form */
    struct want *wants;
    size_t want_count, want_room;
    bool has_begun, has_ended;
};

struct body_hash *body_hash_new(void)
{
    struct body_hash *hash = NEW(struct body_hash);
    for (size_t i = 0; i < FORMS; i++) {
        hash->streams[i].form = (enum canonical_form)i;
        canonical_body_init(&hash->streams[i].body, hash->streams[i].form);
    }
    return hash;
}

void body_hash_free(struct body_hash *hash)
{
    if (!hash)
        return;
    for (size_t i = 0; i < FORMS; i++)
        EVP_MD_CTX_free(hash->streams[i].context);
    free(hash->wants);
    free(hash);
}

static void begin(struct stream *stream)
{
    if (stream->context)
        return;
    stream->context = EVP_MD_CTX_new();
    ASSERT(stream->context && EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) == 1);
}

int body_hash_want(struct body_hash *hash, enum canonical_form form, uint64_t limit)
{
    for (size_t i = 0; i < hash->want_count; i++)
        if (hash->wants[i].form == form && hash->wants[i].limit == limit)
            return (int)i;
    ASSERT(!hash->has_begun);
    if (hash->want_count == BODY_HASH_LIMIT)
        return -1;
    begin(&hash->streams[form]);
    if (hash->want_count == hash->want_room) {
        hash->want_room = hash->want_room * 2 + 2;
        hash->wants = memory_resize(hash->wants, hash->want_room, sizeof *hash->wants);
    }
    hash->wants[hash->want_count] = (struct want){.form = form, .limit = limit};
    return (int)hash->want_count++;
}

/* The hash of what came so far, which goes on from here. */
static void settle(struct want *want, const struct stream *stream)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    ASSERT(copy && EVP_MD_CTX_copy_ex(copy, stream->context) == 1);
    ASSERT(EVP_DigestFinal_ex(copy, want->answer.digest, NULL) == 1);
    EVP_MD_CTX_free(copy);
    want->is_done = true;
}

/* The nearest limit that lies within the next `len` bytes, as a distance; len when none does. Those
 * that are reached are settled. */
static size_t settle_reached(struct body_hash *hash, const struct stream *stream, size_t len)
{
    for (size_t i = 0; i < hash->want_count; i++) {
        struct want *want = &hash->wants[i];
        if (want->is_done || want->form != stream->form || want->limit == BODY_WHOLE)
            continue;
        if (want->limit == stream->len)
            settle(want, stream);
        else if (want->limit - stream->len < len)
            len = (size_t)(want->limit - stream->len);
    }
    return len;
}

static void hash_bytes_of(struct body_hash *hash, struct stream *stream, struct bytes form)
{
    while (form.len) {
        size_t len = settle_reached(hash, stream, form.len);
        ASSERT(EVP_DigestUpdate(stream->context, form.at, len) == 1);
        stream->len += len;
        form = bytes_from(form, len);
    }
}

void body_hash_add(struct body_hash *hash, struct bytes text)
{
    uint8_t chunk[CHUNK];
    ASSERT(!hash->has_ended);
    hash->has_begun = true;
    for (size_t i = 0; i < FORMS; i++) {
        struct stream *stream = &hash->streams[i];
        struct bytes rest = text;
        while (stream->context && rest.len) {
            size_t len = canonical_body_add(&stream->body, &rest, chunk, CHUNK);
            hash_bytes_of(hash, stream, (struct bytes){chunk, len});
        }
    }
}

void body_hash_end(struct body_hash *hash)
{
    uint8_t chunk[CHUNK];
    ASSERT(!hash->has_ended);
    hash->has_begun = hash->has_ended = true;
    for (size_t i = 0; i < FORMS; i++) {
        struct stream *stream = &hash->streams[i];
        size_t len;
        while (stream->context && (len = canonical_body_end(&stream->body, chunk, CHUNK)))
            hash_bytes_of(hash, stream, (struct bytes){chunk, len});
    }
    for (size_t i = 0; i < hash->want_count; i++) {
        struct want *want = &hash->wants[i];
        const struct stream *stream = &hash->streams[want->form];
        want->answer.body_bytes = stream->len;
        want->answer.is_short = want->limit != BODY_WHOLE && want->limit > stream->len;
        if (!want->is_done)
            settle(want, stream);
    }
}

bool body_hash_has_ended(const struct body_hash *hash)
{
    return hash->has_ended;
}

const struct body_digest *body_hash_view(const struct body_hash *hash, int place)
{
    ASSERT(hash->has_ended && place >= 0 && (size_t)place < hash->want_count);
    return &hash->wants[place].answer;
}
