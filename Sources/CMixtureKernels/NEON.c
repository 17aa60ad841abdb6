// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Every 64-bit Arm processor has these vectors, so no target attribute is needed.

#include "Variant.h"

#if defined(__aarch64__)
#if MK_SINGLE
#define MK_NAME(x) mk_neon_single_##x
#define MK_WIDTH 8
#else
#define MK_NAME(x) mk_neon_##x
#define MK_TEXT "neon"
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
#include "Kernels.inc"
#endif
