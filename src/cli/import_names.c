/* What becomes of the parameters that no part of the import reads. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "cli/import_draft.h"

/* The first that matches counts; patterns are those of fnmatch(3). What is empty in main.cf is
 * nothing to lose, nor is what is switched off. */
static const struct {
    const char *pattern;
    enum import_outcome outcome;
    const char *text;
} rows[] = {
    /* Read with others. */
    {"mydomain", IMPORT_NOT_NEEDED, "it only stands for a part of other values"},
    {"myorigin", IMPORT_MAPPED, "the domain of names without one, in aliases"},
    {"config_directory", IMPORT_NOT_NEEDED, "--config names the configuration"},
    {"compatibility_level", IMPORT_NOT_NEEDED, "there are no old defaults to keep"},
    {"alias_database", IMPORT_NOT_NEEDED, "aliases stand in the configuration (domains.aliases)"},
    {"virtual_maps", IMPORT_TO_DO, "rename it to virtual_alias_maps, and import again"},
    {"parent_domain_matches_subdomains", IMPORT_TO_DO,
     "as it is by default, relay_domains have their subdomains; look through relay.domains"},

    /* Changing messages and addresses. */
    {"*canonical_maps", IMPORT_LOST, "addresses are not rewritten"},
    {"*canonical_classes", IMPORT_LOST, "addresses are not rewritten"},
    {"masquerade_*", IMPORT_LOST, "addresses are not rewritten"},
    {"smtp_generic_maps", IMPORT_LOST, "addresses are not rewritten"},
    {"lmtp_generic_maps", IMPORT_LOST, "addresses are not rewritten"},
    {"*header_checks", IMPORT_LOST, "there are no filters of header fields"},
    {"*body_checks", IMPORT_LOST, "there are no filters of bodies"},
    {"always_bcc", IMPORT_LOST,
     "there are no copies of all mail; an alias with its own name "
     "and another address makes copies of what comes to one name"},
    {"sender_bcc_maps", IMPORT_LOST, "there are no copies by sender"},
    {"recipient_bcc_maps", IMPORT_LOST,
     "write an alias with its own name and the other address: ann: [ann@example.org, ...]"},
    {"relocated_maps", IMPORT_LOST,
     "mail for such a name is refused with 550 5.1.1, without the new address"},
    {"content_filter", IMPORT_LOST, "mail goes through no filter by SMTP or pipe"},
    {"*smtpd_proxy_filter", IMPORT_LOST, "mail goes through no filter before the queue"},
    {"smtpd_proxy_*", IMPORT_NOT_NEEDED, "belongs to smtpd_proxy_filter"},
    {"receive_override_options", IMPORT_NOT_NEEDED, "belongs to filters"},
    {"smtpd_milters", IMPORT_LOST,
     "no milters are asked. SPF, DKIM, DMARC and ARC are checked, and DKIM signatures made, by "
     "Postrider itself (postrider dkim import); a spam or virus filter is not"},
    {"non_smtpd_milters", IMPORT_LOST, "no milters are asked; see smtpd_milters"},
    {"*milter*", IMPORT_NOT_NEEDED, "belongs to milters"},
    {"message_drop_headers", IMPORT_NOT_NEEDED, "Bcc is removed at submission"},
    {"message_strip_characters", IMPORT_LOST, "no characters are removed from messages"},
    {"message_reject_characters", IMPORT_LOST, "no messages are refused for single characters"},
    {"smtp_reply_filter", IMPORT_LOST, "replies of other servers are taken as they are"},
    {"smtpd_command_filter", IMPORT_LOST, "commands of clients are taken as they are"},
    {"*delivery_status_filter", IMPORT_LOST, "replies of other servers are taken as they are"},
    {"*dns_reply_filter", IMPORT_LOST, "answers of the DNS are taken as they are"},
    {"smtpd_reject_footer*", IMPORT_LOST,
     "each refusal says what the sender can do (postrider-replies(7))"},

    /* Who may connect and send. */
    {"smtpd_banner", IMPORT_LOST, "the greeting is the host's name and ESMTP"},
    {"smtpd_helo_required", IMPORT_NOT_NEEDED, "MAIL before HELO or EHLO is refused"},
    {"disable_vrfy_command", IMPORT_NOT_NEEDED, "VRFY tells nothing"},
    {"strict_rfc821_envelopes", IMPORT_NOT_NEEDED, "addresses are read strictly"},
    {"smtpd_delay_reject", IMPORT_NOT_NEEDED, "refusals are logged with all that is known"},
    {"smtpd_reject_unlisted_recipient", IMPORT_NOT_NEEDED,
     "mail for unknown mailboxes is refused at RCPT"},
    {"smtpd_reject_unlisted_sender", IMPORT_LOST,
     "a sender in a local domain need not exist; who logs in uses own addresses only "
     "(auth.senders)"},
    {"smtpd_forbid_*", IMPORT_NOT_NEEDED, "only CRLF ends a line, always"},
    {"smtpd_restriction_classes", IMPORT_LOST, "there are no classes of restrictions"},
    {"smtpd_relay_before_recipient_restrictions", IMPORT_NOT_NEEDED, "relaying is refused anyway"},
    {"smtpd_client_*_rate_limit", IMPORT_LOST,
     "clients have no rate limits; accounts have a number of messages a day "
     "(auth.messages_per_day)"},
    {"smtpd_client_event_limit_exceptions", IMPORT_NOT_NEEDED, "belongs to the rate limits"},
    {"smtpd_policy_service_*", IMPORT_NOT_NEEDED, "belongs to policy services"},
    {"smtpd_upstream_proxy_protocol", IMPORT_TO_DO,
     "write the proxies' addresses as listen.proxy: [192.0.2.7]"},
    {"postscreen_upstream_proxy_protocol", IMPORT_TO_DO,
     "write the proxies' addresses as listen.proxy: [192.0.2.7]"},
    {"*upstream_proxy_timeout", IMPORT_NOT_NEEDED, "belongs to the PROXY protocol"},
    {"smtpd_authorized_xclient_hosts", IMPORT_TO_DO,
     "write these networks at the listener: listen.xclient"},
    {"smtpd_authorized_*", IMPORT_LOST, "XFORWARD and VERP are not offered"},
    {"smtpd_discard_ehlo_keyword*", IMPORT_LOST, "all extensions are offered"},
    {"postscreen_dnsbl_*", IMPORT_LOST, "DNSBLs are not asked"},
    {"postscreen_*", IMPORT_LOST,
     "there is no postscreen: no tests before the greeting, no DNSBLs; many sessions cost little "
     "(limits.sessions)"},
    {"psc_*", IMPORT_NOT_NEEDED, "belongs to postscreen"},
    {"dnsblog_*", IMPORT_NOT_NEEDED, "belongs to postscreen"},
    {"maps_rbl_*", IMPORT_LOST, "DNSBLs are not asked"},
    {"rbl_reply_maps", IMPORT_NOT_NEEDED, "belongs to DNSBLs"},
    {"default_rbl_reply", IMPORT_NOT_NEEDED, "belongs to DNSBLs"},
    {"address_verify_*", IMPORT_LOST, "no address is verified by asking other servers"},
    {"unverified_*", IMPORT_NOT_NEEDED, "belongs to address verification"},
    {"permit_mx_backup_networks", IMPORT_LOST, "write the domains as relay.domains"},
    {"relay_recipient_maps", IMPORT_LOST,
     "all names of relay.domains are taken; what the next server refuses comes back to its "
     "sender"},
    {"smtpd_sender_login_maps", IMPORT_TO_DO, "for each row: postrider user grant LOGIN ADDRESS"},
    {"qmqpd_*", IMPORT_LOST, "there is no QMQP"},
    {"authorized_*_users", IMPORT_LOST,
     "who may use sendmail and the queue is who may use the "
     "sockets (run)"},
    {"*reject_code", IMPORT_NOT_NEEDED, "the codes are those of postrider-replies(7)"},
    {"smtpd_etrn_restrictions", IMPORT_NOT_NEEDED, "there is no ETRN"},
    {"fast_flush_*", IMPORT_NOT_NEEDED, "there is no ETRN"},

    /* Logging in. */
    {"smtpd_sasl_security_options", IMPORT_NOT_NEEDED, "nobody logs in as nobody"},
    {"smtpd_sasl_tls_security_options", IMPORT_NOT_NEEDED, "passwords go through TLS only"},
    {"smtpd_sasl_local_domain", IMPORT_LOST,
     "who logs in gives the whole address: ann@example.org"},
    {"broken_sasl_auth_clients", IMPORT_NOT_NEEDED, "such clients are no more"},
    {"smtpd_sasl_exceptions_networks", IMPORT_LOST, "AUTH is offered to all"},
    {"smtpd_sasl_mechanism_filter", IMPORT_LOST, "auth.mechanisms lists what is offered"},
    {"smtpd_sasl_authenticated_header", IMPORT_NOT_NEEDED, "the log has who logged in"},
    {"smtpd_sasl_*", IMPORT_NOT_NEEDED, "belongs to another way of logging in"},
    {"cyrus_sasl_config_path", IMPORT_NOT_NEEDED, "belongs to Cyrus SASL"},
    {"send_cyrus_sasl_authzid", IMPORT_NOT_NEEDED, "belongs to Cyrus SASL"},
    {"smtp_sasl_security_options", IMPORT_NOT_NEEDED,
     "a password is sent in verified TLS only, by the best mechanism that is offered"},
    {"smtp_sasl_*security_options", IMPORT_NOT_NEEDED,
     "a password is sent in verified TLS only, by the best mechanism that is offered"},
    {"smtp_sasl_*", IMPORT_NOT_NEEDED, "SCRAM-SHA-256, PLAIN and LOGIN are what can be used"},
    {"sender_dependent_*", IMPORT_LOST, "routes go by the recipient's domain, not by the sender"},
    {"smtp_sender_dependent_authentication", IMPORT_LOST,
     "routes go by the recipient's domain, not by the sender"},
    {"default_transport_maps", IMPORT_LOST, "routes go by the recipient's domain"},

    /* TLS. */
    {"smtpd_tls_auth_only", IMPORT_NOT_NEEDED, "passwords go through TLS only (auth.cleartext)"},
    {"smtpd_tls_req_ccert", IMPORT_LOST,
     "a certificate is asked for and not demanded (tls.client_certificates: asked)"},
    {"smtpd_tls_CA*", IMPORT_NOT_NEEDED,
     "client certificates are known by their fingerprints, not by who issued them"},
    {"tls_append_default_CA", IMPORT_NOT_NEEDED, "the system's trust store is used"},
    {"smtpd_tls_*protocols", IMPORT_NOT_NEEDED,
     "TLS 1.2 and 1.3; tls.peers: old for clients that know nothing better"},
    {"smtpd_tls_*ciphers", IMPORT_NOT_NEEDED, "authenticated and forward secret ones (tls.peers)"},
    {"smtpd_tls_*dh*", IMPORT_NOT_NEEDED, "keys are exchanged on elliptic curves"},
    {"smtpd_tls_received_header", IMPORT_NOT_NEEDED, "Received always says so"},
    {"smtpd_tls_d*", IMPORT_NOT_NEEDED, "DSA certificates are no more"},
    {"tls_server_sni_maps", IMPORT_TO_DO,
     "write its certificates as tls.certificates; each is used for the names in it"},
    {"smtpd_tls_*", IMPORT_NOT_NEEDED, "TLS needs no more to be said"},
    {"smtp_tls_cert_file", IMPORT_TO_DO,
     "write it as outbound.client_certificate, if another server asks for it"},
    {"smtp_tls_key_file", IMPORT_TO_DO, "see smtp_tls_cert_file"},
    {"smtp_tls_chain_files", IMPORT_TO_DO, "see smtp_tls_cert_file"},
    {"smtp_tls_CA*", IMPORT_NOT_NEEDED,
     "the system's trust store is used; for one of your own: outbound.tls: {level: ..., ca: FILE}"},
    {"smtp_tls_trust_anchor_file", IMPORT_TO_DO, "write it as ca: in the rule for TLS"},
    {"smtp_tls_per_site", IMPORT_TO_DO, "write it as outbound.tls_domains"},
    {"smtp_tls_*cert_match", IMPORT_TO_DO, "write the names that count as names: in the rule"},
    {"smtp_tls_*dane*", IMPORT_LOST, "DANE is not used"},
    {"smtp_tls_force_insecure_host_tlsa_lookup", IMPORT_NOT_NEEDED, "DANE is not used"},
    {"smtp_tls_*", IMPORT_NOT_NEEDED, "TLS needs no more to be said"},
    {"tls_*", IMPORT_NOT_NEEDED, "TLS needs no more to be said"},
    {"tlsproxy_*", IMPORT_NOT_NEEDED, "there is no such process"},
    {"openssl_path", IMPORT_NOT_NEEDED, "no program is called"},

    /* Delivery here. */
    {"home_mailbox", IMPORT_LOST,
     "Maildirs lie under deliver.mailbox as DOMAIN/NAME, not in the homes; move them, or deliver "
     "by LMTP"},
    {"mail_spool_directory", IMPORT_LOST,
     "mail is kept in Maildirs under deliver.mailbox, or delivered by LMTP; there are no mbox "
     "files"},
    {"mailbox_command*", IMPORT_LOST,
     "no program is called; deliver to another program by LMTP (deliver.lmtp)"},
    {"mailbox_transport_maps", IMPORT_LOST, "all local mail goes to one place (deliver)"},
    {"fallback_transport*", IMPORT_LOST, "unknown names are refused with 550 5.1.1"},
    {"local_recipient_maps", IMPORT_MAPPED, "domains.mailboxes has the names"},
    {"forward_path", IMPORT_LOST, "nobody has a .forward; write an alias"},
    {"allow_mail_to_*", IMPORT_LOST, "aliases lead to addresses only"},
    {"mailbox_size_limit", IMPORT_LOST, "mailboxes have no limit; Dovecot's quota can"},
    {"virtual_mailbox_limit*", IMPORT_LOST, "mailboxes have no limit; Dovecot's quota can"},
    {"virtual_uid_maps", IMPORT_LOST, "mailboxes belong to the one user that the server runs as"},
    {"virtual_gid_maps", IMPORT_LOST, "mailboxes belong to the one user that the server runs as"},
    {"virtual_minimum_uid", IMPORT_NOT_NEEDED, "mailboxes belong to one user"},
    {"virtual_*", IMPORT_NOT_NEEDED, "limits of another kind are built in"},
    {"propagate_unmatched_extensions", IMPORT_LOST, "an alias's targets get no detail"},
    {"owner_request_special", IMPORT_NOT_NEEDED, "owner- is a name like others"},
    {"expand_owner_alias", IMPORT_NOT_NEEDED, "owner- is a name like others"},
    {"reset_owner_alias", IMPORT_NOT_NEEDED, "owner- is a name like others"},
    {"prepend_delivered_header", IMPORT_NOT_NEEDED, "Delivered-To is written"},
    {"require_home_directory", IMPORT_NOT_NEEDED, "there are no homes"},
    {"biff", IMPORT_NOT_NEEDED, "nobody is told of new mail on a terminal"},
    {"undisclosed_recipients_header", IMPORT_NOT_NEEDED, "no To field is made up"},
    {"append_dot_mydomain", IMPORT_LOST, "addresses are not completed"},
    {"append_*_*domain", IMPORT_LOST, "addresses without a domain are not completed"},
    {"append_at_myorigin", IMPORT_LOST, "addresses without a domain are not completed"},
    {"swap_bangpath", IMPORT_NOT_NEEDED, "such addresses are nobody's"},
    {"allow_percent_hack", IMPORT_NOT_NEEDED, "such addresses are nobody's"},
    {"remote_header_rewrite_domain", IMPORT_NOT_NEEDED, "header fields stay as they are"},
    {"local_header_rewrite_clients", IMPORT_NOT_NEEDED, "header fields stay as they are"},

    /* Delivery elsewhere. */
    {"mynetworks_style", IMPORT_NOT_NEEDED, "see mynetworks"},
    {"proxy_interfaces", IMPORT_LOST,
     "the addresses of a NAT are not known; an MX that is this server by name is not sent to"},
    {"*fallback_relay", IMPORT_LOST, "there is no second way where the first one fails"},
    {"smtp_bind_address*", IMPORT_LOST, "the system chooses the address to send from"},
    {"smtp_helo_name", IMPORT_LOST, "EHLO says hostname"},
    {"lmtp_lhlo_name", IMPORT_LOST, "LHLO says hostname"},
    {"smtp_address_preference", IMPORT_LOST,
     "IPv6 first, then in turns; outbound.address_families can leave one out"},
    {"smtp_dns_support_level", IMPORT_MAPPED, "DNSSEC is checked (resolver.dnssec)"},
    {"disable_dns_lookups", IMPORT_LOST, "write a route to: \"*\""},
    {"smtp_host_lookup", IMPORT_NOT_NEEDED, "the hosts file and the DNS are asked"},
    {"smtp_tcp_port", IMPORT_LOST, "write the port in a route: via: \"mx:587\""},
    {"soft_bounce", IMPORT_LOST, "what is refused for good is refused for good"},
    {"defer_transports", IMPORT_LOST, "postrider queue hold --domain keeps mail back"},
    {"transport_retry_time", IMPORT_NOT_NEEDED, "queue.retry_first and retry_max say when"},
    {"notify_classes", IMPORT_LOST, "postmaster is told of nothing; the log is (event=...)"},
    {"*_notice_recipient", IMPORT_LOST, "postmaster is told of nothing; the log is"},
    {"bounce_template_file", IMPORT_LOST, "the texts of bounces are fixed"},
    {"bounce_size_limit", IMPORT_NOT_NEEDED, "bounces have the header section of what came back"},
    {"bounce_queue_lifetime", IMPORT_LOST,
     "reports are tried for as long as other mail "
     "(queue.expire)"},
    {"smtp_connection_cache_destinations", IMPORT_NOT_NEEDED,
     "connections are kept for all destinations"},
    {"*destination_concurrency_*feedback", IMPORT_NOT_NEEDED,
     "connections grow while the destination answers"},
    {"*destination_concurrency_limit", IMPORT_LOST,
     "write connections: at the route that it is meant for"},
    {"*destination_recipient_limit", IMPORT_LOST,
     "queue.recipients_per_transaction is for all destinations"},
    {"*destination_rate_delay", IMPORT_LOST,
     "write rate: at the route that it is meant for, as 60/m for a delay of one second"},
    {"*transport_rate_delay", IMPORT_LOST, "write rate: at the route that it is meant for"},
    {"smtp_*", IMPORT_NOT_NEEDED, "other servers are spoken to by the book, without exceptions"},
    {"lmtp_*", IMPORT_NOT_NEEDED, "LMTP servers are spoken to as others are"},
    {"relay_*", IMPORT_NOT_NEEDED, "relaying uses the same queue"},

    /* The inside of Postfix. */
    {"smtputf8_*", IMPORT_NOT_NEEDED, "SMTPUTF8 is offered"},
    {"strict_*", IMPORT_NOT_NEEDED, "what is strict here is not to be chosen"},
    {"stress", IMPORT_NOT_NEEDED, "there is no such mode"},
    {"debug_*", IMPORT_NOT_NEEDED, "log.level: debug"},
    {"syslog_*", IMPORT_NOT_NEEDED, "the log goes to standard error, for the service manager"},
    {"maillog_*", IMPORT_NOT_NEEDED, "the log goes to standard error, for the service manager"},
    {"*_directory", IMPORT_NOT_NEEDED, "Postfix's own folders"},
    {"*_path", IMPORT_NOT_NEEDED, "Postfix's own programs"},
    {"*_group", IMPORT_NOT_NEEDED, "a right of Postfix's own programs"},
    {"mail_owner", IMPORT_NOT_NEEDED, "user: names the user to become"},
    {"default_privs", IMPORT_NOT_NEEDED, "no programs are called"},
    {"default_database_type", IMPORT_NOT_NEEDED, "there are no tables"},
    {"import_environment", IMPORT_NOT_NEEDED, "no programs are called"},
    {"export_environment", IMPORT_NOT_NEEDED, "no programs are called"},
    {"command_*", IMPORT_NOT_NEEDED, "no programs are called"},
    {"recipient_canonical_*", IMPORT_LOST, "addresses are not rewritten"},
    {"*_time_limit", IMPORT_NOT_NEEDED, "a limit inside Postfix"},
    {"*_limit", IMPORT_NOT_NEEDED, "a limit inside Postfix"},
    {"*_delivery_slot_*", IMPORT_NOT_NEEDED, "senders take turns in another way"},
    {"*_minimum_delivery_slots", IMPORT_NOT_NEEDED, "senders take turns in another way"},
    {"*_recipient_refill_*", IMPORT_NOT_NEEDED, "senders take turns in another way"},
    {"*_initial_destination_concurrency", IMPORT_NOT_NEEDED, "connections begin with one or two"},
    {"initial_destination_concurrency", IMPORT_NOT_NEEDED, "connections begin with one or two"},
    {"*_service_name", IMPORT_NOT_NEEDED, "a process of Postfix"},
    {"qmgr_*", IMPORT_NOT_NEEDED, "a process of Postfix"},
    {"ipc_*", IMPORT_NOT_NEEDED, "between processes of Postfix"},
    {"*_delay", IMPORT_NOT_NEEDED, "a delay inside Postfix"},
    {"*_timeout", IMPORT_NOT_NEEDED, "a time inside Postfix"},
    {"*_time", IMPORT_NOT_NEEDED, "a time inside Postfix"},
    {"*_attempts", IMPORT_NOT_NEEDED, "a limit inside Postfix"},
    {"*_maps", IMPORT_LOST, "this table is not asked"},
    {"multi_instance_*", IMPORT_LOST, "each further server has its own --config"},
    {"multi_*", IMPORT_NOT_NEEDED, "each further server has its own --config"},
    {"proxy_read_maps", IMPORT_NOT_NEEDED, "there are no tables"},
    {"proxy_write_maps", IMPORT_NOT_NEEDED, "there are no tables"},
    {"nested_header_checks", IMPORT_LOST, "there are no filters of header fields"},
};

