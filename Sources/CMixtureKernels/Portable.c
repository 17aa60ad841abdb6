// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What the compiler makes of the kernels for the least processor of this architecture.

#include "Variant.h"

#if MK_SINGLE
#define MK_NAME(x) mk_portable_single_##x
#define MK_WIDTH 8
#else
#define MK_NAME(x) mk_portable_##x
#define MK_TEXT "portable"
#define MK_WIDTH 4
#endif
#define MK_WHOLE 0
#define MK_SPAN 1
#define MK_HEIGHT 4
#define MK_FIRST 0
#define MK_PANELS 1
#define MK_TOGETHER 1
#define MK_AHEAD 1
#define MK_EXPONENTIALS 1
#define MK_ABREAST 1
#if defined(__x86_64__) && !defined(__FMA__)
#define MK_FUSED 0
#else
#define MK_FUSED 1
#endif
#include "Kernels.inc"
