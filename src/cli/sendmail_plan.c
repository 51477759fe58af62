#include "cli/sendmail_plan.h"

#include <string.h>
#include <strings.h>

enum effect {
    NOTHING, /* taken, and without a meaning here */
    CONFIG,
    SENDER,
    FULL_NAME,
    NOTIFY,
    RET,
    ENVID,
    FROM_HEADER,
    VERBOSE,
    IGNORE_DOTS,
    MODE,
    OLD_OPTION, /* -oX: of these, -oi counts */
    RUN_QUEUE,
};

enum value {
    NO_VALUE,
    VALUE,    /* behind the letter, or the next word */
    ATTACHED, /* behind the letter alone, perhaps empty */
};

/* Letters of sendmail 8 and of what Postfix and Exim take. */
static const struct {
    char letter;
    enum value value;
    enum effect effect;
} letters[] = {
    {'A', ATTACHED, NOTHING}, /* -Ac, -Am: which of two configurations */
    {'B', VALUE, NOTHING},    /* the body's type: it is looked at */
    {'C', VALUE, CONFIG},
    {'F', VALUE, FULL_NAME},
    {'G', NO_VALUE, NOTHING}, /* from elsewhere */
    {'I', NO_VALUE, NOTHING}, /* rebuild aliases */
    {'L', VALUE, NOTHING},    /* a label for the log */
    {'N', VALUE, NOTIFY},
    {'O', VALUE, NOTHING},
    {'R', VALUE, RET},
    {'U', NO_VALUE, NOTHING},
    {'V', VALUE, ENVID},
    {'X', VALUE, NOTHING},
    {'b', ATTACHED, MODE},
    {'e', ATTACHED, NOTHING}, /* -em: how errors are told */
    {'f', VALUE, SENDER},
    {'h', VALUE, NOTHING},
    {'i', NO_VALUE, IGNORE_DOTS},
    {'m', NO_VALUE, NOTHING},
    {'n', NO_VALUE, NOTHING}, /* no aliases */
    {'o', ATTACHED, OLD_OPTION},
    {'p', VALUE, NOTHING},
    {'q', ATTACHED, RUN_QUEUE},
    {'r', VALUE, SENDER},
    {'t', NO_VALUE, FROM_HEADER},
    {'v', NO_VALUE, VERBOSE},
};

static bool take_mode(struct sendmail_plan *plan, const char *value, struct error *err)
{
    static const struct {
        char letter;
        enum sendmail_mode mode;
    } modes[] = {{'m', SENDMAIL_SUBMIT},
                 {'s', SENDMAIL_SESSION},
                 {'p', SENDMAIL_QUEUE},
                 {'i', SENDMAIL_ALIASES}};
    for (size_t i = 0; i < COUNT(modes); i++)
        if (value[0] == modes[i].letter && !value[1]) {
            plan->mode = modes[i].mode;
            return true;
        }
    if (strcmp(value, "d") == 0 || strcmp(value, "D") == 0)
        return error_set(err, 0, "-b%s: the server is started by: postrider serve", value);
    return error_set(err, 0, "-b%.20s: there are -bm, -bs, -bp and -bi", value);
}

static bool take_ret(struct sendmail_plan *plan, const char *value, struct error *err)
{
    if (strcasecmp(value, "full") == 0)
        plan->ret = "FULL";
    else if (strcasecmp(value, "hdrs") == 0)
        plan->ret = "HDRS";
    else
        return error_set(err, 0, "-R takes full or hdrs, not %.80s", value);
    return true;
}

/* RFC 3461, 4.1: NEVER alone, or any of the others. */
static bool is_notify(struct bytes value)
{
    static const char *const words[] = {"success", "failure", "delay"};
    if (bytes_equal_nocase(value, BYTES("never")))
        return true;
    struct bytes word;
    bool has_more = true;
    while (has_more) {
        bool is_known = false;
        has_more = bytes_cut(value, ',', &word, &value);
        for (size_t i = 0; i < COUNT(words); i++)
            is_known = is_known || bytes_equal_nocase(word, bytes_of(words[i]));
        if (!is_known)
            return false;
    }
    return true;
}

