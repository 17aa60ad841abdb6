// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Prints one line `kernel shape hash` for each kernel and shape, computed by the variant that the first argument names.
// Variants with a fused multiply-add must print the same lines on every processor: see compare.sh.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CMixtureKernels.h"

// The arguments must be the same everywhere too.
#pragma STDC FP_CONTRACT OFF

// Numbers in [-1, 1) that are the same everywhere.
static uint64_t state;
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

// FNV-1a over whole words.
static uint64_t hash(const void *data, ptrdiff_t words) {
  uint64_t result = 14695981039346656037u;
  for (ptrdiff_t i = 0; i < words; i++) {
    uint64_t word;
    memcpy(&word, (const char *)data + 8 * i, 8);
    result = (result ^ word) * 1099511628211u;
  }
  return result;
}

static void report(const char *kernel, const char *shape, uint64_t value) {
  printf("%s %s %016llx\n", kernel, shape, (unsigned long long)value);
}

enum form { full, diagonal, scalar };

// One block through every kernel. With `far` most responsibilities are exactly zero.
static void run(const mk_kernels *kernels, ptrdiff_t n, ptrdiff_t d, ptrdiff_t k, int far) {
  char shape[80];
  const ptrdiff_t groups = (n + MK_LANES - 1) / MK_LANES, rows = groups * MK_LANES;
  state = (uint64_t)(n * 1000003 + d * 1009 + k * 2 + far);
  double *table = numbers(n * (d + 1), 3), *mean = numbers(k * d, far ? 40 : 2);
  double *constant = numbers(k, 1), *weight = numbers(rows, 0), *tile = numbers(groups * mk_tile_stride(d), 0);
  const ptrdiff_t joints = k * mk_joint_stride(groups), tiles = groups * mk_tile_stride(d);
  double *joint = numbers(joints, 0), *density = numbers(rows, 0), *entropy = numbers(rows, 0);
  double *best = numbers(rows, 0), *lanes = numbers(k * (1 + d + d * (d + 1) / 2) * MK_LANES, 0);
  double *scratch = numbers(mk_scratch_size(groups, d), 0);
  int32_t *label = (int32_t *)numbers(rows, 0), *index = (int32_t *)numbers(rows, 0);
  float *single = (float *)numbers(n * (d + 1), 0);
  ptrdiff_t *offset = malloc((size_t)d * sizeof *offset);
  if (offset == NULL) abort();
  for (ptrdiff_t i = 0; i < n * (d + 1); i++) single[i] = (float)table[i];
  for (ptrdiff_t i = 0; i < rows; i++) weight[i] = i < n ? 1 + 0.25 * (double)(i % 3) : 0;

  // The last feature lies apart, so that rows are read in both ways.
  for (ptrdiff_t j = 0; j < d; j++) offset[j] = j + (j == d - 1);
  mk_rows block = {single, MK_FLOAT32, d + 1, offset, NULL, n, d};
  snprintf(shape, sizeof shape, "n=%td,d=%td,k=%td%s", n, d, k, far ? ",far" : "");
  int finite = kernels->pack(&block, tile);
  report("pack_float32", shape, hash(tile, tiles) + (uint64_t)finite);
  block.base = table;
  block.type = MK_FLOAT64;
  finite = kernels->pack(&block, tile);
  report("pack_float64", shape, hash(tile, tiles) + (uint64_t)finite);
  // The same rows without a gap, as tables in memory lie.
  offset[d - 1] = d - 1;
  block.row_stride = d;
  finite = kernels->pack(&block, tile);
  report("pack_adjacent", shape, hash(tile, tiles) + (uint64_t)finite);
  // Chosen rows, in any order.
  for (ptrdiff_t i = 0; i < n; i++) index[i] = (int32_t)(i * 7 % n);
  block.row_index = index;
  finite = kernels->pack(&block, tile);
  report("pack_chosen", shape, hash(tile, tiles) + (uint64_t)finite);

  for (int shared = 0; shared < 2; shared++) {
    for (int form = full; form <= scalar; form++) {
      const ptrdiff_t size = form == full ? d * (d + 1) / 2 : form == diagonal ? d : 1;
      snprintf(shape, sizeof shape, "n=%td,d=%td,k=%td,%s%s%s", n, d, k,
               form == full ? "full" : form == diagonal ? "diagonal" : "scalar",
               shared ? ",shared" : "", far ? ",far" : "");
      double *factor = numbers(k * size, 0.3);
      for (ptrdiff_t c = 0; c < k; c++)
        for (ptrdiff_t i = 0; i < (form == scalar ? 1 : d); i++)
          factor[c * size + (form == full ? i * (i + 3) / 2 : i)] = 0.8 + 0.1 * next_number();
      double *zeroth = numbers(k, 0), *first = numbers(k * d, 0), *second = numbers(k * size, 0);
      const ptrdiff_t stride = shared ? 0 : size;
      mk_totals totals = {0, 0, 0};
      if (form == full) {
        kernels->log_joint_full(groups, d, k, tile, mean, factor, stride, constant, joint, scratch);
      } else if (form == diagonal) {
        kernels->log_joint_diagonal(groups, d, k, tile, mean, factor, stride, constant, joint);
      } else {
        kernels->log_joint_scalar(groups, d, k, tile, mean, factor, stride, constant, joint);
      }
      report("log_joint", shape, hash(joint, joints));
      kernels->argmax(groups, k, joint, best, label);
      report("argmax", shape, hash(best, rows) ^ hash(label, rows / 2));
      memset(label, 0, (size_t)rows * sizeof *label);
      kernels->normalize(groups, k, weight, joint, density, entropy, shared ? label : NULL);
      kernels->add_totals(groups, weight, density, entropy, &totals);
      report("normalize", shape, hash(joint, joints) ^ hash(density, rows) ^ hash(entropy, rows) ^
             hash(label, rows / 2) ^ hash(&totals, 3));
      if (form == full) {
        kernels->accumulate_full(groups, d, k, tile, joint, mean, lanes, zeroth, first, second, scratch);
        if (d <= MK_LANE_FEATURES)
          for (ptrdiff_t c = 0; c < k; c++) {
            double *at = lanes + c * (1 + d + size) * MK_LANES;
            kernels->fold_lanes(1, at, zeroth + c);
            kernels->fold_lanes(d, at + MK_LANES, first + c * d);
            kernels->fold_lanes(size, at + (1 + d) * MK_LANES, second + c * size);
          }
        memset(lanes, 0, (size_t)(k * (1 + d + size) * MK_LANES) * sizeof *lanes);
      } else if (form == diagonal) {
        kernels->accumulate_diagonal(groups, d, k, tile, joint, mean, zeroth, first, second);
      } else {
        kernels->accumulate_scalar(groups, d, k, tile, joint, mean, zeroth, first, second);
      }
      if (form == full) {
        // Moments, and a number that makes them positive definite.
        for (ptrdiff_t i = 0; i < d; i++) second[i * (i + 3) / 2] += 1;
        const int ok = kernels->cholesky(d, second, 1e-14);
        report("cholesky", shape, hash(second, k * size) + (uint64_t)ok);
      }
      report("accumulate", shape, hash(zeroth, k) ^ hash(first, k * d) ^ hash(second, k * size));
      free(factor);
      free(zeroth);
      free(first);
      free(second);
    }
  }
  free(table);
  free(mean);
  free(constant);
  free(weight);
  free(tile);
  free(joint);
  free(density);
  free(entropy);
  free(lanes);
  free(index);
  free(best);
  free(scratch);
  free(label);
  free(single);
  free(offset);
}