/* Values of those that need not be set, where others refer to them or the import asks for them. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"alias_maps", "hash:/etc/aliases, nis:mail.aliases"},
    {"alias_database", "hash:/etc/aliases"},
    {"config_directory", "/etc/postfix"},
    {"queue_directory", "/var/spool/postfix"},
    {"data_directory", "/var/lib/postfix"},
    {"meta_directory", "/etc/postfix"},
    {"daemon_directory", "/usr/lib/postfix/sbin"},
    {"command_directory", "/usr/sbin"},
    {"default_database_type", "hash"},
    {"inet_interfaces", "all"},
    {"inet_protocols", "all"},
    {"local_transport", "local:$myhostname"},
    {"virtual_transport", "virtual"},
    {"relay_transport", "relay"},
    {"default_transport", "smtp"},
    {"mydestination", "$myhostname, localhost.$mydomain, localhost"},
    {"myorigin", "$myhostname"},
    {"virtual_alias_maps", "$virtual_maps"},
    {"virtual_alias_domains", "$virtual_alias_maps"},
    {"virtual_mailbox_domains", "$virtual_mailbox_maps"},
    {"smtpd_tls_key_file", "$smtpd_tls_cert_file"},
    {"smtpd_tls_eckey_file", "$smtpd_tls_eccert_file"},
    {"smtpd_sasl_type", "cyrus"},
    {"smtpd_sasl_path", "smtpd"},
    {"smtpd_sasl_auth_enable", "no"},
    {"default_destination_concurrency_limit", "20"},
    {"default_destination_recipient_limit", "50"},
    {"maximal_queue_lifetime", "5d"},
    {"mail_name", "Postfix"},
    {"mail_owner", "postfix"},
    {"compatibility_level", "0"},
};

void import_add_defaults(struct import_draft *draft)
{
    char name[600];
    const char *host = draft->host->hostname;
    struct buf mine;
    for (size_t i = 0; i < COUNT(defaults); i++)
        import_settings_set(draft->main, bytes_of(defaults[i].name), bytes_of(defaults[i].value),
                            0);
    /* postconf(5): mydomain is what follows the first dot of myhostname; and where the system's own
     * name has no dot, mydomain completes it. */
    snprintf(name, sizeof name, "%.255s%s", host, strchr(host, '.') ? "" : ".$mydomain");
    import_settings_set(draft->main, BYTES("myhostname"), bytes_of(name), 0);
    const struct import_setting *set = import_set(draft, "myhostname");
    struct bytes whole = set ? set->value : bytes_of(host), before, domain;
    buf_init(&mine, IMPORT_VALUE_LIMIT);
    struct error ignored;
    /* Of one that is made with $mydomain nothing can be taken. */
    if (set && bytes_search(whole, BYTES("mydomain")) == whole.len &&
        import_settings_expand(draft->main, whole, &mine, &ignored))
        whole = buf_view(&mine);
    if (bytes_search(whole, BYTES("mydomain")) == whole.len &&
        bytes_cut(whole, '.', &before, &domain))
        import_settings_set(draft->main, BYTES("mydomain"), domain, 0);
    else
        import_settings_set(draft->main, BYTES("mydomain"), BYTES("localdomain"), 0);
    buf_done(&mine);
}

