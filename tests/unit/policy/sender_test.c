/* What an account may send as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/sender.h"

enum { ARENA = 1 << 20 };

/* ann has an account at example.org; she is granted ceo@example.org and all of ann.example. */
static const struct bytes own[] = {BYTES_INIT("ceo@example.org"), BYTES_INIT("@ann.example")};
static const struct sender_rights ann = {BYTES_INIT("ann@example.org"), own, COUNT(own)};

static struct recipients *make_recipients(void)
{
    struct recipients *recipients = recipients_new(1);
    struct bytes domain = BYTES("example.org");
    assert_true(recipients_add_domain(recipients, domain, MAILBOXES_LISTED));
    recipients_set_delimiter(recipients, domain, '+');
    recipients_add_mailbox(recipients, domain, BYTES("ann"));
    recipients_add_mailbox(recipients, domain, BYTES("bob"));
    recipients_add_alias(recipients, domain, BYTES("sales"), BYTES("ann@example.org"));
    recipients_add_alias(recipients, domain, BYTES("team"), BYTES("bob@example.org"));
    recipients_add_alias(recipients, domain, BYTES("team"), BYTES("sales@example.org"));
    recipients_add_alias(recipients, domain, BYTES("bobs"), BYTES("bob@example.org"));
    recipients_add_alias(recipients, domain, BYTES("loop"), BYTES("loop2@example.org"));
    recipients_add_alias(recipients, domain, BYTES("loop2"), BYTES("loop@example.org"));
    assert_true(recipients_add_domain(recipients, BYTES("any.example"), MAILBOXES_LISTED));
    recipients_set_catch_all(recipients, BYTES("any.example"), BYTES("ann@example.org"));
    return recipients;
}

static const struct {
    const char *name, *path;
    bool is_accepted;
} paths[] = {
    {"itself", "ann@example.org", true},
    {"in another case", "Ann@EXAMPLE.org", true},
    {"in quotes", "\"ann\"@example.org", true},
    {"with a detail", "ann+list@example.org", true},
    {"null", "", true},
    {"granted", "ceo@example.org", true},
    {"of a granted domain", "whoever@Ann.Example", true},
    {"of a domain below it", "whoever@sub.ann.example", false},
    {"alias", "sales@example.org", true},
    {"alias of several, through another", "team@example.org", true},
    {"catch-all", "x@any.example", true},
    {"another's", "bob@example.org", false},
    {"an alias of another's", "bobs@example.org", false},
    {"nobody's", "nobody@example.org", false},
    {"an alias in a circle", "loop@example.org", false},
    {"elsewhere", "ann@example.com", false},
    {"a longer domain", "ann@example.org.example", false},
    {"a longer name", "joann@example.org", false},
    {"the detail first", "bob+ann@example.org", false},
};

static void paths_are_judged(void **state)
{
    struct recipients *recipients = make_recipients();
    struct arena *arena = arena_new(ARENA);
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct sender_verdict verdict =
            sender_check_path(recipients, &ann, bytes_of(paths[i].path), arena);
        if (verdict.is_accepted != paths[i].is_accepted)
            fail_msg("%s", paths[i].name);
        if (verdict.is_accepted)
            continue;
        assert_int_equal(verdict.code, 550);
        assert_string_equal(verdict.rule, "sender");
        assert_true(bytes_starts(verdict.text, bytes_of(paths[i].path)));
    }
    arena_free(arena);
    recipients_free(recipients);
}

static const struct {
    const char *name, *section, *rule; /* NULL: accepted */
} sections[] = {
    {"own", "From: Ann <ann@example.org>\r\nTo: x@example.net\r\n", NULL},
    {"no From", "To: x@example.net\r\n", NULL},
    {"nothing", "", NULL},
    {"several, all own", "From: ann@example.org, Sales <sales@example.org>\r\n", NULL},
    {"with Sender", "From: sales@example.org\r\nSender: ann@example.org\r\n", NULL},
    {"another's", "From: Ann <bob@example.org>\r\n", "sender-from"},
    {"another's in a comment", "From: ann@example.org (bob@example.org)\r\n", NULL},
    {"another's as a name", "From: \"bob@example.org\" <ann@example.org>\r\n", NULL},
    {"one of two", "From: ann@example.org, boss@example.net\r\n", "sender-from"},
    {"the second field", "From: ann@example.org\r\nFROM: bob@example.org\r\n", "sender-from"},
    {"folded", "From:\r\n Ann\r\n <bob@example.org>\r\n", "sender-from"},
    {"another's Sender", "From: ann@example.org\r\nSender: bob@example.org\r\n", "sender-field"},
    {"Sender does not help", "From: bob@example.org\r\nSender: ann@example.org\r\n", "sender-from"},
    {"no address", "From: Ann\r\n", "sender-from"},
    {"empty", "From:\r\n", "sender-from"},
    {"a group of nobody", "From: undisclosed:;\r\n", "sender-from"},
    {"of a group", "From: us: ann@example.org, bob@example.org;\r\n", "sender-from"},
    {"Sender without an address", "From: ann@example.org\r\nSender: x\r\n", "sender-field"},
};

static void sections_are_judged(void **state)
{
    struct recipients *recipients = make_recipients();
    struct arena *arena = arena_new(ARENA);
    for (size_t i = 0; i < COUNT(sections); i++) {
        struct bytes text = bytes_of(sections[i].section);
        uint8_t *exact = malloc(text.len ? text.len : 1);
        if (text.len)
            memcpy(exact, text.at, text.len);
        struct sender_verdict verdict =
            sender_check_section(recipients, &ann, (struct bytes){exact, text.len}, arena);
        if (verdict.is_accepted != !sections[i].rule ||
            (verdict.rule && strcmp(verdict.rule, sections[i].rule) != 0))
            fail_msg("%s: %s", sections[i].name, verdict.rule ? verdict.rule : "");
        assert_true(verdict.is_accepted || verdict.text.len);
        free(exact);
        arena_reset(arena);
    }
    arena_free(arena);
    recipients_free(recipients);
}

/* With no room to say it well, it is still refused. */
static void memory_is_bounded(void **state)
{
    struct recipients *recipients = make_recipients();
    struct arena *arena = arena_new(16);
    struct sender_verdict verdict =
        sender_check_section(recipients, &ann, BYTES("From: ann@example.org\r\n"), arena);
    assert_false(verdict.is_accepted);
    verdict = sender_check_path(recipients, &ann, BYTES("bob@example.org"), arena);
    assert_false(verdict.is_accepted);
    assert_true(verdict.text.len);
    arena_free(arena);
    recipients_free(recipients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_judged),
        cmocka_unit_test(sections_are_judged),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
