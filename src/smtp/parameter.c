#include "smtp/parameter.h"

#include "base/instant.h"
#include "mail/xtext.h"
#include "smtp/command.h"

enum { SECONDS_DIGITS = 9 }; /* RFC 2852, 4 and RFC 4865, 3 */

/* Where a parameter writes: one of the two is NULL. */
struct target {
    const struct parameter_terms *terms;
    struct mail_parameters *mail;
    struct rcpt_parameters *rcpt;
};

static struct smtp_answer fine(void)
{
    return (struct smtp_answer){.code = 0};
}

static struct smtp_answer bad(const char *text)
{
    return (struct smtp_answer){501, BYTES("5.5.4"), bytes_of(text)};
}

static bool digits(struct bytes text, size_t limit, int64_t *out)
{
    uint64_t number;
    if (text.len > limit || !scan_u64(text, INT64_MAX, &number))
        return false;
    *out = (int64_t)number;
    return true;
}

static struct smtp_answer read_size(struct bytes value, struct target *target)
{
    uint64_t size;
    if (value.len > 20 || !scan_u64(value, UINT64_MAX, &size))
        return bad("SIZE= takes a number of bytes");
    if (size > target->terms->settings->size_limit)
        return (struct smtp_answer){552, BYTES("5.3.4"),
                                    BYTES("Message larger than the SIZE this server offers; send "
                                          "a smaller one")};
    target->mail->declared_size = size;
    return fine();
}

static struct smtp_answer read_body(struct bytes value, struct target *target)
{
    if (bytes_equal_nocase(value, BYTES("7BIT")))
        target->mail->body = BODY_7BIT;
    else if (bytes_equal_nocase(value, BYTES("8BITMIME")))
        target->mail->body = BODY_8BITMIME;
    else if (bytes_equal_nocase(value, BYTES("BINARYMIME")))
        target->mail->body = BODY_BINARYMIME;
    else
        return bad("BODY= takes 7BIT, 8BITMIME or BINARYMIME");
    return fine();
}

/* Who first sent it, by a sender's word (RFC 4954, 5). Nobody here takes another's word for that,
 * so only the form is looked at, as the RFC wants of servers that do not. */
static struct smtp_answer read_auth(struct bytes value, struct target *target)
{
    if (!bytes_equal(value, BYTES("<>")) && !xtext_is_valid(value))
        return bad("AUTH= takes <> or an address in xtext (RFC 4954)");
    return fine();
}

static struct smtp_answer read_smtputf8(struct bytes value, struct target *target)
{
    target->mail->is_smtputf8 = true;
    return fine();
}

static struct smtp_answer read_ret(struct bytes value, struct target *target)
{
    if (bytes_equal_nocase(value, BYTES("FULL")))
        target->mail->ret = RET_FULL;
    else if (bytes_equal_nocase(value, BYTES("HDRS")))
        target->mail->ret = RET_HDRS;
    else
        return bad("RET= takes FULL or HDRS");
    return fine();
}

static struct smtp_answer read_envid(struct bytes value, struct target *target)
{
    if (!envid_is_valid(value))
        return bad("ENVID= takes at most 100 characters of printable xtext (RFC 3461)");
    target->mail->envid = value;
    return fine();
}

/* RFC 2852, 4: sign, up to nine digits, ";", N or R, and T for a trace. */
static struct smtp_answer read_by(struct bytes value, struct target *target)
{
    struct bytes time, mode;
    int64_t seconds;
    bytes_cut(value, ';', &time, &mode);
    bool is_negative = time.len && time.at[0] == '-';
    if (time.len && (time.at[0] == '-' || time.at[0] == '+'))
        time = bytes_from(time, 1);
    bool has_trace = mode.len == 2 && ascii_lower(mode.at[1]) == 't';
    uint8_t letter = mode.len == 1 || has_trace ? ascii_lower(mode.at[0]) : 0;
    if (!digits(time, SECONDS_DIGITS, &seconds) || (letter != 'n' && letter != 'r'))
        return bad("BY= takes seconds, ';' and N or R, with T for a trace (RFC 2852)");
    if (is_negative)
        seconds = -seconds;
    if (letter == 'r' && seconds <= 0)
        return bad("BY= with R takes more than 0 seconds (RFC 2852)");
    target->mail->by_mode = letter == 'r' ? BY_RETURN : BY_NOTIFY;
    target->mail->by_trace = has_trace;
    target->mail->by_ms = target->terms->wall_ms + seconds * 1000;
    return fine();
}