static bool matches(const char *pattern, struct bytes name)
{
    char text[256];
    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.at, name.len);
    text[name.len] = 0;
    return fnmatch(pattern, text, 0) == 0;
}

/* Empty, no, or 0: it does nothing in Postfix either. */
static bool is_off(const struct import_draft *draft, const struct import_setting *setting)
{
    struct buf value;
    struct error ignored;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    bool is_expanded = import_settings_expand(draft->main, setting->value, &value, &ignored);
    struct bytes text = bytes_trim(buf_view(&value));
    bool is_it = is_expanded && (text.len == 0 || bytes_equal_nocase(text, BYTES("no")) ||
                                 bytes_equal(text, BYTES("0")) || bytes_equal(text, BYTES("0s")));
    buf_done(&value);
    return is_it;
}

void import_rest(struct import_draft *draft, const struct import_setting *setting,
                 struct bytes shown)
{
    struct bytes name = setting->name;
    bool is_known = import_is_known(name);
    enum import_outcome outcome = IMPORT_UNKNOWN;
    const char *text = "no parameter of Postfix that this command knows";
    if (is_known || import_settings_use(draft->main, name)) {
        outcome = IMPORT_NOT_NEEDED;
        text = is_known ? "belongs to the inside of Postfix"
                        : "it only stands for a part of other values";
    }
    for (size_t i = 0; is_known && i < COUNT(rows); i++)
        if (matches(rows[i].pattern, name)) {
            outcome = rows[i].outcome;
            text = rows[i].text;
            break;
        }
    if ((outcome == IMPORT_LOST || outcome == IMPORT_TO_DO) && is_off(draft, setting)) {
        outcome = IMPORT_NOT_NEEDED;
        text = "it is switched off";
    }
    struct import_setting named = {.name = shown, .value = setting->value, .line = setting->line};
    import_note(draft, outcome, &named, "%s", text);
}
