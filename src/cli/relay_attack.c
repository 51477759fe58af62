#include "cli/relay_attack.h"

#define ORDINARY "<{user}@{far}>"

const struct attack attacks[] = {
    {"stranger", "mail of a stranger to a stranger", NULL, "<{user}@{far}>", "<{user}@{far}>",
     ATTACK_PLAIN},
    {"null-sender", "a report's empty sender", NULL, "<>", "<{user}@{far}>", ATTACK_PLAIN},
    {"local-sender", "a sender in the server's own domain", NULL, "<postmaster@{near}>",
     "<{user}@{far}>", ATTACK_PLAIN},
    {"host-sender", "a sender at the server's own name", NULL, "<root@{host}>", "<{user}@{far}>",
     ATTACK_PLAIN},
    {"literal-sender", "a sender at the server's own address", NULL, "<postmaster@[{ip}]>",
     "<{user}@{far}>", ATTACK_PLAIN},
    {"localhost-sender", "a sender at localhost", NULL, "<root@localhost>", "<{user}@{far}>",
     ATTACK_PLAIN},
    {"bare-sender", "a sender without a domain", NULL, "<postmaster>", "<{user}@{far}>",
     ATTACK_PLAIN},
    {"hidden-sender", "a route in the sender", NULL, "<{user}%{far}@{near}>", "<{user}@{far}>",
     ATTACK_PLAIN},
    {"host-greeting", "a client that greets with the server's own name", "{host}",
     "<postmaster@{near}>", "<{user}@{far}>", ATTACK_PLAIN},
    {"localhost-greeting", "a client that greets as localhost", "localhost", "<root@localhost>",
     "<{user}@{far}>", ATTACK_PLAIN},
    {"literal-greeting", "a client that greets with a loopback address", "[127.0.0.1]", "<>",
     "<{user}@{far}>", ATTACK_PLAIN},
    {"upper-case", "capital letters", NULL, ORDINARY, "<{USER}@{FAR}>", ATTACK_PLAIN},
    {"final-dot", "a dot behind the domain", NULL, ORDINARY, "<{user}@{far}.>", ATTACK_PLAIN},
    {"no-brackets", "an address without its brackets", NULL, ORDINARY, "{user}@{far}",
     ATTACK_PLAIN},
    {"subdomain", "a name below the server's own domain", NULL, ORDINARY,
     "<{user}@relay-audit.{near}>", ATTACK_PLAIN},
    {"suffix", "a domain that ends like the server's own", NULL, ORDINARY,
     "<{user}@relay-audit-{near}>", ATTACK_PLAIN},
    {"prefix", "a domain that begins like the server's own", NULL, ORDINARY,
     "<{user}@{near}.{far}>", ATTACK_PLAIN},
    {"source-route", "a source route by the domain", NULL, ORDINARY, "<@{near}:{user}@{far}>",
     ATTACK_PLAIN},
    {"host-route", "a source route by the host", NULL, ORDINARY, "<@{host}:{user}@{far}>",
     ATTACK_PLAIN},
    {"literal-route", "a source route by the address", NULL, ORDINARY, "<@[{ip}]:{user}@{far}>",
     ATTACK_PLAIN},
    {"long-route", "a source route of several hosts", NULL, ORDINARY,
     "<@{near},@{host}:{user}@{far}>", ATTACK_PLAIN},
    {"foreign-literal", "somebody else's address as a literal", NULL, ORDINARY,
     "<{user}@[203.0.113.1]>", ATTACK_PLAIN},
    {"percent-hack", "a % in place of the @", NULL, ORDINARY, "<{user}%{far}@{near}>",
     ATTACK_AT_DOMAIN},
    {"percent-host", "a %, at the server's name", NULL, ORDINARY, "<{user}%{far}@{host}>",
     ATTACK_AT_HOST},
    {"percent-literal", "a %, at the server's address", NULL, ORDINARY, "<{user}%{far}@[{ip}]>",
     ATTACK_AT_LITERAL},
    {"percent-bare", "a %, and no domain", NULL, ORDINARY, "<{user}%{far}>", ATTACK_BARE},
    {"percent-chain", "two of them", NULL, ORDINARY, "<{user}%{far}%{near}@{host}>",
     ATTACK_AT_HOST},
    {"bang-path", "a path of UUCP", NULL, ORDINARY, "<{far}!{user}@{near}>", ATTACK_AT_DOMAIN},
    {"bang-host", "a path of UUCP, at the server's name", NULL, ORDINARY, "<{far}!{user}@{host}>",
     ATTACK_AT_HOST},
    {"bang-literal", "a path of UUCP, at the server's address", NULL, ORDINARY,
     "<{far}!{user}@[{ip}]>", ATTACK_AT_LITERAL},
    {"bang-bare", "a path of UUCP, and no domain", NULL, ORDINARY, "<{far}!{user}>", ATTACK_BARE},
    {"bang-chain", "a path of UUCP by the domain", NULL, ORDINARY, "<{near}!{far}!{user}>",
     ATTACK_BARE},
    {"two-ats", "an address with two @", NULL, ORDINARY, "<{user}@{far}@{near}>", ATTACK_AT_DOMAIN},
    {"quoted-at", "an address in quotes in front of the @", NULL, ORDINARY,
     "<\"{user}@{far}\"@{near}>", ATTACK_AT_DOMAIN},
    {"quoted-bare", "an address in quotes, and no domain", NULL, ORDINARY, "<\"{user}@{far}\">",
     ATTACK_BARE},
    {"quoted-literal", "an address in quotes, at the server's address", NULL, ORDINARY,
     "<\"{user}@{far}\"@[{ip}]>", ATTACK_AT_LITERAL},
    {"quoted-percent", "a % in quotes", NULL, ORDINARY, "<\"{user}%{far}\"@{near}>",
     ATTACK_AT_DOMAIN},
    {"quoted-bang", "a path of UUCP in quotes", NULL, ORDINARY, "<\"{far}!{user}\"@{near}>",
     ATTACK_AT_DOMAIN},
    {"escaped-at", "an @ behind a backslash", NULL, ORDINARY, "<{user}\\@{far}@{near}>",
     ATTACK_AT_DOMAIN},
    {"wide-at", "the wide @ of UTF-8 (U+FF20)", NULL, ORDINARY, "<{user}\xEF\xBC\xA0{far}@{near}>",
     ATTACK_AT_DOMAIN},
    {"nul", "a NUL behind the stranger's domain", NULL, ORDINARY, "<{user}@{far}{nul}@{near}>",
     ATTACK_AT_DOMAIN},
    {"bad-utf8", "bytes that are no UTF-8 behind the domain", NULL, ORDINARY,
     "<{user}@{far}\xC0\x80.{near}>", ATTACK_PLAIN},
    {"bare-literal", "the server's own address as a literal", NULL, ORDINARY, "<{user}@[{ip}]>",
     ATTACK_AT_LITERAL},
};
const size_t attack_count = COUNT(attacks);

