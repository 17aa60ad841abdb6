// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "Variant.h"

#if defined(__x86_64__)
#if MK_SINGLE
#define MK_NAME(x) mk_avx2_single_##x
#define MK_WIDTH 8
#else
#define MK_NAME(x) mk_avx2_##x
#define MK_TEXT "avx2"
#define MK_WIDTH 4
#endif
#define MK_WHOLE 0
#define MK_SPAN 3
#define MK_HEIGHT 4
#define MK_FIRST 0
#define MK_PANELS 3
#define MK_TOGETHER 1
#define MK_AHEAD 2
#define MK_EXPONENTIALS 1
#define MK_ABREAST 2
#define MK_FUSED 1
#define MK_SETTLE(x) __asm__ volatile("" : "+x"(x) : : "memory")
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define MK_KEPT(pointer) __asm__("" : "+r"(pointer))
#include "Kernels.inc"
#pragma clang attribute pop
#endif
