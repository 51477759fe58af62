#include "queue/window.h"

static const int64_t BALK_MS = 5000;

void window_init(struct window *window)
{
    *window = (struct window){.size = WINDOW_START, .threshold = UINT32_MAX};
}

void window_answered(struct window *window, size_t limit)
{
    if (window->size >= limit)
        return;
    window->answers++;
    if (window->size >= window->threshold && window->answers < window->size)
        return;
    window->answers = 0;
    window->size++;
}

static void shrink(struct window *window, uint32_t size)
{
    window->size = window->threshold = size > 0 ? size : 1;
    window->answers = 0;
}

void window_balked(struct window *window, int64_t now_ms)
{
    if (now_ms >= window->balked_ms && now_ms < window->balked_ms + BALK_MS)
        return;
    window->balked_ms = now_ms;
    shrink(window, window->size / 2);
}

void window_refused(struct window *window, size_t working)
{
    if (working < window->size)
        shrink(window, (uint32_t)working);
}

void window_died(struct window *window)
{
    shrink(window, window->size / 2);
    window->size = 1;
}