#define NOBODY "relay-audit-no-such-mailbox"

const char *const attack_nobodies[ATTACK_FORMS] = {
    [ATTACK_AT_DOMAIN] = "<" NOBODY "@{near}>",
    [ATTACK_AT_HOST] = "<" NOBODY "@{host}>",
    [ATTACK_AT_LITERAL] = "<" NOBODY "@[{ip}]>",
    [ATTACK_BARE] = "<" NOBODY ">",
};

static void add_upper(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_small = text.at[i] >= 'a' && text.at[i] <= 'z';
        buf_add_byte(out, is_small ? (uint8_t)(text.at[i] - 'a' + 'A') : text.at[i]);
    }
}

static void add_literal(struct buf *out, const struct ip *ip)
{
    if (!ip_is_ipv4(ip))
        buf_add(out, BYTES("IPv6:"));
    ip_print(out, ip);
}

static void add_word(struct buf *out, struct bytes word, const struct attack_terms *terms)
{
    if (bytes_equal(word, BYTES("user")))
        buf_add(out, terms->user);
    else if (bytes_equal(word, BYTES("USER")))
        add_upper(out, terms->user);
    else if (bytes_equal(word, BYTES("far")))
        buf_add(out, terms->far);
    else if (bytes_equal(word, BYTES("FAR")))
        add_upper(out, terms->far);
    else if (bytes_equal(word, BYTES("near")))
        buf_add(out, terms->near);
    else if (bytes_equal(word, BYTES("host")))
        buf_add(out, terms->host);
    else if (bytes_equal(word, BYTES("ip")))
        add_literal(out, &terms->ip);
    else if (bytes_equal(word, BYTES("nul")))
        buf_add_byte(out, 0);
    else
        ASSERT(false);
}

void attack_print(struct buf *out, const char *template, const struct attack_terms *terms)
{
    struct bytes rest = bytes_of(template), text, word;
    while (bytes_cut(rest, '{', &text, &rest)) {
        buf_add(out, text);
        bytes_cut(rest, '}', &word, &rest);
        add_word(out, word, terms);
    }
    buf_add(out, text);
}

enum attack_outcome attack_judge(const struct attack *attack, int code,
                                 enum attack_knowledge knowledge)
{
    if (code == 0 || code == 421)
        return ATTACK_BROKEN;
    if (code / 100 == 5)
        return ATTACK_REFUSED;
    if (code / 100 != 2)
        return ATTACK_LATER;
    switch (knowledge) {
    case ATTACK_KNOWS_LOCAL: return ATTACK_LOCAL;
    case ATTACK_KNOWS_FOREIGN: return ATTACK_OPEN;
    case ATTACK_KNOWS_ANYTHING: return attack->form == ATTACK_PLAIN ? ATTACK_OPEN : ATTACK_UNCLEAR;
    case ATTACK_KNOWS_NOTHING: return ATTACK_OPEN;
    }
    return ATTACK_UNCLEAR;
}
