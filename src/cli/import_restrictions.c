/* Lists of restrictions: what each word of them becomes. */
#include <stdio.h>

#include "cli/import_draft.h"

static const char *const lists[] = {
    "smtpd_client_restrictions",      "smtpd_helo_restrictions",      "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",       "smtpd_recipient_restrictions", "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
};

static const char always[] = "always so";

static const struct {
    const char *word;
    enum import_outcome outcome;
    bool has_argument;
    const char *text;
} words[] = {
    {"permit_mynetworks", IMPORT_MAPPED, false, "relay.networks"},
    {"permit_sasl_authenticated", IMPORT_MAPPED, false, "who logs in may send, always"},
    {"permit_auth_destination", IMPORT_NOT_NEEDED, false, always},
    {"reject_unauth_destination", IMPORT_NOT_NEEDED, false, always},
    {"defer_unauth_destination", IMPORT_NOT_NEEDED, false, always},
    {"reject_unlisted_recipient", IMPORT_NOT_NEEDED, false, always},
    {"reject_unauth_pipelining", IMPORT_NOT_NEEDED, false, always},
    {"reject_multi_recipient_bounce", IMPORT_LOST, false, "is not looked at"},
    {"reject_non_fqdn_recipient", IMPORT_NOT_NEEDED, false,
     "an address without a domain is nobody's"},
    {"reject_non_fqdn_sender", IMPORT_LOST, false, "a sender's domain need not have a dot"},
    {"reject_unknown_sender_domain", IMPORT_LOST, false,
     "a sender's domain need not exist; SPF and DMARC are checked (verify)"},
    {"reject_unknown_recipient_domain", IMPORT_LOST, false,
     "mail for a domain that does not exist comes back to its sender"},
    {"reject_invalid_helo_hostname", IMPORT_NOT_NEEDED, false,
     "a malformed name in EHLO is refused"},
    {"reject_non_fqdn_helo_hostname", IMPORT_LOST, false, "the name in EHLO need not have a dot"},
    {"reject_unknown_helo_hostname", IMPORT_LOST, false,
     "the name in EHLO need not exist; verify.helo_fail goes by its SPF record"},
    {"reject_unknown_reverse_client_hostname", IMPORT_LOST, false,
     "nearest is verify.no_reverse_name: refuse, where the name must lead back as well"},
    {"reject_sender_login_mismatch", IMPORT_MAPPED, false, "auth.senders: own"},
    {"reject_authenticated_sender_login_mismatch", IMPORT_MAPPED, false, "auth.senders: own"},
    {"reject_known_sender_login_mismatch", IMPORT_MAPPED, false, "auth.senders: own"},
    {"reject_unauthenticated_sender_login_mismatch", IMPORT_LOST, false,
     "who has not logged in may give a local sender; DMARC of your domain sees to that"},
    {"reject_unlisted_sender", IMPORT_LOST, false, "a sender in a local domain need not exist"},
    {"reject_unverified_recipient", IMPORT_LOST, false, "no other server is asked first"},
    {"reject_unverified_sender", IMPORT_LOST, false, "no other server is asked first"},
    {"reject_plaintext_session", IMPORT_LOST, false, "tls: required at a listener is the nearest"},
    {"reject_rbl_client", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"reject_rhsbl_client", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"reject_rhsbl_helo", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"reject_rhsbl_recipient", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"reject_rhsbl_reverse_client", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"reject_rhsbl_sender", IMPORT_LOST, true, "DNSBLs are not asked"},
    {"permit_dnswl_client", IMPORT_LOST, true, "DNS lists are not asked"},
    {"permit_rhswl_client", IMPORT_LOST, true, "DNS lists are not asked"},
    {"check_policy_service", IMPORT_LOST, true,
     "no policy service is asked: for SPF none is needed (verify), for greylisting there is none"},
    {"check_client_access", IMPORT_LOST, true, "there are no access tables"},
    {"check_ccert_access", IMPORT_LOST, true,
     "there are no access tables; relay.certificates lists who may relay"},
    {"permit_tls_clientcerts", IMPORT_TO_DO, false,
     "write the SHA-256 fingerprints of relay_clientcerts as relay.certificates"},
    {"permit_tls_all_clientcerts", IMPORT_LOST, false,
     "certificates are listed one by one (relay.certificates)"},
    {"permit_mx_backup", IMPORT_LOST, false, "write the domains as relay.domains"},
    {"permit_inet_interfaces", IMPORT_LOST, false, "write the addresses as relay.networks"},
    {"permit_naked_ip_address", IMPORT_NOT_NEEDED, false, always},
    {"defer_if_permit", IMPORT_LOST, false, "has no counterpart"},
    {"defer_if_reject", IMPORT_LOST, false, "has no counterpart"},
    {"warn_if_reject", IMPORT_NOT_NEEDED, false, "it only goes into Postfix's log"},
    {"sleep", IMPORT_LOST, true, "nobody is made to wait, but for wrong passwords"},
    {"reject_unknown_client", IMPORT_MAPPED, false, "verify.no_reverse_name: refuse"},
    {"reject_unknown_client_hostname", IMPORT_MAPPED, false, "verify.no_reverse_name: refuse"},
    {"permit", IMPORT_NOT_NEEDED, false, always},
    {"reject", IMPORT_NOT_NEEDED, false,
     "who may neither relay nor log in is refused at submission, and relaying to all others"},
    {"defer", IMPORT_LOST, false, "has no counterpart"},
};

