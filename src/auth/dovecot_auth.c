#include "auth/dovecot_auth.h"

#include "mail/base64.h"

void dovecot_print_greeting(struct buf *out, uint64_t process)
{
    buf_add(out, BYTES("VERSION\t1\t1\nCPID\t"));
    buf_add_u64(out, process);
    buf_add_byte(out, '\n');
}

static bool has_nul(struct bytes text)
{
    return bytes_find(text, 0) < text.len;
}

/* What would end a word or a line; a peer's address has none, but this is no place to trust. */
static bool is_word(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < 0x20)
            return false;
    return true;
}

bool dovecot_print_login(struct buf *out, uint32_t number, struct bytes peer, struct bytes user,
                         struct bytes password)
{
    uint8_t plain_room[DOVECOT_LINE_LIMIT / 2], line_room[DOVECOT_LINE_LIMIT];
    struct buf plain = {.at = plain_room, .cap = sizeof plain_room, .limit = sizeof plain_room};
    struct buf line = {.at = line_room, .cap = sizeof line_room, .limit = sizeof line_room};
    if (has_nul(user) || has_nul(password) || !is_word(peer))
        return false;
    buf_add_byte(&plain, 0);
    buf_add(&plain, user);
    buf_add_byte(&plain, 0);
    buf_add(&plain, password);
    buf_add(&line, BYTES("AUTH\t"));
    buf_add_u64(&line, number);
    buf_add(&line, BYTES("\tPLAIN\tservice=smtp\tnologin\tsecured"));
    if (peer.len) {
        buf_add(&line, BYTES("\trip="));
        buf_add(&line, peer);
    }
    buf_add(&line, BYTES("\tresp=")); /* has to be the last */
    bool is_good = !plain.overflowed;
    if (is_good) {
        base64_print(&line, buf_view(&plain));
        buf_add_byte(&line, '\n');
        is_good = !line.overflowed;
    }
    if (is_good)
        buf_add(out, buf_view(&line));
    return is_good && !out->overflowed;
}

static bool take_number(struct bytes *rest, uint32_t *out)
{
    struct bytes word;
    uint64_t number;
    (void)bytes_cut(*rest, '\t', &word, rest);
    if (!scan_u64(word, UINT32_MAX, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static struct dovecot_line scan_granted(struct bytes rest)
{
    struct dovecot_line line = {.kind = DOVECOT_GRANTED};
    struct bytes word;
    if (!take_number(&rest, &line.number))
        return (struct dovecot_line){.kind = DOVECOT_BAD};
    while (rest.len) {
        (void)bytes_cut(rest, '\t', &word, &rest);
        if (bytes_starts(word, BYTES("user=")))
            line.user = bytes_from(word, 5);
    }
    return line;
}

static struct dovecot_line scan_denied(struct bytes rest)
{
    struct dovecot_line line = {.kind = DOVECOT_DENIED};
    struct bytes word;
    if (!take_number(&rest, &line.number))
        return (struct dovecot_line){.kind = DOVECOT_BAD};
    while (rest.len) {
        (void)bytes_cut(rest, '\t', &word, &rest);
        if (bytes_equal(word, BYTES("temp")) || bytes_equal(word, BYTES("code=temp_fail")))
            line.kind = DOVECOT_FAILED;
    }
    return line;
}

/* PLAIN has one step: whoever wants another has not understood it. */
static struct dovecot_line scan_continued(struct bytes rest)
{
    struct dovecot_line line = {.kind = DOVECOT_FAILED};
    return take_number(&rest, &line.number) ? line : (struct dovecot_line){.kind = DOVECOT_BAD};
}

struct dovecot_line dovecot_scan_line(struct bytes text)
{
    struct bytes verb, rest, major;
    (void)bytes_cut(text, '\t', &verb, &rest);
    if (bytes_equal(verb, BYTES("OK")))
        return scan_granted(rest);
    if (bytes_equal(verb, BYTES("FAIL")))
        return scan_denied(rest);
    if (bytes_equal(verb, BYTES("CONT")))
        return scan_continued(rest);
    if (bytes_equal(verb, BYTES("DONE")))
        return (struct dovecot_line){.kind = DOVECOT_DONE};
    if (!bytes_equal(verb, BYTES("VERSION")))
        return (struct dovecot_line){.kind = verb.len ? DOVECOT_OTHER : DOVECOT_BAD};
    (void)bytes_cut(rest, '\t', &major, &rest);
    return (struct dovecot_line){.kind = bytes_equal(major, BYTES("1")) ? DOVECOT_VERSION
                                                                        : DOVECOT_BAD};
}

void dovecot_unescape(struct buf *out, struct bytes word)
{
    static const struct {
        uint8_t mark, byte;
    } marks[] = {{'0', 0}, {'1', 1}, {'t', '\t'}, {'r', '\r'}, {'n', '\n'}};
    for (size_t i = 0; i < word.len; i++) {
        uint8_t byte = word.at[i];
        if (byte == 1 && i + 1 < word.len) {
            byte = word.at[++i];
            for (size_t at = 0; at < COUNT(marks); at++)
                if (marks[at].mark == word.at[i])
                    byte = marks[at].byte;
        }
        buf_add_byte(out, byte);
    }
}
