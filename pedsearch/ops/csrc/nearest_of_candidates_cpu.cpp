// The nearest of each row's candidates by exact distance.
#include <cmath>

#include "sq_distance.h"

namespace {

struct Neighbour {
  double steps;  // distance in whole steps of the grid, -1 for the point itself
  int32_t index;
  double sq_dist;

  bool operator<(const Neighbour& other) const {
    return std::tie(steps, index) < std::tie(other.steps, other.index);
  }
};

}  // namespace

// points (., dims), rows (num_rows), candidates (num_rows, num), indices and sq_dists (num_rows, k), k <= num.
extern "C" int nearest_of_candidates(const double* points, const int64_t* rows, const int32_t* candidates,
                                     int64_t num_rows, int64_t num, int64_t dims, int64_t k, double grid,
                                     int32_t* indices, double* sq_dists, int64_t threads) {
  return pedsearch::run_workers(num_rows, 16, threads, [=](pedsearch::Chunks& chunks) {
    std::vector<Neighbour> found(num);
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t i = begin; i < end; ++i) {
        const double* point = points + rows[i] * dims;
        for (int64_t j = 0; j < num; ++j) {
          const int32_t index = candidates[i * num + j];
          const double sq_dist = pedsearch::sq_distance(point, points + int64_t(index) * dims, dims);
          found[j] = {index == rows[i] ? -1 : std::nearbyint(sq_dist / grid), index, sq_dist};
        }
        std::partial_sort(found.begin(), found.begin() + k, found.end());
        for (int64_t j = 0; j < k; ++j) {
          indices[i * k + j] = found[j].index;
          sq_dists[i * k + j] = found[j].sq_dist;
        }
      }
  });
}
