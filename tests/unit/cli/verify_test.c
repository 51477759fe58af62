/* What `postrider verify` reads: its options, and messages with LF as line ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/verify_file.h"
#include "cli/verify_plan.h"

enum { WORD_LIMIT = 40 };

static const struct {
    const char *words; /* with spaces between them */
    const char *error; /* what it begins with; "": there is none */
} rows[] = {
    {"letter.eml", ""},
    {"-", ""},
    {"letter.eml --ip 192.0.2.1", ""},
    {"--ip 192.0.2.1 --from a@b.example", ""},
    {"--ip=2001:db8::1 --helo=mail.example --json --zone=z.json --time=0", ""},
    {"--header-from a@b.example", ""},
    {"--header-from a@b.example --header-from c@d.example --dkim-pass e --dkim-pass f", ""},
    {"--header-from a@b.example --ip 192.0.2.1 --from a@b.example", ""},
    {"", "what is there to verify?"},
    {"--json", "what is there to verify?"},
    {"a.eml b.eml", "one FILE at a time, not b.eml too"},
    {"--ip 192.0.2.1", "--ip needs --from or --helo"},
    {"--from a@b.example", "--helo and --from need --ip"},
    {"a.eml --helo b.example", "--helo and --from need --ip"},
    {"--ip 192.0.2 --helo a.example", "192.0.2 is no IP address"},
    {"a.eml --time -1", "-1 is no time in seconds"},
    {"a.eml --time 1.5", "1.5 is no time in seconds"},
    {"a.eml --header-from a@b.example", "--header-from is in place of a FILE"},
    {"a.eml --dkim-pass b.example", "--dkim-pass and --spf-pass need --header-from"},
    {"a.eml --ip", "--ip needs a value: ADDRESS"},
    {"a.eml --json=yes", "no value belongs to --json"},
    {"a.eml --fast", "there is no option --fast"},
    {"a.eml -z", "there is no option -z"},
};

static void options_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[1024], *words[WORD_LIMIT], *place = text;
        size_t count = 0;
        struct verify_plan plan;
        struct error err = {.text = ""};
        snprintf(text, sizeof text, "%s", rows[i].words);
        while (*place) {
            assert_true(count < WORD_LIMIT);
            words[count++] = place;
            place += strcspn(place, " ");
            if (*place)
                *place++ = 0;
        }
        bool is_read = verify_plan_read(words, count, &plan, &err);
        if (is_read == (rows[i].error[0] != 0) ||
            strncmp(err.text, rows[i].error, strlen(rows[i].error)) != 0)
            fail_msg("%s: %s", rows[i].words, is_read ? "taken" : err.text);
    }
}

static void a_plan_has_what_was_said(void **state)
{
    char *words[] = {"--ip",   "192.0.2.1", "--from=<>", "--helo", "h.example", "--lf",
                     "--time", "17",        "--zone",    "z.json", "letter.eml"};
    struct verify_plan plan;
    struct error err;
    struct ip ip;
    assert_true(ip_scan(BYTES("192.0.2.1"), &ip));
    assert_true(verify_plan_read(words, COUNT(words), &plan, &err));
    assert_true(plan.has_ip && memcmp(&plan.ip, &ip, sizeof ip) == 0);
    assert_string_equal(plan.mail_from, "<>");
    assert_string_equal(plan.helo, "h.example");
    assert_string_equal(plan.zone, "z.json");
    assert_string_equal(plan.file, "letter.eml");
    assert_int_equal(plan.now_s, 17);
    assert_true(plan.is_lf && !plan.is_json && !plan.config);
}

static const struct {
    const char *text;
    bool is_lf;
    const char *with_cr;
} files[] = {
    {"", true, ""},
    {"a", true, "a"},
    {"a\n\nb\n", true, "a\r\n\r\nb\r\n"},
    {"a\r\nb\n", false, "a\r\nb\r\n"},
    {"\n", true, "\r\n"},
    {"\r\n", false, "\r\n"},
    {"a\rb\n", true, "a\rb\r\n"},
};

static void line_ends_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        struct bytes text = bytes_of(files[i].text);
        struct buf out;
        buf_init(&out, 256);
        verify_file_add_cr(&out, text);
        if (verify_file_is_lf(text) != files[i].is_lf ||
            !bytes_equal(buf_view(&out), bytes_of(files[i].with_cr)))
            fail_msg("row %zu: %.*s", i, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_by_table),
        cmocka_unit_test(a_plan_has_what_was_said),
        cmocka_unit_test(line_ends_by_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