// Rows with noise through their kernels; one row's noise is no covariance, and with `holes` cells are missing.
static void run_noise(const mk_kernels *kernels, ptrdiff_t n, ptrdiff_t d, ptrdiff_t k, int full, int holes) {
  char shape[80];
  const ptrdiff_t groups = (n + MK_LANES - 1) / MK_LANES, size = d * (d + 1) / 2, sums = 1 + d + size;
  const ptrdiff_t x_stride = mk_tile_stride(d), noise_stride = mk_tile_stride(full ? size : d);
  state = (uint64_t)(n * 1000003 + d * 1009 + k * 4 + full * 2 + holes);
  double *tile = numbers(groups * x_stride, 3), *noise = numbers(groups * noise_stride, 0.4);
  double *observed = numbers(groups * x_stride, 0), *mean = numbers(k * d, 2), *covariance = numbers(k * size, 0.3);
  double *constant = numbers(k, 1), *joint = numbers(k * mk_joint_stride(groups), 0);
  double *responsibility = numbers(k * mk_joint_stride(groups), 1), *lanes = numbers(k * sums * MK_LANES, 0);
  double *scratch = numbers(mk_noise_scratch_size(d), 0), *total = numbers(k * sums, 0);
  for (ptrdiff_t i = 0; i < groups * x_stride; i++) observed[i] = next_number() > -0.5;
  for (ptrdiff_t i = 0; i < k * mk_joint_stride(groups); i++) responsibility[i] = responsibility[i] > 0 ? responsibility[i] : 0;
  for (ptrdiff_t c = 0; c < k; c++)
    for (ptrdiff_t i = 0; i < d; i++) covariance[c * size + i * (i + 3) / 2] += 1 + 0.5 * (double)d;
  for (ptrdiff_t g = 0; g < groups; g++)
    for (ptrdiff_t i = 0; i < d; i++)
      for (ptrdiff_t lane = 0; lane < MK_LANES; lane++)
        noise[g * noise_stride + (full ? i * (i + 3) / 2 : i) * MK_LANES + lane] += full ? 0.5 * (double)d : 0.4;
  noise[(groups - 1) * noise_stride + 3] = -1e3 * (double)d;
  snprintf(shape, sizeof shape, "n=%td,d=%td,k=%td,%s%s", n, d, k, full ? "full" : "diagonal", holes ? ",holes" : "");
  kernels->log_joint_noise(groups, d, k, full, tile, noise, holes ? observed : NULL, mean, covariance,
                           k % 2 == 0 ? 0 : size, constant, joint, scratch);
  report("log_joint_noise", shape, hash(joint, k * mk_joint_stride(groups)));
  kernels->accumulate_noise(groups, d, k, full, tile, noise, holes ? observed : NULL, mean, covariance,
                            k % 2 == 0 ? 0 : size, responsibility, lanes, scratch);
  kernels->fold_lanes(k * sums, lanes, total);
  report("accumulate_noise", shape, hash(total, k * sums));
  free(tile);
  free(noise);
  free(observed);
  free(mean);
  free(covariance);
  free(constant);
  free(joint);
  free(responsibility);
  free(lanes);
  free(scratch);
  free(total);
}

