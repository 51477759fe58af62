#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/paint.h"

enum { BAR = 20, SHOW_EACH_MS = 100, LINE_LIMIT = 200 };

void progress_init(struct progress *progress, uint64_t total)
{
    *progress = (struct progress){.total = total, .begun_ms = instant_steady_ms()};
    progress->is_shown = total >= PROGRESS_LEAST && isatty(STDERR_FILENO);
}

void progress_print(struct buf *out, uint64_t done, uint64_t total, int64_t elapsed_ms)
{
    if (done > total)
        done = total;
    double part = total ? (double)done / (double)total : 1;
    int full = (int)(part * BAR);
    buf_addf(out, "%3d%% [", (int)(part * 100));
    for (int i = 0; i < BAR; i++)
        buf_add_byte(out, i < full ? '#' : ' ');
    buf_add(out, BYTES("] "));
    paint_size(out, done);
    buf_add(out, BYTES(" of "));
    paint_size(out, total);
    if (elapsed_ms <= 0 || done == 0)
        return;
    double a_second = (double)done * 1000 / (double)elapsed_ms;
    buf_add(out, BYTES(", "));
    paint_size(out, (uint64_t)a_second);
    buf_add(out, BYTES("/s"));
    if (done < total && a_second >= 1) {
        buf_add(out, BYTES(", "));
        paint_duration(out, (int64_t)((double)(total - done) / a_second) * 1000);
        buf_add(out, BYTES(" left"));
    }
}

void progress_tell(struct progress *progress, uint64_t done)
{
    int64_t now_ms = instant_steady_ms();
    struct buf line;
    if (!progress->is_shown ||
        (done < progress->total && now_ms - progress->shown_ms < SHOW_EACH_MS))
        return;
    progress->shown_ms = now_ms;
    buf_init(&line, LINE_LIMIT);
    progress_print(&line, done, progress->total, now_ms - progress->begun_ms);
    fprintf(stderr, "\r%.*s\x1b[K", BYTES_ARGS(buf_view(&line)));
    buf_done(&line);
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown && progress->shown_ms)
        fputs("\r\x1b[K", stderr);
    progress->is_shown = false;
}
