#include <stdio.h>

#include <jansson.h>

#include "cli/paint.h"
#include "cli/verify_report.h"

static json_t *text(struct bytes bytes)
{
    if (bytes.len == 0)
        return json_string("");
    if (bytes_is_utf8(bytes))
        return json_stringn((const char *)bytes.at, bytes.len);
    struct buf clean;
    buf_init(&clean, bytes.len);
    paint_add(&clean, bytes);
    json_t *string = json_stringn((const char *)clean.at, clean.len);
    buf_done(&clean);
    return string;
}

static json_t *spf_json(const struct spf_verdict *spf, bool is_checked)
{
    return json_pack("{s:s,s:o,s:o}", "result", is_checked ? spf_result_name(spf->result) : "none",
                     "domain", text(spf->domain), "explanation", text(spf->explanation));
}

static json_t *dkim_json(const struct dkim_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->count; i++) {
        const struct dkim_check *check = &report->checks[i];
        json_array_append_new(
            list, json_pack("{s:s,s:o,s:o,s:o,s:o}", "result", dkim_result_name(check->result),
                            "domain", text(check->domain), "selector", text(check->selector),
                            "algorithm", text(check->algorithm), "reason", text(check->reason)));
    }
    return list;
}

static json_t *arc_json(const struct arc_report *report)
{
    return json_pack("{s:s,s:i,s:o}", "result", arc_result_name(report->result), "instances",
                     (int)report->instances, "reason", text(report->reason));
}

static json_t *dmarc_json(const struct verify_findings *findings)
{
    const struct dmarc_answer *dmarc = &findings->dmarc;
    struct bytes shown = findings->author.shown;
    json_t *policy =
        dmarc->has_record ? json_string(dmarc_policy_name(dmarc->policy)) : json_null();
    return json_pack("{s:s,s:o,s:s,s:o,s:o,s:{s:b,s:b},s:o*}", "result",
                     dmarc_result_name(dmarc->result), "policy", policy, "disposition",
                     dmarc_policy_name(dmarc->disposition), "domain", text(dmarc->author),
                     "organizational_domain", text(dmarc->organizational), "alignment", "spf",
                     dmarc->spf != DMARC_UNALIGNED, "dkim", dmarc->dkim != DMARC_UNALIGNED, "shown",
                     shown.len ? text(shown) : NULL);
}

void verify_print_json(const struct verify_findings *findings)
{
    json_t *root = json_object();
    if (findings->has_spf || findings->has_message)
        json_object_set_new(root, "spf", spf_json(&findings->spf, findings->has_spf));
    if (findings->has_helo)
        json_object_set_new(root, "spf_helo", spf_json(&findings->helo, true));
    if (findings->has_message) {
        json_object_set_new(root, "dkim", dkim_json(&findings->dkim));
        json_object_set_new(root, "arc", arc_json(&findings->arc));
    }
    if (findings->has_dmarc)
        json_object_set_new(root, "dmarc", dmarc_json(findings));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}
