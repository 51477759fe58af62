/* The client's side of SASL: the RFC's example, a server that lies, and both sides joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/sasl_client.h"
#include "smtp/scram.h"

enum { LINES = 6 };

#define FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

/* Our first message (NULL: the server speaks first), then challenges and what is said to them; "-"
 * at the beginning: nothing, and why. At the end "+" or "-": may the server say yes? */
static const struct {
    const char *name;
    enum sasl_mechanism mechanism;
    const char *first, *lines[LINES], *end;
} rows[] = {
    {"RFC 7677, 3", SASL_SCRAM_SHA_256, FIRST, {SERVER_FIRST, FINAL, SERVER_FINAL, ""}, "+"},
    {"extensions are let be",
     SASL_SCRAM_SHA_256,
     FIRST,
     {SERVER_FIRST, FINAL, SERVER_FINAL ",x=y", ""},
     "+"},
    {"yes before the proof", SASL_SCRAM_SHA_256, FIRST, {SERVER_FIRST, FINAL}, "-"},
    {"yes at once", SASL_SCRAM_SHA_256, FIRST, {NULL}, "-"},
    {"another signature",
     SASL_SCRAM_SHA_256,
     FIRST,
     {SERVER_FIRST, FINAL,
      "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "-the server does not prove*"},
     NULL},
    {"no signature",
     SASL_SCRAM_SHA_256,
     FIRST,
     {SERVER_FIRST, FINAL, "e=invalid-proof", "-the server does not prove*"},
     NULL},
    {"short signature",
     SASL_SCRAM_SHA_256,
     FIRST,
     {SERVER_FIRST, FINAL, "v=AAAA", "-the server does not prove*"},
     NULL},
    {"goes on",
     SASL_SCRAM_SHA_256,
     FIRST,
     {SERVER_FIRST, FINAL, SERVER_FINAL, "", "x", "-the server goes on*"},
     NULL},
    {"nonce of another",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "-the server's first*"},
     NULL},
    {"nothing added to the nonce",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "-the server's first*"},
     NULL},
    {"no salt", SASL_SCRAM_SHA_256, FIRST, {"r=" NONCE ",s=,i=4096", "-the server's salt*"}, NULL},
    {"salt no base64",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=" NONCE ",s=?,i=4096", "-the server's salt*"},
     NULL},
    {"few iterations",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=" NONCE ",s=YWJj,i=4095", "-the server asks for too few*"},
     NULL},
    {"many iterations",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=" NONCE ",s=YWJj,i=4000000000", "-the server asks for too few*"},
     NULL},
    {"iterations no number",
     SASL_SCRAM_SHA_256,
     FIRST,
     {"r=" NONCE ",s=YWJj,i=-1", "-the server's first*"},
     NULL},
    {"nothing", SASL_SCRAM_SHA_256, FIRST, {"", "-the server's first*"}, NULL},
    {"plain", SASL_PLAIN, "|user|pencil", {NULL}, "+"},
    {"plain goes on", SASL_PLAIN, "|user|pencil", {"x", "-the server goes on*"}, NULL},
    {"login", SASL_LOGIN, NULL, {"Username:", "user", "Password:", "pencil"}, "+"},
    {"login, yes after the name", SASL_LOGIN, NULL, {"Username:", "user"}, "-"},
    {"login goes on",
     SASL_LOGIN,
     NULL,
     {"", "user", "", "pencil", "", "-the server goes on*"},
     NULL},
};

static bool is_like(struct bytes got, const char *want)
{
    uint8_t room[500];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    for (; *want; want++)
        buf_add_byte(&text, *want == '|' ? 0 : (uint8_t)*want);
    struct bytes view = buf_view(&text);
    return view.len && view.at[view.len - 1] == '*'
               ? bytes_starts(got, bytes_sub(view, 0, view.len - 1))
               : bytes_equal(got, view);
}

static void exchanges_hold(void **state)
{
    const struct sasl_credential credential = {
        .user = BYTES("user"), .password = BYTES("pencil"), .nonce = BYTES("rOprNGfwEbeRWgbNEkqO")};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sasl_client *client = sasl_client_new(rows[i].mechanism, &credential);
        struct bytes message;
        bool has_first = sasl_client_first(client, &message);
        if (has_first != (rows[i].first != NULL) || (has_first && !is_like(message, rows[i].first)))
            fail_msg("%s: first", rows[i].name);
        for (size_t line = 0; line < LINES && rows[i].lines[line]; line += 2) {
            const char *why = "", *want = rows[i].lines[line + 1];
            bool is_said =
                sasl_client_respond(client, bytes_of(rows[i].lines[line]), &message, &why);
            if (is_said == (want[0] == '-') ||
                !is_like(is_said ? message : bytes_of(why), want + !is_said))
                fail_msg("%s: to \"%s\": %s", rows[i].name, rows[i].lines[line], why);
        }
        if (rows[i].end && sasl_client_may_end(client) != (rows[i].end[0] == '+'))
            fail_msg("%s: the end", rows[i].name);
        sasl_client_free(client);
    }
}

