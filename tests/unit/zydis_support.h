/* SPDX-License-Identifier: BSD-2-Clause */
/* Zydis as a second opinion on the decoder: what decode_mmio() should say, made from what Zydis says. */
#ifndef TESTS_UNIT_ZYDIS_SUPPORT_H
#define TESTS_UNIT_ZYDIS_SUPPORT_H

#include "arch/x86/decode.h"

/* 0, -EAGAIN or -EINVAL as decode_mmio(). The displacement is modulo the address size. */
int zydis_decode(const u8 *bytes, unsigned length, struct decode_mode mode, struct mmio_instruction *out);

/*
 * Decodes by both, and every beginning of what both accept. NULL if they agree; otherwise in words how they do not, in
 * memory that the next call uses again. `accepted` may be NULL.
 */
const char *zydis_disagrees(const u8 *bytes, unsigned length, struct decode_mode mode, bool *accepted);

#endif
