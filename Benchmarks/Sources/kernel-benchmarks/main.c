// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The time of each kernel on one block of rows, against the processor's rate of multiply-adds. See README.md.

#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CMachine.h"
#include "CMixtureKernels.h"

// Seconds that this thread has computed, which other programs do not add to.
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Numbers in [-1, 1), the same every time.
static uint64_t state = 88172645463325252u;
static double next_number(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) * 0x1p-52 - 1;
}

static double *numbers(ptrdiff_t count, double scale) {
  const size_t bytes = ((size_t)count * sizeof(double) + 63) / 64 * 64 + 64;
  double *result = aligned_alloc(64, bytes);
  if (result == NULL) abort();
  memset(result, 0, bytes);
  for (ptrdiff_t i = 0; scale != 0 && i < count; i++) result[i] = scale * next_number();
  return result;
}

typedef struct shape {
  ptrdiff_t rows, d, k;
  int diagonal;
  double spread;  // of the means; components overlap, so that nothing is left out
} shape;

enum phase { pack, log_joint, normalize, moments, phases };

// The least time of one call of each kernel.
static void measure(const mk_kernels *kernels, shape s, double best[phases]) {
  const ptrdiff_t groups = s.rows / MK_LANES, d = s.d, k = s.k, size = s.diagonal ? d : d * (d + 1) / 2;
  const ptrdiff_t joints = k * mk_joint_stride(groups);
  double *table = numbers(s.rows * d, 1), *mean = numbers(k * d, s.spread), *factor = numbers(k * size, 0);
  double *constant = numbers(k, 0), *tile = numbers(groups * mk_tile_stride(d), 0), *joint = numbers(joints, 0);
  double *kept = numbers(joints, 0), *weight = numbers(s.rows, 0), *density = numbers(s.rows, 0);
  double *entropy = numbers(s.rows, 0), *lanes = numbers(k * (1 + d + size) * MK_LANES, 0);
  double *zeroth = numbers(k, 0), *first = numbers(k * d, 0), *second = numbers(k * size, 0);
  double *scratch = numbers(mk_scratch_size(groups, d), 0);
  ptrdiff_t *offset = malloc((size_t)d * sizeof *offset);
  if (offset == NULL) abort();
  for (ptrdiff_t j = 0; j < d; j++) offset[j] = j;
  for (ptrdiff_t i = 0; i < s.rows; i++) weight[i] = 1;
  for (ptrdiff_t c = 0; c < k; c++)
    for (ptrdiff_t i = 0; i < d; i++) factor[c * size + (s.diagonal ? i : i * (i + 3) / 2)] = 1;
  const mk_rows rows = {table, MK_FLOAT64, d, offset, NULL, s.rows, d};
  const double flops = (double)(s.rows * k) * (s.diagonal ? 7.0 * (double)d : 2.0 * (double)(d * d + 4 * d));
  const int calls = 1 + (int)(3e6 / flops);
  double least_copying = 1e9;
  for (int p = 0; p < phases; p++) best[p] = 1e9;
  for (int trial = 0; trial < 40; trial++) {
    double spent[phases], copying, began = now();
    for (int i = 0; i < calls; i++) kernels->pack(&rows, tile);
    spent[pack] = now() - began;
    began = now();
    for (int i = 0; i < calls; i++) {
      if (s.diagonal) kernels->log_joint_diagonal(groups, d, k, tile, mean, factor, size, constant, joint);
      else kernels->log_joint_full(groups, d, k, tile, mean, factor, size, constant, joint, scratch);
    }
    spent[log_joint] = now() - began;
    memcpy(kept, joint, (size_t)joints * sizeof *joint);
    // It works in place, so its input is copied every time, and the copies are taken off.
    began = now();
    for (int i = 0; i < calls; i++) memcpy(joint, kept, (size_t)joints * sizeof *joint);
    copying = (now() - began) / calls;
    if (copying < least_copying) least_copying = copying;
    began = now();
    for (int i = 0; i < calls; i++) {
      memcpy(joint, kept, (size_t)joints * sizeof *joint);
      kernels->normalize(groups, k, weight, joint, density, entropy, NULL);
    }
    spent[normalize] = now() - began;
    began = now();
    for (int i = 0; i < calls; i++) {
      if (s.diagonal) kernels->accumulate_diagonal(groups, d, k, tile, joint, mean, zeroth, first, second);
      else kernels->accumulate_full(groups, d, k, tile, joint, mean, lanes, zeroth, first, second, scratch);
    }
    spent[moments] = now() - began;
    for (int p = 0; p < phases; p++)
      if (spent[p] / calls < best[p]) best[p] = spent[p] / calls;
  }
  best[normalize] -= least_copying;
  if (density[0] - density[0] != 0) {
    fprintf(stderr, "kernel-benchmarks: the log density of a row is %g\n", density[0]);
    exit(1);
  }
  double *all[] = {table, mean, factor, constant, tile, joint, kept, weight, density, entropy, lanes,
                   zeroth, first, second, scratch};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  free(offset);
}

int main(int argc, char **argv) {
  double peak = 0;
  for (int trial = 0; trial < 10; trial++) {
    const double began = now(), flops = machine_multiply_add(2000000), rate = flops / (now() - began);
    if (rate > peak) peak = rate;
  }
  printf("%s: multiply-adds %.1f GFLOP/s\n\n", machine_vectors(), peak / 1e9);
  printf("| kernels | rows | d | K | ns per row and component | pack | log joint | normalise | moments | GFLOP/s | %% of peak |\n");
  printf("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  static const shape shapes[] = {{256, 1, 4, 0, 1},      {1000, 2, 2, 0, 1},     {256, 2, 8, 0, 2},     {256, 4, 100, 0, 1},
                                 {256, 8, 16, 0, 1},     {256, 16, 16, 0, 0.5},  {256, 32, 32, 0, 0.2}, {128, 64, 64, 0, 0.1},
                                 {96, 256, 16, 0, 0.05}, {128, 64, 128, 1, 0.1}};
  for (ptrdiff_t v = 0; mk_variant(v) != NULL; v++) {
    const mk_kernels *kernels = mk_variant(v);
    if (argc > 1 ? strcmp(argv[1], kernels->name) != 0 : !kernels->fused) continue;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
      const shape s = shapes[i];
      double best[phases], total = 0;
      measure(kernels, s, best);
      for (int p = 0; p < phases; p++) total += best[p];
      const double pairs = (double)(s.rows * s.k), scale = 1e9 / pairs, d = (double)s.d;
      const double rate = pairs * (s.diagonal ? 7 * d : 2 * d * (d + 1) + 6 * d) / total;
      printf("| %s | %td | %td%s | %td | %.3g | %.2g | %.3g | %.3g | %.3g | %.1f | %.0f |\n", kernels->name, s.rows, s.d,
             s.diagonal ? ", diagonal" : "", s.k, total * scale, best[pack] * scale, best[log_joint] * scale,
             best[normalize] * scale, best[moments] * scale, rate / 1e9, 100 * rate / peak);
      fflush(stdout);
    }
  }
  return 0;
}
