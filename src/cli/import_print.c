/* The configuration and the report, as texts. */
#include <string.h>

#include "cli/import_draft.h"

static const struct {
    const char *comment, *key; /* key NULL: it has keys of its own at the top */
} sections[SECTION_COUNT] = {
    [SECTION_HOST] = {"What the server calls itself.", NULL},
    [SECTION_LISTEN] = {"Who may connect: from master.cf, inet_interfaces and inet_protocols.",
                        "listen"},
    [SECTION_TLS] = {"Certificates of this server: from smtpd_tls_*.", "tls"},
    [SECTION_AUTH] = {"How people log in: from smtpd_sasl_*.", "auth"},
    [SECTION_DOMAINS] = {"Who gets mail here: from mydestination, virtual_* and alias_maps.",
                         "domains"},
    [SECTION_DELIVER] = {"Where that mail goes.", "deliver"},
    [SECTION_VERIFY] = {"Whether mail is from whom it says. SPF, DKIM, DMARC and ARC are checked "
                        "anyway.",
                        "verify"},
    [SECTION_RELAY] = {"Who may send through here, and what is passed on for others: from "
                       "mynetworks and relay_domains.",
                       "relay"},
    [SECTION_ROUTES] = {"Where mail for others goes that does not go by MX: from relayhost and "
                        "transport_maps.",
                        "routes"},
    [SECTION_OUTBOUND] = {"Connections to other servers.", "outbound"},
    [SECTION_QUEUE] = {"How deliveries are tried.", "queue"},
    [SECTION_LIMITS] = {"What a client may do.", "limits"},
};

void import_draft_print_config(const struct import_draft *draft, struct buf *out)
{
    size_t left = 0;
    for (size_t i = 0; i < draft->note_count; i++)
        left += draft->notes[i].outcome <= IMPORT_UNKNOWN;
    buf_addf(out,
             "# Made by `postrider import postfix` from main.cf and master.cf. %zu things in them\n"
             "# are different from now on or are to be done by hand; the command's report says "
             "which.\n"
             "#\n"
             "# `postrider help config` lists all keys, postrider.yaml(5) explains them; after a\n"
             "# change, `postrider check` tells what is wrong.\n",
             left);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!draft->sections[i].len)
            continue;
        buf_addf(out, "\n# %s\n", sections[i].comment);
        if (sections[i].key)
            buf_addf(out, "%s:\n", sections[i].key);
        buf_add(out, buf_view(&draft->sections[i]));
    }
    buf_add(out, BYTES("\n# The queue, and the directory of accounts.\nspool: "
                       "/var/spool/postrider\n"));
}

static const struct {
    const char *word, *title;
} outcomes[IMPORT_OUTCOMES] = {
    [IMPORT_LOST] = {"no counterpart", "Without a counterpart: different from now on"},
    [IMPORT_TO_DO] = {"to do", "To be done by hand"},
    [IMPORT_UNKNOWN] = {"unknown", "Not known to this command"},
    [IMPORT_MAPPED] = {"mapped", "Taken over"},
    [IMPORT_NOT_NEEDED] = {"not needed", "Not needed"},
};

const char *import_outcome_word(enum import_outcome outcome)
{
    return outcomes[outcome].word;
}

/* A value on one line, shortened where it is long. */
static void add_value(struct buf *out, const char *value)
{
    enum { SHOWN = 60 };
    struct bytes text = bytes_of(value), shown = bytes_sub(text, 0, SHOWN);
    /* Not amid a character. */
    while (shown.len < text.len && shown.len && (text.at[shown.len] & 0xC0) == 0x80)
        shown.len--;
    for (size_t i = 0; i < shown.len; i++)
        buf_add_byte(out, shown.at[i] < ' ' || shown.at[i] == 0x7F ? '?' : shown.at[i]);
    if (shown.len < text.len)
        buf_add(out, BYTES(" ..."));
}

static void print_note(const struct import_note *note, struct buf *out)
{
    buf_addf(out, "  %s", note->name);
    if (note->value[0]) {
        buf_add(out, note->line ? BYTES(" = ") : BYTES(": "));
        add_value(out, note->value);
    }
    buf_addf(out, "\n      %s\n", note->text);
}

void import_draft_print_report(const struct import_draft *draft, struct buf *out)
{
    for (enum import_outcome outcome = 0; outcome < IMPORT_OUTCOMES; outcome++) {
        size_t count = 0;
        for (size_t i = 0; i < draft->note_count; i++) {
            if (draft->notes[i].outcome != outcome)
                continue;
            if (count++ == 0)
                buf_addf(out, "%s%s:\n", out->len ? "\n" : "", outcomes[outcome].title);
            print_note(&draft->notes[i], out);
        }
    }
}
