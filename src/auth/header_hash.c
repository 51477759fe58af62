#include "auth/header_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "auth/tag.h"
#include "base/memory.h"

enum { FIRST_ROOM = 32 }; /* fields, which most messages have not */

struct field_index {
    size_t count;
    uint32_t *hashes; /* of names without case, so that most comparisons are of numbers */
    struct header_field *fields;
};

static uint32_t name_hash(struct bytes name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ ascii_lower(name.at[i])) * 16777619u;
    return hash;
}

struct field_index *field_index_new(struct bytes section)
{
    struct header_field field;
    size_t room = 0;
    struct field_index *index = NEW(struct field_index);
    while (header_next(&section, &field)) {
        if (index->count == FIELD_INDEX_LIMIT) {
            field_index_free(index);
            return NULL;
        }
        if (index->count == room) {
            room = room ? 2 * room : FIRST_ROOM;
            index->fields = memory_resize(index->fields, room, sizeof *index->fields);
            index->hashes = memory_resize(index->hashes, room, sizeof *index->hashes);
        }
        index->hashes[index->count] = name_hash(field.name);
        index->fields[index->count++] = field;
    }
    return index;
}

void field_index_free(struct field_index *index)
{
    if (!index)
        return;
    free(index->hashes);
    free(index->fields);
    free(index);
}

size_t field_index_count(const struct field_index *index)
{
    return index->count;
}

const struct header_field *field_index_view(const struct field_index *index, size_t place)
{
    ASSERT(place < index->count);
    return &index->fields[place];
}

/* Takes the next name of an h=; empty ones too. False: there is none left. */
static bool next_name(struct bytes *names, struct bytes *name)
{
    if (!names->at)
        return false;
    if (!bytes_cut(*names, ':', name, names))
        *names = BYTES_NONE;
    *name = bytes_trim(*name);
    return true;
}

bool signed_names_have(struct bytes names, struct bytes name)
{
    struct bytes item;
    while (next_name(&names, &item))
        if (bytes_equal_nocase(item, name))
            return true;
    return false;
}

/* The lowest field of that name that is not taken yet; NULL: none. */
static const struct header_field *pick(const struct field_index *index, struct bytes name,
                                       bool *is_taken)
{
    uint32_t hash = name_hash(name);
    for (size_t i = index->count; i-- > 0;) {
        if (index->hashes[i] != hash || is_taken[i])
            continue;
        if (name.len == 0 || !bytes_equal_nocase(index->fields[i].name, name))
            continue;
        is_taken[i] = true;
        return &index->fields[i];
    }
    return NULL;
}

/* The value of b= where it stands in the field's value: from behind the "=" to the semicolon. */
static struct bytes signature_within(struct bytes value)
{
    struct tag tag;
    struct bytes rest = value;
    while (tag_next(&rest, &tag) == TAG_FOUND) {
        if (!bytes_equal(tag.name, BYTES("b")))
            continue;
        size_t start = (size_t)(tag.name.at - value.at) + tag.name.len;
        start += bytes_find(bytes_from(value, start), '=') + 1;
        struct bytes behind = bytes_from(value, start);
        return bytes_sub(behind, 0, bytes_find(behind, ';'));
    }
    return BYTES_NONE;
}

void header_hash_own(struct buf *out, enum canonical_form form, const struct header_field *own)
{
    struct bytes cut = signature_within(own->value), whole = own->whole;
    struct buf bare;
    buf_init(&bare, whole.len);
    (void)buf_reserve(&bare, whole.len);
    size_t before = cut.at ? (size_t)(cut.at - whole.at) : whole.len;
    buf_add(&bare, bytes_sub(whole, 0, before));
    buf_add(&bare, bytes_from(whole, before + cut.len));
    struct header_field field;
    struct bytes rest = buf_view(&bare);
    if (header_next(&rest, &field)) {
        canonical_field(out, form, &field);
        out->len -= 2; /* its CRLF */
    }
    buf_done(&bare);
}

bool header_hash(const struct field_index *index, const struct header_cover *cover,
                 uint8_t digest[DIGEST_BYTES])
{
    bool is_taken[FIELD_INDEX_LIMIT]; /* of those that there are */
    struct bytes names = cover->names, name;
    struct buf form;
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++)
        is_taken[i] = index->fields[i].whole.at == cover->own->whole.at;
    buf_init(&form, SIZE_MAX);
    while (count <= SIGNED_NAMES_LIMIT && next_name(&names, &name)) {
        const struct header_field *field = pick(index, name, is_taken);
        if (field)
            canonical_field(&form, cover->form, field);
        count++;
    }
    /* Some reader shows the other From field, which anybody may have put there (RFC 6376, 8.15). */
    const struct header_field *other;
    while (signed_names_have(cover->names, BYTES("From")) &&
           (other = pick(index, BYTES("From"), is_taken)))
        canonical_field(&form, cover->form, other);
    header_hash_own(&form, cover->form, cover->own);
    if (count <= SIGNED_NAMES_LIMIT)
        ASSERT(EVP_Digest(form.at, form.len, digest, NULL, EVP_sha256(), NULL) == 1);
    buf_done(&form);
    return count <= SIGNED_NAMES_LIMIT;
}
