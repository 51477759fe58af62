#include "auth/spf_record.h"

#include "auth/spf_macro.h"

enum { IPV4_BITS = IP_BITS - IP_MAPPED_BITS };

enum argument {
    NO_ARGUMENT,
    NEEDS_DOMAIN, /* ":" domain-spec */
    MAY_HAVE_DOMAIN,
    MAY_HAVE_CIDR, /* a domain-spec, prefix lengths of both families, or both */
    NEEDS_NETWORK,
};

static const struct {
    const char *name;
    enum spf_kind kind;
    enum argument argument;
} mechanisms[] = {
    {"all", SPF_ALL, NO_ARGUMENT},     {"include", SPF_INCLUDE, NEEDS_DOMAIN},
    {"a", SPF_A, MAY_HAVE_CIDR},       {"mx", SPF_MX, MAY_HAVE_CIDR},
    {"ptr", SPF_PTR, MAY_HAVE_DOMAIN}, {"ip4", SPF_IP4, NEEDS_NETWORK},
    {"ip6", SPF_IP6, NEEDS_NETWORK},   {"exists", SPF_EXISTS, NEEDS_DOMAIN},
};

/* Words that people write, and what to say to them. */
static const struct {
    const char *word, *why;
} slips[] = {
    {"ip", "is no mechanism; write ip4: or ip6:"},
    {"ipv4", "is no mechanism; write ip4:"},
    {"ipv6", "is no mechanism; write ip6:"},
    {"includes", "is no mechanism; write include:"},
    {"txt", "is no mechanism; write include:"},
    {"host", "is no mechanism; write a:"},
    {"redirect", "is a modifier; write redirect= with an equals sign"},
    {"exp", "is a modifier; write exp= with an equals sign"},
};

static bool fail(const char **why, const char *text)
{
    *why = text;
    return false;
}

/* --- Arguments ---------------------------------------------------------------------------------
 */

/* Cuts a prefix length behind `mark` off the end, if there is one. False: it is no good number
 * (RFC 7208, 5.6: no leading zeros). */
static bool cut_length(struct bytes *text, struct bytes mark, unsigned max, unsigned *out)
{
    size_t start = text->len;
    uint64_t number;
    while (start > 0 && ascii_is_digit(text->at[start - 1]))
        start--;
    if (start < mark.len || !bytes_equal(bytes_sub(*text, start - mark.len, mark.len), mark))
        return true;
    struct bytes digits = bytes_from(*text, start);
    if (digits.len == 0 || (digits.len > 1 && digits.at[0] == '0') ||
        !scan_u64(digits, max, &number))
        return false;
    *out = (unsigned)number;
    text->len = start - mark.len;
    return true;
}

static bool take_domain(struct bytes text, struct spf_term *out, const char **why)
{
    out->spec = text;
    if (text.len == 0)
        return fail(why, "has a \":\" or \"=\" and no domain behind it");
    return spf_macro_is_domain(text) ||
           fail(why, "needs a domain with a dot in it, of visible characters and valid macros");
}

static bool take_cidr(struct bytes text, struct spf_term *out, const char **why)
{
    if (!cut_length(&text, BYTES("//"), IP_BITS, &out->bits6))
        return fail(why, "has no good prefix length for IPv6 (//0 to //128)");
    if (!cut_length(&text, BYTES("/"), IPV4_BITS, &out->bits4))
        return fail(why, "has no good prefix length (/0 to /32, //0 to //128)");
    if (text.len == 0)
        return true;
    if (text.at[0] != ':')
        return fail(why, "has no good prefix length (/0 to /32, //0 to //128)");
    return take_domain(bytes_from(text, 1), out, why);
}

static bool take_network(struct bytes text, struct spf_term *out, const char **why)
{
    bool is_ipv4 = out->kind == SPF_IP4;
    unsigned *bits = is_ipv4 ? &out->bits4 : &out->bits6;
    const char *wrong = is_ipv4 ? "is no IPv4 network (ip4:192.0.2.0/24)"
                                : "is no IPv6 network (ip6:2001:db8::/32)";
    if (text.len == 0 || text.at[0] != ':')
        return fail(why, wrong);
    text = bytes_from(text, 1);
    if (!cut_length(&text, BYTES("/"), is_ipv4 ? IPV4_BITS : IP_BITS, bits))
        return fail(why, wrong);
    bool has_colon = bytes_find(text, ':') < text.len;
    if (has_colon == is_ipv4 || !ip_scan(text, &out->ip))
        return fail(why, wrong);
    return true;
}

static bool take_argument(enum argument argument, struct bytes text, struct spf_term *out,
                          const char **why)
{
    switch (argument) {
    case NO_ARGUMENT: return text.len == 0 || fail(why, "takes nothing behind its name");
    case MAY_HAVE_CIDR: return take_cidr(text, out, why);
    case NEEDS_NETWORK: return take_network(text, out, why);
    case MAY_HAVE_DOMAIN:
        if (text.len == 0)
            return true;
        /* fallthrough */
    case NEEDS_DOMAIN:
        if (text.len == 0 || text.at[0] != ':')
            return fail(why, "needs a \":\" and a domain behind its name");
        return take_domain(bytes_from(text, 1), out, why);
    }
    return false;
}