static void note_word(struct import_draft *draft, struct bytes shown, struct bytes word,
                      struct bytes *list)
{
    struct bytes type, name;
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!bytes_equal_nocase(word, bytes_of(words[i].word)))
            continue;
        struct bytes from = words[i].has_argument ? import_item(list) : BYTES_NONE;
        struct buf value;
        buf_init(&value, IMPORT_VALUE_LIMIT);
        buf_add(&value, word);
        if (from.len)
            buf_addf(&value, " %.*s", BYTES_ARGS(from));
        import_note_of(draft, words[i].outcome, shown, buf_view(&value), "%s", words[i].text);
        buf_done(&value);
        return;
    }
    if (import_item_table(word, &type, &name) || bytes_ends_nocase(word, BYTES("_access")) ||
        bytes_starts(word, BYTES("check_")))
        import_note_of(draft, IMPORT_LOST, shown, word, "there are no access tables");
    else
        import_note_of(draft, IMPORT_UNKNOWN, shown, word,
                       "no restriction that this command knows; perhaps a class of this "
                       "main.cf, which has no counterpart");
}

static void write_reverse_name(struct import_draft *draft, struct bytes word)
{
    struct buf *out = &draft->sections[SECTION_VERIFY];
    if (out->len == 0 && (bytes_equal_nocase(word, BYTES("reject_unknown_client_hostname")) ||
                          bytes_equal_nocase(word, BYTES("reject_unknown_client"))))
        buf_add(out, BYTES("  no_reverse_name: refuse\n"));
}

void import_restrictions(struct import_draft *draft, const struct import_settings *settings,
                         struct bytes where)
{
    bool is_main = settings == draft->main;
    for (size_t i = 0; i < COUNT(lists); i++) {
        const struct import_setting *setting = import_settings_find(settings, bytes_of(lists[i]));
        char shown[300];
        struct buf value;
        /* A service's own only; those of main.cf are told once. */
        if (!setting || !setting->line || (!is_main && setting == import_set(draft, lists[i])))
            continue;
        snprintf(shown, sizeof shown, "%.*s%s%s", is_main ? 0 : (int)bytes_sub(where, 0, 100).len,
                 (const char *)where.at, is_main ? "" : ": ", lists[i]);
        buf_init(&value, IMPORT_VALUE_LIMIT);
        if (!import_value(draft, settings, lists[i], &value) &&
            !import_has_note(draft, setting->name))
            import_note_of(draft, IMPORT_NOT_NEEDED, bytes_of(shown), setting->value,
                           "it is empty");
        struct bytes list = buf_view(&value), word;
        while ((word = import_item(&list)).len) {
            write_reverse_name(draft, word);
            note_word(draft, bytes_of(shown), word, &list);
        }
        buf_done(&value);
    }
}