static void the_strongest_is_chosen(void **state)
{
    enum { P = 1 << SASL_PLAIN, L = 1 << SASL_LOGIN, S = 1 << SASL_SCRAM_SHA_256 };
    enum { B = 1 << SASL_SCRAM_SHA_256_PLUS, X = 1 << SASL_XOAUTH2 };
    static const struct {
        unsigned offered;
        enum sasl_binding binding;
        int want; /* -1: none */
    } choices[] = {
        {P | L | S | B | X, SASL_TLS_EXPORTER, SASL_SCRAM_SHA_256_PLUS},
        {P | L | S | B | X, SASL_UNBOUND, SASL_SCRAM_SHA_256},
        {P | L, SASL_TLS_EXPORTER, SASL_PLAIN},
        {L | X, SASL_UNBOUND, SASL_LOGIN},
        {B | X, SASL_UNBOUND, -1},
        {0, SASL_TLS_EXPORTER, -1},
    };
    for (size_t i = 0; i < COUNT(choices); i++) {
        enum sasl_mechanism mechanism = SASL_EXTERNAL;
        bool is_there = sasl_client_choose(choices[i].offered, choices[i].binding, &mechanism);
        assert_int_equal(is_there ? (int)mechanism : -1, choices[i].want);
    }
}

/* --- Both sides ------------------------------------------------------------------------------ */

struct secret {
    const char *user, *password, *known; /* as the client, and as the server has it */
    enum sasl_binding binding;
    const char *seen; /* the binding as the server sees it */
};

static struct sasl_answer judge(const struct secret *secret, const struct sasl_question *question)
{
    static uint8_t signature[SCRAM_HASH];
    struct scram_keys keys;
    struct sasl_answer answer = {.account = BYTES("account"),
                                 .salt = BYTES("0123456789abcdef"),
                                 .iterations = SCRAM_ITERATIONS_LEAST,
                                 .nonce = BYTES("theirs"),
                                 .binding = bytes_of(secret->seen),
                                 .signature = {signature, sizeof signature}};
    bool is_good = bytes_equal(question->user, bytes_of(secret->user));
    if (question->kind == SASL_ASK_PASSWORD)
        is_good &= bytes_equal(question->secret, bytes_of(secret->known));
    if (question->kind == SASL_ASK_SCRAM_SALT)
        is_good &= question->binding == secret->binding;
    if (question->kind == SASL_ASK_SCRAM_PROOF)
        is_good &= scram_derive(bytes_of(secret->known), answer.salt, answer.iterations, &keys) &&
                   scram_check(&keys, question->auth_message, question->proof, signature);
    answer.verdict = is_good ? SASL_GRANTED : SASL_DENIED;
    return answer;
}

static bool talk(enum sasl_mechanism mechanism, const struct secret *secret)
{
    struct sasl_credential credential = {.user = bytes_of(secret->user),
                                         .password = bytes_of(secret->password),
                                         .nonce = BYTES("ours"),
                                         .binding = secret->binding,
                                         .binding_data = BYTES("channel")};
    struct sasl_client *client = sasl_client_new(mechanism, &credential);
    struct sasl *server = sasl_new(mechanism, 1U << mechanism);
    struct bytes message;
    const char *why;
    enum sasl_step step =
        sasl_client_first(client, &message) ? sasl_respond(server, message) : sasl_begin(server);
    while (step == SASL_CHALLENGE || step == SASL_ASK) {
        struct sasl_answer answer;
        if (step == SASL_ASK) {
            answer = judge(secret, sasl_question(server));
            step = sasl_answer(server, &answer);
        } else if (sasl_client_respond(client, sasl_challenge(server), &message, &why)) {
            step = sasl_respond(server, message);
        } else {
            fail_msg("%s", why);
        }
    }
    bool is_in = step == SASL_SUCCESS && sasl_client_may_end(client);
    assert_true(is_in == (step == SASL_SUCCESS));
    sasl_client_free(client);
    sasl_free(server);
    return is_in;
}

static void both_sides_agree(void **state)
{
    static const enum sasl_mechanism mechanisms[] = {SASL_PLAIN, SASL_LOGIN, SASL_SCRAM_SHA_256,
                                                     SASL_SCRAM_SHA_256_PLUS};
    static const struct {
        struct secret secret;
        bool is_in;
    } secrets[] = {
        {{"ann@example.org", "secret", "secret", SASL_TLS_EXPORTER, "channel"}, true},
        {{"ann@example.org", "secret", "Secret", SASL_TLS_EXPORTER, "channel"}, false},
        {{"a=2C,b", "p,=\xc3\xa9", "p,=\xc3\xa9", SASL_TLS_SERVER_END_POINT, "channel"}, true},
        {{"j\xc3\xbcrg", "e\xcc\x81", "\xc3\xa9", SASL_TLS_EXPORTER, "channel"}, true},
    };
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        for (size_t k = 0; k < COUNT(secrets); k++) {
            struct secret secret = secrets[k].secret;
            if (mechanisms[i] == SASL_SCRAM_SHA_256)
                secret.binding = SASL_UNBOUND;
            if (talk(mechanisms[i], &secret) != secrets[k].is_in)
                fail_msg("mechanism %zu, secret %zu", i, k);
        }
    /* A man in the middle has two channels. */
    struct secret caught = secrets[0].secret;
    caught.seen = "another";
    assert_false(talk(SASL_SCRAM_SHA_256_PLUS, &caught));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_hold),
        cmocka_unit_test(the_strongest_is_chosen),
        cmocka_unit_test(both_sides_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
