// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The arithmetic that runs once per observation, component and iteration.
//
// Contract of every kernel: the caller allocates everything; there are no errors, and no NULL except
// where it is allowed; outputs never alias inputs; nothing outside the stated ranges is read or
// written; reentrant. A call handles one block of rows, so that dispatch costs nothing per row.
//
// Layout. A block holds n rows in g = ceil(n / 8) groups of eight lanes; lane l of group i is row
// 8 i + l. A *tile* holds the features of eight rows side by side: d × 8 doubles for each group, and
// mk_tile_stride(d) from one group to the next. Lanes past n repeat
// row n - 1 and carry the case weight zero. Arrays "by component" hold 8 g numbers for each of k components, which lie
// mk_joint_stride(g) apart. Tiles, arrays by component, case weights, log densities, sums by lane and scratch are aligned to
// 64 bytes.
//
// Bits. All variants compute with eight logical lanes, explicit fused multiply-adds and one fixed order
// of operations, so those with a fused multiply-add agree in every bit.

#ifndef C_MIXTURE_KERNELS_H
#define C_MIXTURE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

enum { MK_LANES = 8 };
enum { MK_FLOAT64 = 0, MK_FLOAT32 = 1 };
// Up to so many features, full second moments are summed by lane.
enum { MK_LANE_FEATURES = 8 };

// The distance between two groups of a tile: of many features an odd number of cache lines, so that groups do not share
// cache sets.
static inline ptrdiff_t mk_tile_stride(ptrdiff_t d) { return (d <= MK_LANE_FEATURES ? d : d | 1) * MK_LANES; }

// The distance between two components' numbers in an array by component: past a power of two, so that components do not
// share cache sets.
static inline ptrdiff_t mk_joint_stride(ptrdiff_t groups) { return groups * MK_LANES + 32; }

// n rows of d features: row i, feature j is element i * row_stride + column_offset[j] of base; with row_index, which may be
// NULL, row row_index[i] in place of row i.
typedef struct mk_rows {
  const void *base;
  int type;
  ptrdiff_t row_stride;
  const ptrdiff_t *column_offset;
  const int32_t *row_index;
  ptrdiff_t n;
  ptrdiff_t d;
} mk_rows;

// Sums over one block, each weighted by the case weights.
typedef struct mk_totals {
  double case_weight;
  double log_likelihood;
  double entropy;
} mk_totals;

// The kernels of an E-step in single precision, with the contracts of their namesakes below. A logical vector is sixteen
// floats: read 16 for MK_LANES and 8, mk_single_tile_stride and mk_single_joint_stride for the strides, and
// mk_single_scratch_size for the scratch. Sums of rows end in double precision.
typedef struct mk_single_kernels {
  // Fills the tile with (x - origin) * scale, computed in double precision and rounded once; origin, scale: d numbers.
  // Returns 1 if every number is finite, else 0.
  int (*pack)(const mk_rows *rows, const double *origin, const double *scale, float *tile);

  // Squared distances are at most 1e37.
  void (*log_joint_full)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile, const float *mean,
                         const float *factor, ptrdiff_t factor_stride, const float *constant, float *joint,
                         float *scratch);
  void (*log_joint_diagonal)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile, const float *mean,
                             const float *factor, ptrdiff_t factor_stride, const float *constant, float *joint);
  void (*log_joint_scalar)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile, const float *mean,
                           const float *factor, ptrdiff_t factor_stride, const float *constant, float *joint);

  void (*normalize)(ptrdiff_t groups, ptrdiff_t k, const float *case_weight, float *joint, float *log_density,
                    float *row_entropy, int32_t *label);
  void (*add_totals)(ptrdiff_t groups, const float *case_weight, const float *log_density, const float *row_entropy,
                     mk_totals *totals);

  // No sum of floats has more terms than a block has rows; but those in lanes have one for each group until they are
  // folded. Sums depend on how rows are cut into blocks.
  void (*accumulate_full)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile, const float *responsibility,
                          const float *origin, float *lanes, double *zeroth, double *first, double *second,
                          float *scratch);
  void (*fold_lanes)(ptrdiff_t count, const float *lanes, double *sums);
  void (*accumulate_diagonal)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile,
                              const float *responsibility, const float *origin, double *zeroth, double *first,
                              double *second);
  void (*accumulate_scalar)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const float *tile,
                            const float *responsibility, const float *origin, double *zeroth, double *first,
                            double *second);

  // The scalar twins of the vector functions, for arguments and results that are normal numbers.
  float (*exp)(float);
  float (*log)(float);
} mk_single_kernels;

