// Squared Euclidean distance in double precision.
#pragma once

#include "parallel.h"

namespace pedsearch {

// Eight running sums: the order of additions is the same for every pair, and a compiler can keep them in registers.
PEDSEARCH_VECTOR_CLONES
static double sq_distance(const double* left, const double* right, int64_t dims) {
  double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int64_t d = 0;
  for (; d + 8 <= dims; d += 8)
    for (int lane = 0; lane < 8; ++lane) {
      const double difference = left[d + lane] - right[d + lane];
      sums[lane] += difference * difference;
    }
  for (; d < dims; ++d) sums[0] += (left[d] - right[d]) * (left[d] - right[d]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace pedsearch
