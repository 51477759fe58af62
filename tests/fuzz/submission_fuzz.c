/* Submissions: a message put right needs no more, has exactly one From and no Bcc, keeps every
 * other field, and grows no more than it is said to. */
#include "mail/header.h"
#include "mail/submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t fields_kept(struct bytes section)
{
    size_t bytes = 0;
    struct header_field field;
    while (header_next(&section, &field))
        if (!bytes_equal_nocase(field.name, BYTES("Bcc")) &&
            !bytes_equal_nocase(field.name, BYTES("Resent-Bcc")))
            bytes += field.whole.len;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct submission submission = {0, 1, BYTES("mx.example.org"), BYTES("ann@example.org")};
    struct bytes input = {data, size};
    size_t length;
    struct bytes section = header_end(input, &length) ? bytes_sub(input, 0, length) : input;
    struct buf out, again;
    buf_init(&out, size + SUBMISSION_GROWTH);
    buf_init(&again, size + 2 * SUBMISSION_GROWTH);
    if (submission_check(&submission, section, &out) == SUBMISSION_REWRITTEN) {
        ASSERT(!out.overflowed && out.len >= fields_kept(section));
        ASSERT(submission_check(&submission, buf_view(&out), &again) == SUBMISSION_UNCHANGED);
        ASSERT(header_count(buf_view(&out), BYTES("From")) == 1);
        ASSERT(header_count(buf_view(&out), BYTES("Bcc")) == 0);
        ASSERT(header_count(buf_view(&out), BYTES("Resent-Bcc")) == 0);
    } else {
        ASSERT(out.len == 0);
    }
    buf_done(&out);
    buf_done(&again);
    return 0;
}
