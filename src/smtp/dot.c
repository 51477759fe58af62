#include "smtp/dot.h"

#include <string.h>

/* Text is looked at in blocks of this size, several bytes a cycle. Only a block in which a line
 * starts with a dot, or with something wrong in it, is gone through line by line. */
enum { BLOCK = 512 };

void dot_init(struct dot *dot, enum text_form form, size_t line_limit)
{
    *dot = (struct dot){.line_limit = line_limit, .form = form, .position = AT_LINE_START};
}

static enum text_position position_after(uint8_t last)
{
    return last == '\n' ? AT_LINE_START : last == '\r' ? AFTER_CR : IN_LINE;
}

/* Bytes looked at together; compilers make of it what the machine has. */
typedef uint8_t lanes __attribute__((vector_size(16)));

static inline lanes lanes_load(const uint8_t *at)
{
    lanes loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

static inline lanes lanes_of(uint8_t byte)
{
    return (lanes){0} + byte;
}

static inline bool lanes_are_zero(lanes set)
{
    uint64_t words[sizeof set / sizeof(uint64_t)];
    memcpy(words, &set, sizeof set);
    return !(words[0] | words[1]);
}

/* Are the len bytes (whole lanes) free of faults and of dots at line starts? at[-1] is there and is
 * what stands before them; *high says whether a byte over 127 is among them. */
static bool lanes_are_plain(const uint8_t *at, size_t len, uint8_t dot_byte, bool *high)
{
    const lanes cr = lanes_of('\r'), lf = lanes_of('\n'), dot = lanes_of(dot_byte);
    lanes odd = {0}, all = {0};
    for (size_t i = 0; i < len; i += sizeof(lanes)) {
        lanes now = lanes_load(at + i), before = lanes_load(at + i - 1);
        odd |= (lanes)((now == lf) ^ (before == cr)) | (lanes)((now == dot) & (before == lf)) |
               (lanes)(now == 0);
        all |= now;
    }
    *high = !lanes_are_zero(all & lanes_of(128));
    return lanes_are_zero(odd);
}

/* Is the block free of faults and of dots at line starts? If so it is taken into account. */
static bool block_is_plain(struct dot *dot, const uint8_t *at, size_t len)
{
    if (dot->line_limit && len > dot->line_limit - dot->line_len)
        return false;
    /* Without dots to look for, one look at NUL more: a NUL is never plain. */
    uint8_t dot_byte = dot->form == TEXT_DOTTED ? '.' : 0;
    bool odd = (at[0] == '\n') != (dot->position == AFTER_CR) || at[0] == 0 ||
               (at[0] == dot_byte && dot->position == AT_LINE_START);
    size_t whole = (len - 1) / sizeof(lanes) * sizeof(lanes);
    bool high;
    if (odd || !lanes_are_plain(at + 1, whole, dot_byte, &high))
        return false;
    uint8_t all = at[0];
    for (size_t i = 1 + whole; i < len; i++) {
        odd |= (at[i] == '\n') != (at[i - 1] == '\r') || at[i] == 0 ||
               (at[i] == dot_byte && at[i - 1] == '\n');
        all |= at[i];
    }
    if (odd)
        return false;
    dot->has_8bit |= high || all > 127;
    dot->position = position_after(at[len - 1]);
    const uint8_t *newest = memrchr(at, '\n', len);
    dot->line_len = newest ? len - (size_t)(newest - at) - 1 : dot->line_len + len;
    return true;
}

/* The index of the byte at which a CR or LF proves to stand alone; SIZE_MAX for none. The piece is
 * (a part of) one line: an LF is its last byte. */
static size_t find_bare_newline(const struct dot *dot, const uint8_t *at, size_t len)
{
    if (dot->position == AFTER_CR && at[0] != '\n')
        return 0;
    const uint8_t *cr = memchr(at, '\r', len);
    size_t behind = cr ? (size_t)(cr - at) + 1 : len;
    if (behind < len && at[behind] != '\n')
        return behind;
    if (!cr && at[len - 1] == '\n' && !(len == 1 && dot->position == AFTER_CR))
        return len - 1;
    return SIZE_MAX;
}

/* The first fault of the piece, so that it does not depend on how the input was cut. */
static enum text_fault find_fault(const struct dot *dot, const uint8_t *at, size_t len)
{
    size_t bare = find_bare_newline(dot, at, len);
    const uint8_t *zero = memchr(at, 0, len);
    size_t nul = zero ? (size_t)(zero - at) : SIZE_MAX;
    size_t over = dot->line_limit ? dot->line_limit - dot->line_len : SIZE_MAX;
    if (bare != SIZE_MAX && bare <= nul && bare <= over)
        return TEXT_BARE_NEWLINE;
    if (nul != SIZE_MAX && nul <= over)
        return TEXT_NUL;
    return over < len ? TEXT_LONG_LINE : TEXT_GOOD;
}

/* Takes one line, or what there is of it. */
static size_t line_take(struct dot *dot, const uint8_t *at, size_t len)
{
    const uint8_t *newline = memchr(at, '\n', len);
    size_t count = newline ? (size_t)(newline - at) + 1 : len;
    if (!dot->fault)
        dot->fault = find_fault(dot, at, count);
    for (size_t i = 0; i < count; i++)
        dot->has_8bit |= at[i] > 127;
    bool is_end = newline && (count > 1 ? at[count - 2] == '\r' : dot->position == AFTER_CR);
    dot->position = is_end ? AT_LINE_START : newline ? IN_LINE : position_after(at[count - 1]);
    /* Once it no longer matters the length stays put, so that it can never wrap. */
    dot->line_len = is_end || dot->fault ? 0 : dot->line_len + count;
    return count;
}

/* The bytes behind a dot that began a line: CRLF is the end of data, a CR without LF a fault,
 * anything else is text and the dot was stuffing (RFC 5321, 4.5.2). */
static bool dot_resolve(struct dot *dot, struct bytes *input)
{
    while (input->len && (dot->position == AFTER_DOT || dot->position == AFTER_DOT_CR)) {
        uint8_t next = input->at[0];
        if (dot->position == AFTER_DOT) {
            dot->position = next == '\r' ? AFTER_DOT_CR : IN_LINE;
            if (next == '\r')
                *input = bytes_from(*input, 1);
            continue;
        }
        if (next == '\n') {
            *input = bytes_from(*input, 1);
            return true;
        }
        dot->position = AFTER_CR; /* what follows will show that this CR stands alone */
    }
    return false;
}

/* The length of the run at the front: to the next dot at a line start or the end of the input. */
static size_t run_take(struct dot *dot, struct bytes input)
{
    size_t len = 0;
    while (len < input.len) {
        size_t block = input.len - len < BLOCK ? input.len - len : BLOCK;
        if (block_is_plain(dot, input.at + len, block)) {
            len += block;
            continue;
        }
        for (size_t end = len + block; len < end;) {
            if (dot->position == AT_LINE_START && dot->form == TEXT_DOTTED && input.at[len] == '.')
                return len;
            len += line_take(dot, input.at + len, end - len);
        }
    }
    return len;
}

enum dot_event dot_next(struct dot *dot, struct bytes *input, struct bytes *text)
{
    while (input->len) {
        if (dot->position == AFTER_DOT || dot->position == AFTER_DOT_CR) {
            if (dot_resolve(dot, input))
                return DOT_END;
            continue;
        }
        enum text_fault before = dot->fault;
        size_t len = run_take(dot, *input);
        struct bytes run = bytes_sub(*input, 0, len);
        *input = bytes_from(*input, len);
        if (dot->fault && !before)
            return DOT_FAULT;
        if (len == 0) {
            *input = bytes_from(*input, 1);
            dot->position = AFTER_DOT;
        } else if (!dot->fault) {
            *text = run;
            return DOT_TEXT;
        }
    }
    return DOT_MORE;
}

bool dot_finish(struct dot *dot)
{
    if (!dot->fault && dot->position == AFTER_CR)
        dot->fault = TEXT_BARE_NEWLINE;
    return !dot->fault;
}
