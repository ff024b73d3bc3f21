/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target description, written when it is asked for: gdb reads it in pieces, and each piece is cut out of a text that is
 * made once more. Source: "Debugging with GDB", appendix "Target Descriptions".
 */
#include "hv/gdb_register_table.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

/* The piece of the text that is wanted. */
struct piece {
    u64 skip; /* characters before it that are still to come */
    char *to;
    size_t size, length;
};

static void add(struct piece *piece, const char *text)
{
    size_t length = strlen(text);

    if (piece->skip >= length) {
        piece->skip -= length;
        return;
    }
    text += piece->skip;
    length = u64_min(length - piece->skip, piece->size - piece->length);
    piece->skip = 0;
    memcpy(piece->to + piece->length, text, length);
    piece->length += length;
}

static const char *const feature_names[GDB_FEATURES] = {
    [GDB_CORE] = "org.gnu.gdb.i386.core",
    [GDB_SSE] = "org.gnu.gdb.i386.sse",
    [GDB_SEGMENT_BASES] = "org.gnu.gdb.i386.segments",
    [GDB_SYSTEM] = "slat.system",
    [GDB_AVX] = "org.gnu.gdb.i386.avx",
};

/* Bits with names, which gdb shows as a list of those that are set. */
struct flag {
    const char *name;
    u8 bit;
};

static const struct flag eflags[] = { { "CF", 0 },  { "PF", 2 },  { "AF", 4 },  { "ZF", 6 },   { "SF", 7 },
                                      { "TF", 8 },  { "IF", 9 },  { "DF", 10 }, { "OF", 11 },  { "NT", 14 },
                                      { "RF", 16 }, { "VM", 17 }, { "AC", 18 }, { "VIF", 19 }, { "VIP", 20 },
                                      { "ID", 21 }, { NULL, 0 } };
static const struct flag mxcsr[] = { { "IE", 0 },  { "DE", 1 },  { "ZE", 2 },  { "OE", 3 },  { "UE", 4 },
                                     { "PE", 5 },  { "DAZ", 6 }, { "IM", 7 },  { "DM", 8 },  { "ZM", 9 },
                                     { "OM", 10 }, { "UM", 11 }, { "PM", 12 }, { "FZ", 15 }, { NULL, 0 } };
static const struct flag cr0[] = { { "PE", 0 },  { "MP", 1 },  { "EM", 2 },  { "TS", 3 },  { "ET", 4 },  { "NE", 5 },
                                   { "WP", 16 }, { "AM", 18 }, { "NW", 29 }, { "CD", 30 }, { "PG", 31 }, { NULL, 0 } };
static const struct flag cr4[] = { { "VME", 0 },    { "PVI", 1 },      { "TSD", 2 },         { "DE", 3 },
                                   { "PSE", 4 },    { "PAE", 5 },      { "MCE", 6 },         { "PGE", 7 },
                                   { "PCE", 8 },    { "OSFXSR", 9 },   { "OSXMMEXCPT", 10 }, { "UMIP", 11 },
                                   { "LA57", 12 },  { "VMXE", 13 },    { "SMXE", 14 },       { "FSGSBASE", 16 },
                                   { "PCIDE", 17 }, { "OSXSAVE", 18 }, { "SMEP", 20 },       { "SMAP", 21 },
                                   { "PKE", 22 },   { "CET", 23 },     { NULL, 0 } };
static const struct flag efer[] = { { "SCE", 0 }, { "LME", 8 }, { "LMA", 10 }, { "NXE", 11 }, { NULL, 0 } };

static void add_flags(struct piece *piece, const char *type, unsigned size, const struct flag *flag)
{
    char line[80];

    format_text(line, sizeof(line), "<flags id=\"%s\" size=\"%u\">\n", type, size);
    add(piece, line);
    for (; flag->name != NULL; flag++) {
        format_text(line, sizeof(line), "<field name=\"%s\" start=\"%u\" end=\"%u\"/>\n", flag->name, flag->bit,
                    flag->bit);
        add(piece, line);
    }
    add(piece, "</flags>\n");
}

/* What a vector register holds is its user's to say. */
static const char vectors[] = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
                              "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
                              "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
                              "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
                              "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
                              "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
                              "<union id=\"vec128\">\n"
                              "<field name=\"v4_float\" type=\"v4f\"/>\n"
                              "<field name=\"v2_double\" type=\"v2d\"/>\n"
                              "<field name=\"v16_int8\" type=\"v16i8\"/>\n"
                              "<field name=\"v8_int16\" type=\"v8i16\"/>\n"
                              "<field name=\"v4_int32\" type=\"v4i32\"/>\n"
                              "<field name=\"v2_int64\" type=\"v2i64\"/>\n"
                              "<field name=\"uint128\" type=\"uint128\"/>\n"
                              "</union>\n";

/* Types belong to the feature that uses them. */
static void add_types(struct piece *piece, struct gdb_layout layout, enum gdb_feature feature)
{
    unsigned size = layout.is_64 ? 8 : 4;

    if (feature == GDB_CORE) {
        add_flags(piece, "eflags", 4, eflags);
    } else if (feature == GDB_SSE) {
        add(piece, vectors);
        add_flags(piece, "mxcsr", 4, mxcsr);
    } else if (feature == GDB_SYSTEM) {
        add_flags(piece, "cr0", size, cr0);
        add_flags(piece, "cr4", size, cr4);
        add_flags(piece, "efer", size, efer);
    }
}

static void add_feature(struct piece *piece, struct gdb_layout layout, enum gdb_feature feature)
{
    char line[128];

    format_text(line, sizeof(line), "<feature name=\"%s\">\n", feature_names[feature]);
    add(piece, line);
    add_types(piece, layout, feature);
    for (unsigned i = 0; i < gdb_register_count(layout); i++) {
        const struct gdb_register *at = gdb_register_at(layout, i);
        if (at->feature != feature)
            continue;
        format_text(line, sizeof(line), "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"%s/>\n", at->name,
                    8u * at->size, at->type, i, feature == GDB_SYSTEM ? " save-restore=\"no\"" : "");
        add(piece, line);
    }
    add(piece, "</feature>\n");
}

size_t gdb_description_read(struct gdb_layout layout, u64 offset, char *to, size_t size)
{
    struct piece piece = { .skip = offset, .to = to, .size = size };

    add(&piece, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n");
    add(&piece, layout.is_64 ? "<architecture>i386:x86-64</architecture>\n" : "<architecture>i386</architecture>\n");
    for (enum gdb_feature feature = 0; feature < GDB_FEATURES; feature++) {
        bool is_there = feature != GDB_AVX || layout.has_avx;
        if (is_there && (feature != GDB_SEGMENT_BASES || layout.is_64))
            add_feature(&piece, layout, feature);
    }
    add(&piece, "</target>\n");
    return piece.length;
}