typedef struct mk_kernels {
  const char *name;
  // Whether this variant has a fused multiply-add, and so the bits that the library promises.
  int fused;
  // The same variant's kernels of single precision.
  const mk_single_kernels *single;

  // Fills the tile; returns 1 if every number is finite, else 0.
  int (*pack)(const mk_rows *rows, double *tile);

  // joint[c][row] = constant[c] - q / 2 with q the squared Mahalanobis distance, at most 1e300.
  // factor: for each component the lower Cholesky factor, packed by rows, its diagonal inverted;
  // factor_stride is d (d + 1) / 2, or 0 if all components share one. scratch: mk_scratch_size.
  void (*log_joint_full)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                         const double *mean, const double *factor, ptrdiff_t factor_stride,
                         const double *constant, double *joint, double *scratch);
  // The same for diagonal covariances; factor holds d inverse standard deviations, stride d or 0.
  void (*log_joint_diagonal)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                             const double *mean, const double *factor, ptrdiff_t factor_stride,
                             const double *constant, double *joint);
  // The same for multiples of the identity; factor holds one inverse standard deviation, stride 1 or 0.
  void (*log_joint_scalar)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                           const double *mean, const double *factor, ptrdiff_t factor_stride,
                           const double *constant, double *joint);

  // In place: log joint -> responsibility times case weight. A responsibility below exp(-40) is zero.
  // Writes each row's log density and the entropy of its responsibilities, and, unless label is NULL, the first component
  // with the largest joint. k >= 1.
  void (*normalize)(ptrdiff_t groups, ptrdiff_t k, const double *case_weight, double *joint,
                    double *log_density, double *row_entropy, int32_t *label);
  // Adds the weighted sums over rows to totals.
  void (*add_totals)(ptrdiff_t groups, const double *case_weight, const double *log_density,
                     const double *row_entropy, mk_totals *totals);

  // label[row] = the first component with the largest joint; best[row] = that joint. k >= 1.
  void (*argmax)(ptrdiff_t groups, ptrdiff_t k, const double *joint, double *best, int32_t *label);

  // Add moments about origin (k × d): zeroth k; first k × d;
  // second k × d (d + 1) / 2 (lower triangle by rows), k × d, or k (the trace).
  // Responsibilities are not negative; where one is zero, the row is left out. No sum is -0.0 before the call.
  // Of full second moments of up to MK_LANE_FEATURES features, lanes takes all the sums instead, eight lanes for each:
  // for each component zeroth, first, second; fold_lanes adds them up. With more features each sum goes from row to row,
  // and lanes may be NULL. In both cases sums do not depend on how rows are cut into blocks of whole groups.
  void (*accumulate_full)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                          const double *responsibility, const double *origin, double *lanes,
                          double *zeroth, double *first, double *second, double *scratch);
  // sums[i] += the eight lanes of sum i.
  void (*fold_lanes)(ptrdiff_t count, const double *lanes, double *sums);
  void (*accumulate_diagonal)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                              const double *responsibility, const double *origin, double *zeroth,
                              double *first, double *second);
  void (*accumulate_scalar)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile,
                            const double *responsibility, const double *origin, double *zeroth,
                            double *first, double *second);

  // In place: a packed lower triangle -> its Cholesky factor, packed, with its diagonal inverted, as log_joint_full takes it.
  // Returns 0, with the triangle spoilt, if a pivot is not above `tolerance` times its diagonal element, or not a normal
  // positive number; else 1.
  int (*cholesky)(ptrdiff_t d, double *triangle, double tolerance);

  // distance[c][row] = the squared Mahalanobis distance, in single precision throughout, of the rows of a tile less the center
  // from means less the center; mk_screen_stride(groups) from one component to the next. Not the same bits everywhere, and
  // NaN or infinity where single precision overflows. scratch: mk_screen_scratch_size.
  void (*screen)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, const double *tile, const double *center,
                 const float *mean, const float *factor, ptrdiff_t factor_stride, float *distance, double *scratch);

  // Rows that carry their own noise: for each row and component T = covariance + noise of the row, which must be positive
  // definite.
  // noise: a tile of d features, the diagonals, or, with `full`, of d (d + 1) / 2, packed lower triangles by rows. observed:
  // NULL, or a tile of d features; where it is 0 the cell is missing: it has infinite noise, so that row and column of T
  // are those of the identity and its residual is 0, whatever data and noise hold there, and it counts for nothing.
  // covariance: packed lower triangles by rows, covariance_stride d (d + 1) / 2, or 0 if all components share one.
  // scratch: mk_noise_scratch_size, of which up to MK_LANE_FEATURES features need none.
  //
  // joint[c][row] = constant[c] - q / 2 - (log det T) / 2 - m / 2 log 2 pi, with q the squared Mahalanobis distance under T,
  // at most 1e300, and m the number of cells observed. Where T has a pivot that is not a normal positive number, -1e300.
  void (*log_joint_noise)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, int full, const double *tile, const double *noise,
                          const double *observed, const double *mean, const double *covariance,
                          ptrdiff_t covariance_stride, const double *constant, double *joint, double *scratch);
  // Adds, for each component, 1 + d + d (d + 1) / 2 sums over rows to lanes, eight lanes for each: r; r t_i; and
  // r ((T^-1)_ij - t_i t_j), lower triangle by rows, where t = T^-1 (y - mean), and missing cells have zeros in t and in
  // T^-1. Where r is zero, or T has a pivot that is not a normal positive number, the row is left out. fold_lanes adds the
  // lanes up. Sums do not depend on how rows are cut into blocks of whole groups. No sum is -0.0 before the call.
  void (*accumulate_noise)(ptrdiff_t groups, ptrdiff_t d, ptrdiff_t k, int full, const double *tile, const double *noise,
                           const double *observed, const double *mean, const double *covariance,
                           ptrdiff_t covariance_stride, const double *responsibility, double *lanes, double *scratch);

  // The scalar twins of the vector functions: the same bits as a lane.
  double (*exp)(double);
  double (*log)(double);
} mk_kernels;