static struct smtp_answer read_hold_for(struct bytes value, struct target *target)
{
    int64_t seconds;
    if (target->mail->hold_until_ms)
        return bad("Give HOLDFOR= or HOLDUNTIL=, not both (RFC 4865)");
    if (!digits(value, SECONDS_DIGITS, &seconds) || value.at[0] == '0')
        return bad("HOLDFOR= takes a number of seconds above 0 (RFC 4865)");
    if (seconds > target->terms->settings->hold_limit_ms / 1000)
        return bad("HOLDFOR= is longer than the EHLO reply allows");
    target->mail->hold_until_ms = target->terms->wall_ms + seconds * 1000;
    return fine();
}

static struct smtp_answer read_hold_until(struct bytes value, struct target *target)
{
    int64_t instant;
    if (target->mail->hold_until_ms)
        return bad("Give HOLDFOR= or HOLDUNTIL=, not both (RFC 4865)");
    if (!bytes_ends_nocase(value, BYTES("Z")) || !instant_scan(value, &instant))
        return bad("HOLDUNTIL= takes an instant in UTC like 2026-11-24T03:07:04Z (RFC 4865)");
    if (instant <= target->terms->wall_ms)
        return bad("HOLDUNTIL= has passed already");
    if (instant - target->terms->wall_ms > target->terms->settings->hold_limit_ms)
        return bad("HOLDUNTIL= is later than the EHLO reply allows");
    target->mail->hold_until_ms = instant;
    return fine();
}

static struct smtp_answer read_notify(struct bytes value, struct target *target)
{
    static const struct {
        struct bytes word;
        uint8_t bit;
    } words[] = {
        {BYTES_INIT("NEVER"), NOTIFY_NEVER},
        {BYTES_INIT("SUCCESS"), NOTIFY_SUCCESS},
        {BYTES_INIT("FAILURE"), NOTIFY_FAILURE},
        {BYTES_INIT("DELAY"), NOTIFY_DELAY},
    };
    unsigned notify = 0;
    for (bool has_more = true; has_more;) {
        struct bytes item;
        unsigned bit = 0;
        has_more = bytes_cut(value, ',', &item, &value);
        for (size_t i = 0; i < COUNT(words); i++)
            if (bytes_equal_nocase(item, words[i].word))
                bit = words[i].bit;
        if (!bit)
            return bad("NOTIFY= takes NEVER, or a list of SUCCESS, FAILURE and DELAY");
        notify |= bit;
    }
    if ((notify & NOTIFY_NEVER) && notify != NOTIFY_NEVER)
        return bad("NOTIFY=NEVER stands alone (RFC 3461)");
    target->rcpt->notify = (uint8_t)notify;
    return fine();
}

static struct smtp_answer read_orcpt(struct bytes value, struct target *target)
{
    if (!orcpt_is_valid(value, target->terms->is_smtputf8 ? ADDRESS_UTF8 : ADDRESS_ASCII))
        return bad("ORCPT= takes a type, ';' and an address in xtext (RFC 3461)");
    target->rcpt->orcpt = value;
    return fine();
}

enum command_mask { FOR_MAIL = 1, FOR_RCPT = 2 };
enum value_rule { VALUE_NEEDED, VALUE_NONE };
enum offer { OFFERED, OFFERED_IN_SUBMISSION, OFFERED_WITH_HOLD, OFFERED_WITH_AUTH };