static float *floats(ptrdiff_t count, double scale) {
  float *result = (float *)numbers((count + 1) / 2, 0);
  for (ptrdiff_t i = 0; scale != 0 && i < count; i++) result[i] = (float)(scale * next_number());
  return result;
}

// One block through every kernel of single precision.
static void run_single(const mk_single_kernels *kernels, ptrdiff_t n, ptrdiff_t d, ptrdiff_t k, int far) {
  char shape[80];
  const ptrdiff_t groups = (n + MK_SINGLE_LANES - 1) / MK_SINGLE_LANES, rows = groups * MK_SINGLE_LANES;
  const ptrdiff_t joints = k * mk_single_joint_stride(groups), tiles = groups * mk_single_tile_stride(d);
  state = (uint64_t)(n * 1000003 + d * 1009 + k * 2 + far);
  double *table = numbers(n * (d + 1), 3), *origin = numbers(d, 1), *scale = numbers(d, 0);
  float *mean = floats(k * d, far ? 40 : 2), *constant = floats(k, 1), *weight = floats(rows, 0);
  float *tile = floats(tiles, 0), *joint = floats(joints, 0), *density = floats(rows, 0), *entropy = floats(rows, 0);
  float *lanes = floats(k * (1 + d + d * (d + 1) / 2) * MK_SINGLE_LANES, 0);
  float *scratch = floats(mk_single_scratch_size(groups, d), 0), *narrow = floats(n * (d + 1), 0);
  int32_t *label = (int32_t *)numbers(rows, 0), *index = (int32_t *)numbers(rows, 0);
  ptrdiff_t *offset = malloc((size_t)d * sizeof *offset);
  if (offset == NULL) abort();
  for (ptrdiff_t i = 0; i < n * (d + 1); i++) narrow[i] = (float)table[i];
  for (ptrdiff_t i = 0; i < rows; i++) weight[i] = i < n ? 1 + 0.25f * (float)(i % 3) : 0;
  for (ptrdiff_t j = 0; j < d; j++) {
    offset[j] = j + (j == d - 1);
    scale[j] = j % 2 ? 0.5 : 1;
  }
  mk_rows block = {narrow, MK_FLOAT32, d + 1, offset, NULL, n, d};
  snprintf(shape, sizeof shape, "n=%td,d=%td,k=%td%s", n, d, k, far ? ",far" : "");
  for (int adjacent = 0; adjacent < 2; adjacent++) {
    if (adjacent) {
      offset[d - 1] = d - 1;
      block.row_stride = d;
    }
    block.base = narrow;
    block.type = MK_FLOAT32;
    int finite = kernels->pack(&block, origin, scale, tile);
    report(adjacent ? "single_pack_adjacent_float32" : "single_pack_float32", shape, hash(tile, tiles / 2) + (uint64_t)finite);
    block.base = table;
    block.type = MK_FLOAT64;
    finite = kernels->pack(&block, origin, scale, tile);
    report(adjacent ? "single_pack_adjacent" : "single_pack_float64", shape, hash(tile, tiles / 2) + (uint64_t)finite);
  }
  for (ptrdiff_t i = 0; i < n; i++) index[i] = (int32_t)(i * 7 % n);
  block.row_index = index;
  const int finite = kernels->pack(&block, origin, scale, tile);
  report("single_pack_chosen", shape, hash(tile, tiles / 2) + (uint64_t)finite);

  for (int shared = 0; shared < 2; shared++) {
    for (int form = full; form <= scalar; form++) {
      const ptrdiff_t size = form == full ? d * (d + 1) / 2 : form == diagonal ? d : 1;
      const ptrdiff_t stride = shared ? 0 : size;
      snprintf(shape, sizeof shape, "n=%td,d=%td,k=%td,%s%s%s", n, d, k,
               form == full ? "full" : form == diagonal ? "diagonal" : "scalar",
               shared ? ",shared" : "", far ? ",far" : "");
      float *factor = floats(k * size, 0.3);
      for (ptrdiff_t c = 0; c < k; c++)
        for (ptrdiff_t i = 0; i < (form == scalar ? 1 : d); i++)
          factor[c * size + (form == full ? i * (i + 3) / 2 : i)] = (float)(0.8 + 0.1 * next_number());
      double *zeroth = numbers(k, 0), *first = numbers(k * d, 0), *second = numbers(k * size, 0);
      mk_totals totals = {0, 0, 0};
      if (form == full) {
        kernels->log_joint_full(groups, d, k, tile, mean, factor, stride, constant, joint, scratch);
      } else if (form == diagonal) {
        kernels->log_joint_diagonal(groups, d, k, tile, mean, factor, stride, constant, joint);
      } else {
        kernels->log_joint_scalar(groups, d, k, tile, mean, factor, stride, constant, joint);
      }
      report("single_log_joint", shape, hash(joint, joints / 2));
      memset(label, 0, (size_t)rows * sizeof *label);
      kernels->normalize(groups, k, weight, joint, density, entropy, shared ? label : NULL);
      kernels->add_totals(groups, weight, density, entropy, &totals);
      report("single_normalize", shape, hash(joint, joints / 2) ^ hash(density, rows / 2) ^ hash(entropy, rows / 2) ^
             hash(label, rows / 2) ^ hash(&totals, 3));
      if (form == full) {
        kernels->accumulate_full(groups, d, k, tile, joint, mean, lanes, zeroth, first, second, scratch);
        if (d <= MK_LANE_FEATURES)
          for (ptrdiff_t c = 0; c < k; c++) {
            float *at = lanes + c * (1 + d + size) * MK_SINGLE_LANES;
            kernels->fold_lanes(1, at, zeroth + c);
            kernels->fold_lanes(d, at + MK_SINGLE_LANES, first + c * d);
            kernels->fold_lanes(size, at + (1 + d) * MK_SINGLE_LANES, second + c * size);
          }
        memset(lanes, 0, (size_t)(k * (1 + d + size) * MK_SINGLE_LANES) * sizeof *lanes);
      } else if (form == diagonal) {
        kernels->accumulate_diagonal(groups, d, k, tile, joint, mean, zeroth, first, second);
      } else {
        kernels->accumulate_scalar(groups, d, k, tile, joint, mean, zeroth, first, second);
      }
      report("single_accumulate", shape, hash(zeroth, k) ^ hash(first, k * d) ^ hash(second, k * size));
      free(factor);
      free(zeroth);
      free(first);
      free(second);
    }
  }
  free(table);
  free(origin);
  free(scale);
  free(mean);
  free(constant);
  free(weight);
  free(tile);
  free(joint);
  free(density);
  free(entropy);
  free(lanes);
  free(scratch);
  free(narrow);
  free(label);
  free(index);
  free(offset);
}

