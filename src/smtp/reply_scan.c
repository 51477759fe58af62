#include "smtp/reply_scan.h"

#include <string.h>

enum { CODE_LEN = 3 };

void reply_scan_begin(struct reply_scan *scan)
{
    scan->code = 0;
    scan->line_count = 0;
    scan->fault = NULL;
    scan->status[0] = '\0';
    scan->is_complete = false;
    scan->text_len = 0;
}

static void text_add(struct reply_scan *scan, struct bytes words)
{
    words = bytes_sub(words, 0, REPLY_TEXT_LIMIT - scan->text_len);
    for (size_t i = 0; i < words.len; i++) {
        uint8_t byte = words.at[i];
        scan->text[scan->text_len++] = byte < ' ' || byte == 0x7F ? '?' : byte;
    }
}

void reply_scan_say(struct reply_scan *scan, struct bytes text)
{
    scan->text_len = 0;
    text_add(scan, text);
}

struct bytes reply_scan_text(const struct reply_scan *scan)
{
    return (struct bytes){scan->text, scan->text_len};
}

/* The length of the enhanced status code (RFC 2034, 3: class "." 1*3digit "." 1*3digit) that the
 * words begin with; 0 for none of this class. */
static size_t status_len(struct bytes words, int class)
{
    struct bytes status, class_part, rest, subject, detail;
    uint64_t number;
    bytes_cut(words, ' ', &status, &rest);
    if (!bytes_cut(status, '.', &class_part, &rest) || !bytes_cut(rest, '.', &subject, &detail) ||
        subject.len > 3 || detail.len > 3 || !scan_u64(subject, 999, &number) ||
        !scan_u64(detail, 999, &number) || class_part.len != 1 || class_part.at[0] != '0' + class)
        return 0;
    return status.len;
}

/* Takes one line, without its end, into the reply. */
static bool line_add(struct reply_scan *scan, struct bytes line, struct bytes *words)
{
    uint64_t code;
    struct bytes rest = bytes_from(line, CODE_LEN);
    if (!scan_u64(bytes_sub(line, 0, CODE_LEN), 599, &code) || line.len < CODE_LEN || code < 200 ||
        (rest.len && rest.at[0] != ' ' && rest.at[0] != '-')) {
        scan->fault = "is not an SMTP reply";
        return false;
    }
    /* All lines bear the same code (RFC 5321, 4.2.1): what is no such thing may be the pieces of
     * two replies, and then nothing after it can be matched with a command. */
    if (scan->line_count && (int)code != scan->code) {
        scan->fault = "has another code than the lines before it";
        return false;
    }
    if (++scan->line_count > REPLY_LINES_LIMIT) {
        scan->fault = "is one of too many in a reply";
        return false;
    }
    scan->code = (int)code;
    scan->is_complete = rest.len == 0 || rest.at[0] == ' ';
    *words = bytes_from(rest, 1);
    return true;
}

static void line_keep(struct reply_scan *scan, struct bytes line, struct bytes words)
{
    size_t len = status_len(words, scan->code / 100);
    if (scan->line_count == 1) {
        text_add(scan, bytes_sub(line, 0, CODE_LEN));
        memcpy(scan->status, words.at, len);
        scan->status[len] = '\0';
    } else if (bytes_equal(bytes_sub(words, 0, len), bytes_of(scan->status))) {
        /* Each line has it (RFC 2034, 4); once is enough to read. */
        words = bytes_trim(bytes_from(words, len));
    }
    if (words.len) {
        text_add(scan, BYTES(" "));
        text_add(scan, words);
    }
}

enum reply_scan_event reply_scan_next(struct reply_scan *scan, struct bytes *input,
                                      struct bytes *words)
{
    if (scan->is_complete)
        reply_scan_begin(scan);
    /* LF alone ends a line here, unlike in what a server hears: no second meaning can hide
     * behind it, for whoever sends replies may send any reply. */
    size_t end = bytes_find(*input, '\n');
    if (end >= REPLY_LINE_LIMIT) {
        scan->fault = "is longer than any reply";
        return SCAN_BAD;
    }
    if (end == input->len)
        return SCAN_MORE;
    struct bytes line = bytes_sub(*input, 0, end);
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    if (!line_add(scan, line, words))
        return SCAN_BAD;
    line_keep(scan, line, *words);
    *input = bytes_from(*input, end + 1);
    return scan->is_complete ? SCAN_REPLY : SCAN_LINE;
}
