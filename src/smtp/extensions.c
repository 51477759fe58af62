#include "smtp/extensions.h"

static const struct {
    struct bytes keyword;
    unsigned offer;
} keywords[] = {
    {BYTES_INIT("PIPELINING"), OFFERS_PIPELINING},
    {BYTES_INIT("SIZE"), OFFERS_SIZE},
    {BYTES_INIT("8BITMIME"), OFFERS_8BITMIME},
    {BYTES_INIT("BINARYMIME"), OFFERS_BINARYMIME},
    {BYTES_INIT("CHUNKING"), OFFERS_CHUNKING},
    {BYTES_INIT("SMTPUTF8"), OFFERS_SMTPUTF8},
    {BYTES_INIT("DSN"), OFFERS_DSN},
    {BYTES_INIT("DELIVERBY"), OFFERS_DELIVERBY},
    {BYTES_INIT("STARTTLS"), OFFERS_STARTTLS},
};

void extensions_init(struct extensions *extensions)
{
    *extensions = (struct extensions){.mail_max = SIZE_MAX, .rcpt_max = SIZE_MAX};
}

/* RFC 9422, 4.1 and 4.2: up to six digits, not zero. */
static void limits_add(struct extensions *extensions, struct bytes parameters)
{
    while (parameters.len) {
        struct bytes limit, name, value;
        uint64_t number;
        bytes_cut(parameters, ' ', &limit, &parameters);
        bytes_cut(limit, '=', &name, &value);
        if (!scan_u64(value, 999999, &number) || !number)
            continue;
        if (bytes_equal_nocase(name, BYTES("MAILMAX")))
            extensions->mail_max = (size_t)number;
        else if (bytes_equal_nocase(name, BYTES("RCPTMAX")))
            extensions->rcpt_max = (size_t)number;
    }
}

/* RFC 2852, 2: up to nine digits; behind a comma, what may come one day. */
static void by_add(struct extensions *extensions, struct bytes parameters)
{
    struct bytes least, others;
    uint64_t seconds;
    bytes_cut(parameters, ',', &least, &others);
    if (scan_u64(least, 999999999, &seconds))
        extensions->by_min_s = seconds;
}

static void logins_add(struct extensions *extensions, struct bytes parameters)
{
    while (parameters.len) {
        struct bytes name;
        enum sasl_mechanism mechanism;
        bytes_cut(parameters, ' ', &name, &parameters);
        if (sasl_mechanism_find(name, &mechanism))
            extensions->logins |= 1U << mechanism;
    }
}

void extensions_add(struct extensions *extensions, struct bytes line)
{
    struct bytes keyword, parameters;
    bytes_cut(bytes_trim(line), ' ', &keyword, &parameters);
    for (size_t i = 0; i < COUNT(keywords); i++)
        if (bytes_equal_nocase(keyword, keywords[i].keyword))
            extensions->offers |= keywords[i].offer;
    if (bytes_equal_nocase(keyword, BYTES("SIZE"))) {
        uint64_t size_limit;
        if (scan_u64(bytes_trim(parameters), UINT64_MAX, &size_limit))
            extensions->size_limit = size_limit;
    } else if (bytes_equal_nocase(keyword, BYTES("LIMITS"))) {
        limits_add(extensions, parameters);
    } else if (bytes_equal_nocase(keyword, BYTES("AUTH"))) {
        logins_add(extensions, parameters);
    } else if (bytes_equal_nocase(keyword, BYTES("DELIVERBY"))) {
        by_add(extensions, bytes_trim(parameters));
    }
}
