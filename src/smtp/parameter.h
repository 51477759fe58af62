/* The parameters of MAIL and RCPT and their meaning (RFC 1870, 2852, 3030, 3461, 4865, 6152,
 * 6531). They are read into the envelope; all views point into the line. */
#pragma once

#include "mail/envelope.h"
#include "smtp/server.h"

/* What the reading depends on. */
struct parameter_terms {
    const struct smtp_server_settings *settings;
    int64_t wall_ms;
    bool is_smtputf8; /* for RCPT: the transaction is */
};

struct mail_parameters {
    enum dsn_ret ret;
    enum body_type body;
    enum deliver_by by_mode;
    bool by_trace, is_smtputf8;
    int64_t by_ms, hold_until_ms;
    struct bytes envid;
    uint64_t declared_size;
};

struct rcpt_parameters {
    struct bytes orcpt;
    uint8_t notify;
};

/* Reads what stands behind the path. The answer's code is 0 when all is well; else it is the
 * reply to refuse the command with (501, 552, 555; its texts are constant), and *out is of no
 * use. */
MUST_CHECK struct smtp_answer parameters_mail(struct bytes rest,
                                              const struct parameter_terms *terms,
                                              struct mail_parameters *out);
MUST_CHECK struct smtp_answer parameters_rcpt(struct bytes rest,
                                              const struct parameter_terms *terms,
                                              struct rcpt_parameters *out);
