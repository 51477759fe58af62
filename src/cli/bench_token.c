#include "cli/bench_token.h"

#include <string.h>

enum { LOOK_LIMIT = 64 * 1024, RUN_DIGITS = 16 };

#define FIELD BYTES("X-Bench-Id: ")

void bench_token_print(struct buf *out, uint64_t run, uint64_t number)
{
    buf_add(out, FIELD);
    buf_addf(out, "%016llx.", (unsigned long long)run);
    buf_add_u64(out, number);
    buf_add(out, BYTES("\r\n"));
}

/* Reads RUN.NUMBER CR at the front; the CR shows that the number is whole. */
static bool scan_token(struct bytes text, uint64_t run, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    struct bytes number = bytes_sub(text, 0, bytes_find(text, '\r'));
    if (number.len == text.len || number.len <= RUN_DIGITS || number.at[RUN_DIGITS] != '.')
        return false;
    for (size_t i = 0; i < RUN_DIGITS; i++)
        if (number.at[i] != (uint8_t)digits[run >> (60 - 4 * i) & 15])
            return false;
    return scan_u64(bytes_from(number, RUN_DIGITS + 1), UINT64_MAX, out);
}

static void look(struct bench_token_search *search, uint64_t run, struct bytes text)
{
    size_t at = bytes_search(text, FIELD);
    if (at == text.len)
        return;
    struct bytes token = bytes_sub(text, at + FIELD.len, BENCH_TOKEN_LIMIT - FIELD.len);
    search->has_number = search->is_over = scan_token(token, run, &search->number);
}

void bench_token_look(struct bench_token_search *search, uint64_t run, struct bytes text)
{
    if (search->is_over || !text.len)
        return;
    if (search->tail_len) {
        /* The token may be cut by the pieces: the end of the last with the front of this one. */
        uint8_t joint[2 * BENCH_TOKEN_LIMIT];
        struct bytes front = bytes_sub(text, 0, BENCH_TOKEN_LIMIT);
        memcpy(joint, search->tail, search->tail_len);
        memcpy(joint + search->tail_len, front.at, front.len);
        look(search, run, (struct bytes){joint, search->tail_len + front.len});
    }
    if (!search->is_over)
        look(search, run, bytes_sub(text, 0, LOOK_LIMIT));
    search->seen += text.len;
    search->is_over |= search->seen >= LOOK_LIMIT;
    struct bytes end =
        bytes_from(text, text.len > BENCH_TOKEN_LIMIT ? text.len - BENCH_TOKEN_LIMIT : 0);
    size_t kept = BENCH_TOKEN_LIMIT - end.len < search->tail_len ? BENCH_TOKEN_LIMIT - end.len
                                                                 : search->tail_len;
    memmove(search->tail, search->tail + search->tail_len - kept, kept);
    memcpy(search->tail + kept, end.at, end.len);
    search->tail_len = kept + end.len;
}