int main(int argc, char **argv) {
  const mk_kernels *kernels = NULL;
  for (ptrdiff_t i = 0; argc == 2 && mk_variant(i) != NULL; i++)
    if (strcmp(mk_variant(i)->name, argv[1]) == 0) kernels = mk_variant(i);
  if (kernels == NULL) {
    fprintf(stderr, "usage: %s VARIANT, one of:", argv[0]);
    for (ptrdiff_t i = 0; mk_variant(i) != NULL; i++) fprintf(stderr, " %s", mk_variant(i)->name);
    fprintf(stderr, "\n");
    return 2;
  }
  double values[4096];
  for (int i = 0; i < 4096; i++) values[i] = kernels->exp(-745 + 0.355 * i);
  report("exp", "4096", hash(values, 4096));
  for (int i = 0; i < 4096; i++) values[i] = kernels->log(0x1p-600 * values[i] + 1e-3 * i);
  report("log", "4096", hash(values, 4096));
  static const ptrdiff_t features[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 20, 31, 32, 33, 64, 67};
  static const ptrdiff_t counts[] = {1, 8, 13, 40, 56, 136, 600};
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    for (size_t j = 0; j < sizeof counts / sizeof *counts; j++)
      for (int far = 0; far < 2; far++) {
        run(kernels, counts[j], features[i], 1 + (ptrdiff_t)j, far);
        run_single(kernels->single, counts[j], features[i], 1 + (ptrdiff_t)j, far);
      }
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    for (size_t j = 0; j < 4; j++)
      for (int form = 0; form < 4; form++)
        run_noise(kernels, counts[j], features[i], 1 + (ptrdiff_t)j, form / 2, form % 2);
  for (int i = 0; i < 4096; i++) values[i] = (double)kernels->single->exp(-80 + 0.04f * (float)i);
  report("single_exp", "4096", hash(values, 4096));
  for (int i = 0; i < 4096; i++) values[i] = (double)kernels->single->log(0x1p-100f + 1e-3f * (float)i);
  report("single_log", "4096", hash(values, 4096));
  return 0;
}
