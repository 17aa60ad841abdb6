// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What every variant's file starts with, and the tables that Selection.c chooses from.

#ifndef MK_VARIANT_H
#define MK_VARIANT_H

#include "CMixtureKernels.h"

const mk_kernels *mk_portable_table(void);
const mk_kernels *mk_neon_table(void);
const mk_kernels *mk_avx2_table(void);
const mk_kernels *mk_avx512_table(void);

extern const mk_single_kernels mk_portable_single_kernels;
extern const mk_single_kernels mk_neon_single_kernels;
extern const mk_single_kernels mk_avx2_single_kernels;
extern const mk_single_kernels mk_avx512_single_kernels;

// Whether the including file is compiled for single precision.
#if !defined(MK_SINGLE)
#define MK_SINGLE 0
#endif

// Only written-out fused multiply-adds may be fused, or variants would disagree in the last bit.
#pragma STDC FP_CONTRACT OFF
// 64-byte vectors are passed to functions that are always inlined: no calling convention is involved.
#pragma clang diagnostic ignored "-Wpsabi"
// A variant with few registers may decline to unroll a loop: slower, never different.
#pragma clang diagnostic ignored "-Wpass-failed"

#endif