/* --- Terms -------------------------------------------------------------------------------------
 */

static bool qualifier_scan(uint8_t byte, enum spf_result *out)
{
    switch (byte) {
    case '+': *out = SPF_PASS; return true;
    case '-': *out = SPF_FAIL; return true;
    case '~': *out = SPF_SOFTFAIL; return true;
    case '?': *out = SPF_NEUTRAL; return true;
    default: return false;
    }
}

static bool take_mechanism(struct bytes text, struct spf_term *out, const char **why)
{
    size_t len = 0;
    if (text.len && qualifier_scan(text.at[0], &out->qualifier))
        text = bytes_from(text, 1);
    while (len < text.len && text.at[len] != ':' && text.at[len] != '/')
        len++;
    struct bytes name = bytes_sub(text, 0, len);
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        if (!bytes_equal_nocase(name, bytes_of(mechanisms[i].name)))
            continue;
        out->kind = mechanisms[i].kind;
        return take_argument(mechanisms[i].argument, bytes_from(text, len), out, why);
    }
    for (size_t i = 0; i < COUNT(slips); i++)
        if (bytes_equal_nocase(name, bytes_of(slips[i].word)))
            return fail(why, slips[i].why);
    return fail(why, "is no mechanism (all, include, a, mx, ptr, ip4, ip6, exists)");
}

/* The length of a modifier's name in front of its "="; 0: the term is none. */
static size_t modifier_name(struct bytes text)
{
    size_t len = 0;
    if (text.len == 0 || !ascii_is_alpha(text.at[0]))
        return 0;
    while (len < text.len && (ascii_is_alpha(text.at[len]) || ascii_is_digit(text.at[len]) ||
                              text.at[len] == '-' || text.at[len] == '_' || text.at[len] == '.'))
        len++;
    return len < text.len && text.at[len] == '=' ? len : 0;
}

static bool take_modifier(struct bytes text, size_t name_len, struct spf_term *out,
                          const char **why)
{
    struct bytes name = bytes_sub(text, 0, name_len), value = bytes_from(text, name_len + 1);
    bool is_redirect = bytes_equal_nocase(name, BYTES("redirect"));
    if (is_redirect || bytes_equal_nocase(name, BYTES("exp"))) {
        out->kind = is_redirect ? SPF_REDIRECT : SPF_EXP;
        return take_domain(value, out, why);
    }
    out->kind = SPF_UNKNOWN_MODIFIER;
    return spf_macro_is_valid(value, SPF_IN_MODIFIER) ||
           fail(why, "has a value that is not of visible characters and valid macros");
}

bool spf_record_begins(struct bytes text, struct bytes *terms)
{
    struct bytes version = BYTES("v=spf1");
    if (!bytes_starts_nocase(text, version))
        return false;
    *terms = bytes_from(text, version.len);
    return terms->len == 0 || terms->at[0] == ' ';
}

enum spf_term_status spf_term_next(struct bytes *terms, struct spf_term *out, const char **why)
{
    while (terms->len && terms->at[0] == ' ')
        *terms = bytes_from(*terms, 1);
    if (terms->len == 0)
        return SPF_TERM_END;
    *out = (struct spf_term){.qualifier = SPF_PASS, .bits4 = IPV4_BITS, .bits6 = IP_BITS};
    bytes_cut(*terms, ' ', &out->text, terms);
    size_t name_len = modifier_name(out->text);
    bool is_good = name_len ? take_modifier(out->text, name_len, out, why)
                            : take_mechanism(out->text, out, why);
    return is_good ? SPF_TERM_FOUND : SPF_TERM_BAD;
}

/* "These two modifiers MUST NOT appear in a record more than once each" (RFC 7208, 6). */
static bool note_modifier(struct bytes *place, const struct spf_term *term, struct spf_outline *out)
{
    if (place->len) {
        out->bad = term->text;
        return fail(&out->why, "is there a second time");
    }
    *place = term->spec;
    return true;
}

bool spf_record_outline(struct bytes terms, struct spf_outline *out)
{
    struct spf_term term;
    enum spf_term_status status;
    *out = (struct spf_outline){.has_all = false};
    while ((status = spf_term_next(&terms, &term, &out->why)) == SPF_TERM_FOUND) {
        out->has_all |= term.kind == SPF_ALL;
        if (term.kind == SPF_REDIRECT && !note_modifier(&out->redirect, &term, out))
            return false;
        if (term.kind == SPF_EXP && !note_modifier(&out->exp, &term, out))
            return false;
    }
    if (status == SPF_TERM_BAD)
        out->bad = term.text;
    return status == SPF_TERM_END;
}
