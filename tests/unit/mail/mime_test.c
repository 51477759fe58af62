/* The structure of messages, fed at once, byte by byte, and cut at every position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/mime.h"

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n"

/* What is wanted: an event a line, runs joined:
 *   0 f Name      a field of entity 0        0 h        its header section ends (h-: no blank line)
 *   0 c CONTENT   content                    0 ~ TEXT   filler
 *   0 | LINE      a delimiter; the entity is the one it leads to
 * CR and LF are shown as < and >. */
static const struct {
    const char *name, *text, *want;
} rows[] = {
    {"plain", "A: b\r\nC: d\r\n\r\nhi\r\nho\r\n", "0 f A\n0 f C\n0 h\n0 c hi<>ho<>\n"},
    {"nothing", "", "0 h-\n"},
    {"no body", "A: b\r\n", "0 f A\n0 h-\n"},
    {"no line end", "A: b\r\n\r\nhi", "0 f A\n0 h\n0 c hi\n"},
    {"a line that is no field", "A: b\r\nhi\r\n\r\nho", "0 f A\n0 h-\n0 c hi<><>ho\n"},
    {"From lines", "From x\r\n>From y\r\nA: b\r\n\r\n", "0 f \n0 f \n0 f A\n0 h\n"},
    {"folded", "A: b\r\n c\r\n\td\r\n\r\n", "0 f A\n0 h\n"},
    {"two parts",
     MIXED "\r\npre\r\n--b\r\nA: b\r\n\r\none\r\n--b\r\n\r\n\r\ntwo\r\n\r\n--b--\r\npost",
     "0 f Content-Type\n0 h\n0 ~ pre\n1 | <>--b<>\n1 f A\n1 h\n1 c one\n2 | <>--b<>\n2 h\n"
     "2 c <>two<>\n0 | <>--b--\n0 ~ <>post\n"},
    {"no preamble", MIXED "\r\n--b\r\n\r\n--b--\r\n",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n0 | --b--\n0 ~ <>\n"},
    {"padding", MIXED "\r\n--b \t\r\n\r\nx\r\n--b-- \r\n",
     "0 f Content-Type\n0 h\n1 | --b \t<>\n1 h\n1 c x\n0 | <>--b-- \n0 ~ <>\n"},
    {"lines that are none",
     MIXED "\r\n--b\r\n\r\n--bc\r\n--\r\n-\r\n --b\r\nx--b\r\n--b-\r\n--b--\r\n",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n1 c --bc<>--<>-<> --b<>x--b<>--b-\n0 | <>--b--\n"
     "0 ~ <>\n"},
    {"CR and LF alone", MIXED "\r\n--b\r\n\r\na\n--b\r\r\n\r--b\r\n--b\r\n--b--",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n1 c a>--b<<><--b\n2 | <>--b<>\n2 h-\n0 | --b--\n"},
    {"LF alone behind a delimiter", MIXED "\r\n--b\r\n\r\nx\r\n--b\n--b--\r\n--b--\n\r\n",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n1 c x<>--b>--b--<>--b--><>\n"},
    {"no end", MIXED "\r\n--b\r\n\r\nx\r\n", "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n1 c x<>\n"},
    {"delimiter in a header section", MIXED "\r\n--b\r\nA: b\r\n--b\r\n\r\nx",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 f A\n1 h-\n2 | --b<>\n2 h\n2 c x\n"},
    {"nested",
     MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n--b c\r\n\r\n"
           "x\r\n--b c--\r\n\r\n--b--\r\n",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 f Content-Type\n1 h\n2 | --b c<>\n2 h\n2 c x\n"
     "1 | <>--b c--\n1 ~ <>\n0 | <>--b--\n0 ~ <>\n"},
    {"nested, without its end",
     MIXED
     "\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n\r\ny",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 f Content-Type\n1 h\n2 | --c<>\n2 h\n2 c x\n3 | <>--b<>\n"
     "3 h\n3 c y\n"},
    {"message", MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx\r\n--b--",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 f Content-Type\n1 h\n2 f A\n2 h\n2 c x\n0 | <>--b--\n"},
    {"digest",
     "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nx\r\n--b--",
     "0 f Content-Type\n0 h\n1 | --b<>\n1 h\n2 f A\n2 h\n2 c x\n0 | <>--b--\n"},
    {"encoded message: opaque",
     "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nA: b\r\n\r\nx",
     "0 f Content-Type\n0 f Content-Transfer-Encoding\n0 h\n0 c A: b<><>x\n"},
    {"no boundary: opaque", "Content-Type: multipart/mixed\r\n\r\n--b\r\n",
     "0 f Content-Type\n0 h\n0 c --b<>\n"},
    {"the first type counts", MIXED "Content-Type: text/plain\r\n\r\n--b\r\n\r\nx",
     "0 f Content-Type\n0 f Content-Type\n0 h\n1 | --b<>\n1 h\n1 c x\n"},
};

struct trace {
    struct buf out, text;
    char last;
};

static void show(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(out, text.at[i] == '\r' ? '<' : text.at[i] == '\n' ? '>' : text.at[i]);
}

static void note(struct trace *trace, enum mime_event event, const struct mime *mime,
                 const struct mime_piece *piece)
{
    static const char marks[] = {[MIME_FIELD] = 'f',  [MIME_HEADER_END] = 'h', [MIME_CONTENT] = 'c',
                                 [MIME_FILLER] = '~', [MIME_DELIMITER] = '|',  [MIME_FAULT] = '!'};
    char mark = marks[event];
    bool is_run = event == MIME_CONTENT || event == MIME_FILLER;
    buf_add(&trace->text, piece->text);
    if (is_run && !piece->text.len)
        return;
    if (!is_run || trace->last != mark)
        buf_addf(&trace->out, "%s%zu %c", trace->out.len ? "\n" : "", mime_entity(mime)->number,
                 mark);
    if (event == MIME_HEADER_END)
        buf_add(&trace->out, piece->text.len ? BYTES("") : BYTES("-"));
    else if (!is_run || trace->last != mark)
        buf_add_byte(&trace->out, ' ');
    if (event == MIME_FIELD)
        buf_add(&trace->out, piece->field.name);
    else if (event != MIME_HEADER_END)
        show(&trace->out, piece->text);
    trace->last = mark;
}

static void feed(struct mime *mime, struct bytes piece, struct trace *trace)
{
    uint8_t *exact = malloc(piece.len ? piece.len : 1);
    if (piece.len)
        memcpy(exact, piece.at, piece.len);
    struct bytes rest = {exact, piece.len};
    struct mime_piece out;
    for (enum mime_event event; (event = mime_next(mime, &rest, &out)) != MIME_MORE;) {
        note(trace, event, mime, &out);
        if (event == MIME_FAULT)
            break;
    }
    free(exact);
}

/* step: so many bytes at a time; cut: two pieces. */
static void run(struct bytes text, size_t step, size_t cut, struct trace *trace)
{
    struct mime *mime = mime_new();
    *trace = (struct trace){.last = 0};
    buf_init(&trace->out, SIZE_MAX);
    buf_init(&trace->text, SIZE_MAX);
    if (cut) {
        feed(mime, bytes_sub(text, 0, cut), trace);
        feed(mime, bytes_from(text, cut), trace);
    } else {
        for (struct bytes rest = text; rest.len; rest = bytes_from(rest, step))
            feed(mime, bytes_sub(rest, 0, step), trace);
    }
    struct mime_piece out;
    for (enum mime_event event; (event = mime_finish(mime, &out)) != MIME_END;) {
        note(trace, event, mime, &out);
        if (event == MIME_FAULT)
            break;
    }
    buf_add_byte(&trace->out, '\n');
    mime_free(mime);
}

static void check(const char *name, struct bytes text, const char *want, size_t step, size_t cut)
{
    struct trace trace;
    run(text, step, cut, &trace);
    if (!bytes_equal(buf_view(&trace.out), bytes_of(want)))
        fail_msg("%s, step %zu, cut %zu:\n%.*s", name, step, cut, BYTES_ARGS(buf_view(&trace.out)));
    assert_true(bytes_equal(buf_view(&trace.text), text));
    buf_done(&trace.out);
    buf_done(&trace.text);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes text = bytes_of(rows[i].text);
        check(rows[i].name, text, rows[i].want, SIZE_MAX, 0);
        check(rows[i].name, text, rows[i].want, 1, 0);
        for (size_t cut = 1; cut < text.len; cut++)
            check(rows[i].name, text, rows[i].want, 0, cut);
    }
}

static const struct {
    const char *header;
    enum mime_kind kind;
    enum mime_encoding encoding;
} entities[] = {
    {"A: b\r\n", MIME_TEXT, MIME_ENCODING_7BIT},
    {"Content-Type: text/html\r\nContent-Transfer-Encoding: (x) 8BIT\r\n", MIME_TEXT,
     MIME_ENCODING_8BIT},
    {"Content-Type: image/png\r\nContent-Transfer-Encoding: Binary\r\n", MIME_OTHER,
     MIME_ENCODING_BINARY},
    {"Content-Type: nonsense\r\nContent-Transfer-Encoding: quoted-printable\r\n", MIME_TEXT,
     MIME_ENCODING_QUOTED},
    {"Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n", MIME_TEXT,
     MIME_ENCODING_BASE64},
    {"Content-Type: message/partial\r\nContent-Transfer-Encoding: x-strange\r\n", MIME_OPAQUE,
     MIME_ENCODING_OTHER},
    {"Content-Type: message/external-body\r\nContent-Transfer-Encoding: \r\n", MIME_OPAQUE,
     MIME_ENCODING_7BIT},
    {"Content-Type: multipart/mixed; boundary=\"\"\r\n", MIME_OPAQUE, MIME_ENCODING_7BIT},
};

static void test_entities(void **state)
{
    for (size_t i = 0; i < COUNT(entities); i++) {
        struct mime *mime = mime_new();
        struct bytes rest = bytes_of(entities[i].header);
        struct mime_piece piece;
        while (mime_next(mime, &rest, &piece) != MIME_MORE) {
        }
        while (mime_finish(mime, &piece) != MIME_END) {
        }
        const struct mime_entity *entity = mime_entity(mime);
        if (entity->kind != entities[i].kind || entity->encoding != entities[i].encoding)
            fail_msg("%s", entities[i].header);
        mime_free(mime);
    }
}

static void test_limits(void **state)
{
    struct buf text;
    struct trace trace;
    buf_init(&text, SIZE_MAX);
    /* Nested without end: what is too deep is content. */
    for (size_t i = 0; i < 2 * MIME_DEPTH; i++)
        buf_add(&text, BYTES("Content-Type: message/rfc822\r\n\r\n"));
    run(buf_view(&text), 100, 0, &trace);
    assert_true(bytes_equal(buf_view(&trace.text), buf_view(&text)));
    buf_done(&trace.out);
    buf_done(&trace.text);
    /* A field without end. */
    buf_clear(&text);
    buf_add(&text, BYTES("A: "));
    for (size_t i = 0; i < MIME_FIELD_LIMIT; i++)
        buf_add_byte(&text, 'a');
    run(buf_view(&text), 1000, 0, &trace);
    assert_true(bytes_search(buf_view(&trace.out), BYTES("!")) < trace.out.len);
    buf_done(&trace.out);
    buf_done(&trace.text);
    /* Parts without end. */
    buf_clear(&text);
    buf_add(&text, BYTES(MIXED "\r\n"));
    for (size_t i = 0; i <= MIME_ENTITIES; i++)
        buf_add(&text, BYTES("--b\r\n"));
    run(buf_view(&text), 1000, 0, &trace);
    assert_true(bytes_search(buf_view(&trace.out), BYTES("!")) < trace.out.len);
    buf_done(&trace.out);
    buf_done(&trace.text);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_entities),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
