#include "auth/spf_field.h"

#include "mail/fold.h"

enum { VALUE_LIMIT = 330, WORD_LIMIT = 1024 }; /* of a whole address, and of that quoted */

static bool is_atext(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) ||
           bytes_find(BYTES("!#$%&'*+-/=?^_`{|}~"), byte) < sizeof "!#$%&'*+-/=?^_`{|}~" - 1;
}

static bool is_dot_atom(struct bytes text)
{
    bool is_begun = false;
    for (size_t i = 0; i < text.len; i++) {
        bool is_dot = text.at[i] == '.';
        if (is_dot ? !is_begun : !is_atext(text.at[i]))
            return false;
        is_begun = !is_dot;
    }
    return is_begun;
}

/* As text within a comment, where the words may fold. */
static void fold_comment(struct fold *fold, struct buf *word, struct bytes text)
{
    buf_clear(word);
    for (size_t i = 0; i < text.len && i < VALUE_LIMIT; i++) {
        uint8_t byte = text.at[i];
        bool fits = byte >= ' ' && byte <= '~' && byte != '(' && byte != ')' && byte != '\\';
        buf_add_byte(word, fits ? byte : '?');
    }
    fold_words(fold, buf_view(word));
}

/* key=value; as one word. */
static void fold_pair(struct fold *fold, struct buf *word, const char *key, struct bytes value)
{
    value = bytes_sub(value, 0, VALUE_LIMIT);
    buf_clear(word);
    buf_addf(word, "%s=", key);
    if (is_dot_atom(value)) {
        buf_add(word, value);
    } else {
        buf_add_byte(word, '"');
        for (size_t i = 0; i < value.len; i++) {
            uint8_t byte = value.at[i];
            if (byte == '"' || byte == '\\')
                buf_add_byte(word, '\\');
            buf_add_byte(word, byte >= ' ' && byte <= '~' ? byte : '?');
        }
        buf_add_byte(word, '"');
    }
    buf_add_byte(word, ';');
    fold_word(fold, buf_view(word));
}

/* The null reverse-path stands for the name in HELO (2.4), and has no mailbox to tell. */
static bool is_of_helo(const struct spf_query *query)
{
    return query->identity == SPF_HELO || query->mail_from.len == 0;
}

/* "(mx.here.example: domain of ann@one.example designates 192.0.2.1 as permitted sender)" */
static void fold_story(struct fold *fold, struct buf *word, const struct spf_query *query,
                       const struct spf_verdict *verdict, struct bytes ip)
{
    static const struct {
        const char *before, *after;
    } words[] = {
        [SPF_NEUTRAL] = {"neither permits nor denies", "to send"},
        [SPF_PASS] = {"designates", "as permitted sender"},
        [SPF_FAIL] = {"does not designate", "as permitted sender"},
        [SPF_SOFTFAIL] = {"does not designate", "as permitted sender, but is not sure of it"},
        [SPF_PERMERROR] = {NULL, NULL},
    };
    buf_clear(word);
    buf_add_byte(word, '(');
    buf_add(word, is_dot_atom(query->receiver) ? query->receiver : BYTES("unknown"));
    buf_add_byte(word, ':');
    fold_word(fold, buf_view(word));
    if (words[verdict->result].before) {
        fold_comment(fold, word, BYTES("domain of"));
        fold_comment(fold, word, is_of_helo(query) ? query->helo : query->mail_from);
        fold_comment(fold, word, bytes_of(words[verdict->result].before));
        fold_comment(fold, word, ip);
        fold_comment(fold, word, bytes_of(words[verdict->result].after));
    } else {
        fold_comment(fold, word, verdict->problem);
    }
    buf_add_byte(fold->out, ')');
    fold->column++;
}

void spf_print_received(struct buf *out, const struct spf_query *query,
                        const struct spf_verdict *verdict)
{
    struct fold fold = fold_field(out, BYTES("Received-SPF:"));
    bool is_error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR;
    struct buf word, ip;
    buf_init(&word, WORD_LIMIT);
    buf_init(&ip, WORD_LIMIT);
    ip_print(&ip, &query->ip);
    fold_word(&fold, bytes_of(spf_result_name(verdict->result)));
    fold_story(&fold, &word, query, verdict, buf_view(&ip));
    if (query->receiver.len)
        fold_pair(&fold, &word, "receiver", query->receiver);
    fold_pair(&fold, &word, "client-ip", buf_view(&ip));
    fold_pair(&fold, &word, "identity", is_of_helo(query) ? BYTES("helo") : BYTES("mailfrom"));
    if (!is_of_helo(query))
        fold_pair(&fold, &word, "envelope-from", query->mail_from);
    fold_pair(&fold, &word, "helo", query->helo);
    if (is_error)
        fold_pair(&fold, &word, "problem", verdict->problem);
    else
        fold_pair(&fold, &word, "mechanism",
                  verdict->mechanism.len ? verdict->mechanism : BYTES("default"));
    buf_add(out, BYTES("\r\n"));
    buf_done(&word);
    buf_done(&ip);
}
