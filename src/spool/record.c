#include "spool/record.h"

#include <string.h>
#include <xxhash.h>

static const uint32_t MAGIC = 0x31725350; /* "PSr1" */

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

static uint64_t inline_len(const struct record *record)
{
    return record->flags & RECORD_HAS_FILE ? 0 : record->body_len;
}

uint64_t record_bytes(const struct record *record)
{
    return aligned(RECORD_HEADER + (uint64_t)record->meta_len + record->prefix_len +
                   inline_len(record));
}

uint64_t record_bytes_for(size_t meta_len, size_t prefix_len, size_t body_len)
{
    return aligned(RECORD_HEADER + (uint64_t)meta_len + prefix_len + body_len);
}

uint64_t record_message_bytes(const struct record *record)
{
    return record->prefix_len + record->body_len - record->body_skip;
}

static uint64_t header_sum(const struct record *record, uint64_t salt)
{
    return XXH3_64bits_withSeed(record, offsetof(struct record, header_sum), salt);
}

void record_seal(struct record *record, uint64_t salt)
{
    record->magic = MAGIC;
    record->header_sum = header_sum(record, salt);
}

bool record_read(const uint8_t *at, uint64_t room, uint64_t salt, uint64_t generation,
                 struct record *out)
{
    if (room < RECORD_HEADER)
        return false;
    struct record record;
    memcpy(&record, at, sizeof record);
    if (record.magic != MAGIC || record.generation != generation ||
        record.header_sum != header_sum(&record, salt))
        return false;
    if (inline_len(&record) > room || record_bytes(&record) > room ||
        record.body_skip > record.body_len)
        return false;
    *out = record;
    return true;
}

bool record_is_whole(const struct record *record, const uint8_t *whole)
{
    const uint8_t *head = whole + RECORD_HEADER;
    size_t head_len = (size_t)record->meta_len + record->prefix_len;
    if (XXH3_64bits(head, head_len) != record->head_sum)
        return false;
    return (record->flags & RECORD_HAS_FILE) ||
           XXH3_64bits(head + head_len, record->body_len) == record->body_sum;
}
