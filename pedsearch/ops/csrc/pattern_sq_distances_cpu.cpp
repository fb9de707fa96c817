// Squared Euclidean distances of the pairs that a sparse pattern names.
#include "sq_distance.h"

// left (rows, dims), right (cols, dims), indptr (rows + 1), indices and sq_dists (indptr[rows]).
extern "C" int pattern_sq_distances(const double* left, const double* right, const int64_t* indptr,
                                    const int32_t* indices, int64_t rows, int64_t dims, double* sq_dists,
                                    int64_t threads) {
  return pedsearch::run_workers(rows, 16, threads, [=](pedsearch::Chunks& chunks) {
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t row = begin; row < end; ++row)
        for (int64_t i = indptr[row]; i < indptr[row + 1]; ++i)
          sq_dists[i] = pedsearch::sq_distance(left + row * dims, right + int64_t(indices[i]) * dims, dims);
  });
}