/* keyword, commands, does it take a value, who is offered it, reader */
static const struct known {
    struct bytes keyword;
    enum command_mask command;
    enum value_rule value;
    enum offer offer;
    struct smtp_answer (*read)(struct bytes value, struct target *target);
} known[] = {
    {BYTES_INIT("SIZE"), FOR_MAIL, VALUE_NEEDED, OFFERED, read_size},
    {BYTES_INIT("BODY"), FOR_MAIL, VALUE_NEEDED, OFFERED, read_body},
    {BYTES_INIT("AUTH"), FOR_MAIL, VALUE_NEEDED, OFFERED_WITH_AUTH, read_auth},
    {BYTES_INIT("SMTPUTF8"), FOR_MAIL, VALUE_NONE, OFFERED, read_smtputf8},
    {BYTES_INIT("RET"), FOR_MAIL, VALUE_NEEDED, OFFERED, read_ret},
    {BYTES_INIT("ENVID"), FOR_MAIL, VALUE_NEEDED, OFFERED, read_envid},
    {BYTES_INIT("BY"), FOR_MAIL, VALUE_NEEDED, OFFERED_IN_SUBMISSION, read_by},
    {BYTES_INIT("HOLDFOR"), FOR_MAIL, VALUE_NEEDED, OFFERED_WITH_HOLD, read_hold_for},
    {BYTES_INIT("HOLDUNTIL"), FOR_MAIL, VALUE_NEEDED, OFFERED_WITH_HOLD, read_hold_until},
    {BYTES_INIT("NOTIFY"), FOR_RCPT, VALUE_NEEDED, OFFERED, read_notify},
    {BYTES_INIT("ORCPT"), FOR_RCPT, VALUE_NEEDED, OFFERED, read_orcpt},
};

static bool is_offered(enum offer offer, const struct smtp_server_settings *settings)
{
    switch (offer) {
    case OFFERED: return true;
    case OFFERED_IN_SUBMISSION: return settings->role == ROLE_SUBMISSION;
    case OFFERED_WITH_AUTH: return settings->logins != 0;
    case OFFERED_WITH_HOLD: return settings->role == ROLE_SUBMISSION && settings->hold_limit_ms > 0;
    }
    return false;
}

static const struct known *find_known(struct bytes keyword, enum command_mask command,
                                      const struct smtp_server_settings *settings)
{
    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].command == command && bytes_equal_nocase(keyword, known[i].keyword) &&
            is_offered(known[i].offer, settings))
            return &known[i];
    return NULL;
}

static struct smtp_answer read_all(struct bytes rest, enum command_mask command,
                                   struct target *target)
{
    unsigned seen = 0;
    for (;;) {
        struct parameter parameter;
        switch (parameter_next(&rest, &parameter)) {
        case PARAMETER_NONE: return fine();
        case PARAMETER_BAD: return bad("Write parameters as KEYWORD=value, a space before each");
        case PARAMETER_OK: break;
        }
        const struct known *entry = find_known(parameter.keyword, command, target->terms->settings);
        if (!entry)
            return (struct smtp_answer){555, BYTES("5.5.4"),
                                        BYTES("Parameter not known here; use those of the EHLO "
                                              "reply")};
        unsigned bit = 1U << (entry - known);
        if (seen & bit)
            return bad("The same parameter twice; give it once");
        seen |= bit;
        if (parameter.has_value != (entry->value == VALUE_NEEDED))
            return bad(parameter.has_value ? "This parameter takes no value"
                                           : "This parameter needs a value");
        struct smtp_answer answer = entry->read(parameter.value, target);
        if (answer.code)
            return answer;
    }
}

struct smtp_answer parameters_mail(struct bytes rest, const struct parameter_terms *terms,
                                   struct mail_parameters *out)
{
    *out = (struct mail_parameters){.ret = RET_UNSET};
    struct target target = {.terms = terms, .mail = out};
    struct smtp_answer answer = read_all(rest, FOR_MAIL, &target);
    /* RFC 4865, 5.2.2: held for longer than it may take is a contradiction. */
    if (!answer.code && out->by_mode != BY_NONE && out->hold_until_ms > out->by_ms)
        return bad("HOLDFOR= or HOLDUNTIL= ends later than BY= allows");
    return answer;
}

struct smtp_answer parameters_rcpt(struct bytes rest, const struct parameter_terms *terms,
                                   struct rcpt_parameters *out)
{
    *out = (struct rcpt_parameters){.notify = 0};
    struct target target = {.terms = terms, .rcpt = out};
    return read_all(rest, FOR_RCPT, &target);
}