/* RFC 3461, 4: xtext, as it goes behind ENVID=. */
static bool is_xtext(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '=')
            return false;
    return true;
}

static bool take(struct sendmail_plan *plan, enum effect effect, const char *value,
                 struct error *err)
{
    switch (effect) {
    case NOTHING: return true;
    case CONFIG: plan->config = value; return true;
    case SENDER: plan->sender = value; return true;
    case FULL_NAME: plan->full_name = value; return true;
    case FROM_HEADER: plan->takes_from_header = true; return true;
    case VERBOSE: plan->is_verbose = true; return true;
    case IGNORE_DOTS: plan->ignores_dots = true; return true;
    case MODE: return take_mode(plan, value, err);
    case RET: return take_ret(plan, value, err);
    case NOTIFY:
        plan->notify = value;
        return is_notify(bytes_of(value)) ||
               error_set(err, 0, "-N takes never, or success, failure, delay, not %.80s", value);
    case ENVID:
        plan->envid = value;
        return is_xtext(value) || error_set(err, 0, "-V takes printable ASCII without \"=\"");
    case OLD_OPTION:
        if (strcmp(value, "i") == 0)
            plan->ignores_dots = true;
        return true;
    case RUN_QUEUE:
        if (value[0])
            return error_set(err, 0,
                             "-q with a time or a name is no option here: the server keeps "
                             "trying by itself; postrider queue retry takes messages");
        plan->mode = SENDMAIL_RETRY;
        return true;
    }
    return false;
}

/* Takes the letters of one word, and perhaps the next word as a value. */
static bool take_word(struct sendmail_plan *plan, char **words, size_t count, size_t *at,
                      struct error *err)
{
    for (const char *letter = words[*at] + 1; *letter; letter++) {
        size_t row = 0;
        while (row < COUNT(letters) && letters[row].letter != *letter)
            row++;
        if (row == COUNT(letters))
            return error_set(err, 0, "there is no option -%c", *letter);
        const char *value = "";
        bool is_last = letters[row].value != NO_VALUE;
        if (letters[row].value == ATTACHED || (is_last && letter[1]))
            value = letter + 1;
        else if (is_last && ++*at == count)
            return error_set(err, 0, "-%c needs a value", *letter);
        else if (is_last)
            value = words[*at];
        if (!take(plan, letters[row].effect, value, err))
            return false;
        if (is_last)
            return true;
    }
    return true;
}

bool sendmail_plan_read(const char *name, char **words, size_t count, struct sendmail_plan *out,
                        struct error *err)
{
    struct sendmail_plan plan = {.mode = SENDMAIL_SUBMIT};
    size_t at = 0;
    if (strcmp(name, "mailq") == 0)
        plan.mode = SENDMAIL_QUEUE;
    else if (strcmp(name, "newaliases") == 0)
        plan.mode = SENDMAIL_ALIASES;
    for (; at < count && words[at][0] == '-' && words[at][1]; at++) {
        if (strcmp(words[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(words[at], "--config") == 0) {
            if (++at == count)
                return error_set(err, 0, "--config needs a FILE");
            plan.config = words[at];
        } else if (!take_word(&plan, words, count, &at, err)) {
            return false;
        }
    }
    plan.words = words + at;
    plan.word_count = count - at;
    if (plan.mode == SENDMAIL_SUBMIT && !plan.takes_from_header && plan.word_count == 0)
        return error_set(err, 0, "to whom? Name recipients, or take them from the header by -t");
    if (plan.word_count > SENDMAIL_RECIPIENTS)
        return error_set(err, 0, "more than %d recipients", SENDMAIL_RECIPIENTS);
    *out = plan;
    return true;
}
