/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A grid of cells as it should look, and one as it does look; painting makes them equal. At every instant all indices are
 * within the grid, since a panic may come in from anywhere here.
 */
#include "hv/screen.h"

#include "arch/x86/paging.h"
#include "hv/lib/string.h"
#include "hv/screen_font.h"

/* Enough for 1920x1200 pixels. On a larger screen each pixel of the font becomes 2x2 pixels, or 3x3 … */
enum { MAX_COLUMNS = 240, MAX_ROWS = 75 };

enum { MAX_FRAMEBUFFER = 256 << 20 }; /* bytes; 7680x4320 pixels are 127 MiB */

/* An index in screen_font; with CELL_OWN in a line that is slat's own. 0 is a blank. */
typedef u16 cell_t;
enum { CELL_OWN = 1 << 15 };

enum { PAPER = 0x0c1016, INK_GUEST = 0xcfcfc8, INK_OWN = 0x7fc4f0 }; /* red, green, blue */

static u8 *pixels;
static u32 pitch;
static u32 paper, ink_guest, ink_own; /* as pixels */
static unsigned scale;
static unsigned columns, rows; /* columns is 0 if there is no screen */

static cell_t wanted[MAX_ROWS][MAX_COLUMNS];
static cell_t shown[MAX_ROWS][MAX_COLUMNS];
static unsigned changed_from, changed_to; /* the rows in which they may differ */

static unsigned row, column; /* where the next character goes; after the last column or row if there is no place yet */
static bool line_starts;
static cell_t owner; /* CELL_OWN or 0 */

static u32 pixel_of(u32 color, u32 format)
{
    if (format == FRAMEBUFFER_BGRX)
        return color;
    return (color & 0x0000ff) << 16 | (color & 0x00ff00) | color >> 16;
}

static u32 *scan_line(unsigned y)
{
    return (u32 *)(pixels + (u64)y * pitch);
}

static void paint_paper(u32 width, u32 height)
{
    for (u32 y = 0; y < height; y++) {
        for (u32 x = 0; x < width; x++)
            scan_line(y)[x] = paper;
    }
}

static u8 cell_bits(cell_t cell, unsigned y)
{
    return screen_font[cell & ~CELL_OWN].rows[y];
}

/* One scan line of a cell, unless it looks as before. */
static void paint_cell(u32 *pixel, cell_t want, cell_t have, unsigned y)
{
    u8 bits = cell_bits(want, y);
    u32 ink = (want & CELL_OWN) ? ink_own : ink_guest;

    if (bits == cell_bits(have, y) && (!bits || !((want ^ have) & CELL_OWN)))
        return;
    for (unsigned bit = 1 << (GLYPH_WIDTH - 1); bit; bit >>= 1) {
        for (unsigned i = 0; i < scale; i++)
            *pixel++ = (bits & bit) ? ink : paper;
    }
}

/* From left to right and then down, not cell by cell, because neighbouring pixels are written together. */
static void paint_row(unsigned r)
{
    const cell_t *want = wanted[r];
    cell_t *have = shown[r];
    unsigned from = 0, to = columns;

    while (from < to && want[from] == have[from])
        from++;
    while (from < to && want[to - 1] == have[to - 1])
        to--;
    for (unsigned y = 0; y < GLYPH_HEIGHT * scale; y++) {
        u32 *line = scan_line(r * GLYPH_HEIGHT * scale + y);

        for (unsigned c = from; c < to; c++)
            paint_cell(line + c * GLYPH_WIDTH * scale, want[c], have[c], y / scale);
    }
    memcpy(have + from, want + from, (to - from) * sizeof *have);
}

static void paint_changes(void)
{
    for (; changed_from < changed_to; changed_from++)
        paint_row(changed_from);
    /* The last pixels may wait to be written together with more; a full fence ends that (SDM vol. 3, 13.3.1). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void mark_changed(unsigned from, unsigned to)
{
    bool none = changed_from >= changed_to;

    changed_from = none || from < changed_from ? from : changed_from;
    changed_to = none || to > changed_to ? to : changed_to;
}

static void scroll(void)
{
    unsigned gone = (rows + 2) / 3;

    memmove(wanted[0], wanted[gone], (rows - gone) * sizeof wanted[0]);
    memset(wanted[rows - gone], 0, gone * sizeof wanted[0]);
    row = rows - gone;
    mark_changed(0, rows);
}

static void new_line(void)
{
    if (row == rows)
        scroll();
    column = 0;
    row++;
}

static void put(unsigned glyph)
{
    if (column == columns)
        new_line();
    if (row == rows)
        scroll();
    mark_changed(row, row + 1);
    wanted[row][column++] = (cell_t)(glyph | owner);
}

/* log_line() begins them so; guests' lines begin with the guest's name. */
static bool is_own_line(const char *text, const char *end)
{
    static const char prefix[] = "slat: ";

    return (size_t)(end - text) >= sizeof prefix - 1 && memcmp(text, prefix, sizeof prefix - 1) == 0;
}

void screen_write(const char *text, size_t length)
{
    const char *end = text + length;

    if (!columns)
        return;
    if (!line_starts && is_own_line(text, end)) { /* in the middle of another one: a panic */
        new_line();
        line_starts = true;
    }
    while (text < end) {
        if (line_starts)
            owner = is_own_line(text, end) ? CELL_OWN : 0;
        line_starts = *text == '\n';
        if (line_starts) {
            new_line();
            text++;
        } else {
            put(screen_font_next(&text, end));
        }
    }
    paint_changes();
}

static bool is_plausible(const struct framebuffer *f)
{
    u64 size = (u64)f->pitch * f->height;

    return (f->format == FRAMEBUFFER_RGBX || f->format == FRAMEBUFFER_BGRX) && f->width >= GLYPH_WIDTH &&
           f->height >= GLYPH_HEIGHT && f->pitch % sizeof(u32) == 0 && f->pitch / sizeof(u32) >= f->width &&
           size <= f->size && size <= MAX_FRAMEBUFFER && f->base && f->base % sizeof(u32) == 0 &&
           f->base < (1ull << 52) - size; /* the most that a physical address can have */
}

/* So that neither grid nor screen is exceeded; false: the screen is a stripe. */
static bool set_size(u32 width, u32 height)
{
    unsigned across = width / GLYPH_WIDTH, down = height / GLYPH_HEIGHT;
    unsigned scale_across = (across + MAX_COLUMNS - 1) / MAX_COLUMNS, scale_down = (down + MAX_ROWS - 1) / MAX_ROWS;

    scale = scale_across > scale_down ? scale_across : scale_down;
    rows = down / scale;
    columns = rows ? across / scale : 0;
    return columns > 0;
}

bool screen_init(const struct framebuffer *framebuffer)
{
    columns = 0;
    if (!is_plausible(framebuffer))
        return false;
    pixels = vmap_framebuffer((hpa_t){ framebuffer->base }, (u64)framebuffer->pitch * framebuffer->height);
    if (!pixels)
        return false;
    pitch = framebuffer->pitch;
    paper = pixel_of(PAPER, framebuffer->format);
    ink_guest = pixel_of(INK_GUEST, framebuffer->format);
    ink_own = pixel_of(INK_OWN, framebuffer->format);
    memset(wanted, 0, sizeof wanted);
    memset(shown, 0, sizeof shown);
    row = column = changed_from = changed_to = 0;
    line_starts = true;
    /* If this faults, the panic's report must not come here: it does from set_size() on. */
    paint_paper(framebuffer->width, framebuffer->height);
    return set_size(framebuffer->width, framebuffer->height);
}