// Doubles of scratch that the kernels need for blocks of at most `groups` groups of d features.
static inline ptrdiff_t mk_scratch_size(ptrdiff_t groups, ptrdiff_t d) {
  const ptrdiff_t padded = (d + MK_LANES - 1) / MK_LANES * MK_LANES;
  // The solve holds at most six vectors for each feature; moments two copies of the tile, with room between
  // panels of it, and for each row its number and the root of its responsibility.
  const ptrdiff_t solve = 6 * d * MK_LANES;
  const ptrdiff_t moments =
      2 * (groups * MK_LANES + 2) * padded + 2 * groups * MK_LANES + 2 * MK_LANES;
  return solve > moments ? solve : moments;
}

// Doubles of scratch that log_joint_noise and accumulate_noise need for d features: a triangle and two vectors.
static inline ptrdiff_t mk_noise_scratch_size(ptrdiff_t d) { return (d * (d + 1) / 2 + 2 * d) * MK_LANES; }

// In single precision the same bytes, or fewer.
enum { MK_SINGLE_LANES = 16 };
static inline ptrdiff_t mk_single_tile_stride(ptrdiff_t d) { return 2 * mk_tile_stride(d); }
static inline ptrdiff_t mk_single_joint_stride(ptrdiff_t groups) { return 2 * mk_joint_stride(groups); }
static inline ptrdiff_t mk_single_scratch_size(ptrdiff_t groups, ptrdiff_t d) {
  const ptrdiff_t padded = (d + MK_SINGLE_LANES - 1) / MK_SINGLE_LANES * MK_SINGLE_LANES;
  const ptrdiff_t solve = 6 * d * MK_SINGLE_LANES;
  const ptrdiff_t moments =
      2 * (groups * MK_SINGLE_LANES + 2) * padded + 2 * groups * MK_SINGLE_LANES + 2 * MK_SINGLE_LANES;
  return solve > moments ? solve : moments;
}

// The distance between two components' numbers of `screen`; and doubles of scratch that it needs.
static inline ptrdiff_t mk_screen_stride(ptrdiff_t groups) { return (groups + 1) / 2 * 2 * MK_LANES; }
static inline ptrdiff_t mk_screen_scratch_size(ptrdiff_t groups, ptrdiff_t d) {
  return mk_screen_stride(groups) * d / 2 + 6 * d * MK_LANES;
}

// The best variant this processor runs, decided once; MIXTURES_KERNELS=name in the environment forces one.
const mk_kernels *mk_active(void);
// Every variant this processor runs, best first; NULL past the end.
const mk_kernels *mk_variant(ptrdiff_t index);

// Tells the processor that `bytes` bytes will be read soon. They need not be there.
static inline void mk_prefetch(const void *start, ptrdiff_t bytes) {
  for (ptrdiff_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)start + i, 0, 2);
}

// Tells the processor that this thread waits in a loop.
static inline void mk_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// The number of processors that this process may run on, at least 1.
ptrdiff_t mk_processor_count(void);

#if defined(__cplusplus)
}
#endif
#endif
