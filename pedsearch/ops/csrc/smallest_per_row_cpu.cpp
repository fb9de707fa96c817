// The k smallest values of each row, in no particular order.
#include "parallel.h"

namespace {

constexpr int64_t kStride = 64;

PEDSEARCH_VECTOR_CLONES
bool any_below(const float* values, float limit) {
  int found = 0;
  for (int64_t i = 0; i < kStride; ++i) found |= values[i] < limit;
  return found != 0;
}

struct Candidate {
  float value;
  int64_t index;
  bool operator<(const Candidate& other) const { return value < other.value; }
};

}  // namespace

// values (rows, cols) without NaN; smallest and indices (rows, k), k <= cols.
extern "C" int smallest_per_row(const float* values, int64_t rows, int64_t cols, int64_t k, float* smallest,
                                int64_t* indices, int64_t threads) {
  return pedsearch::run_workers(rows, 1, threads, [=](pedsearch::Chunks& chunks) {
    // Values below the current k-th smallest are collected; when the store is full, all but the k smallest are dropped.
    const size_t capacity = 4 * k + kStride;
    std::vector<Candidate> kept;
    kept.reserve(capacity + kStride);
    for (int64_t row, end; chunks.next(row, end);) {
      const float* line = values + row * cols;
      float limit = std::numeric_limits<float>::infinity();
      kept.clear();
      auto collect = [&](int64_t begin, int64_t stop) {
        for (int64_t i = begin; i < stop; ++i)
          if (line[i] < limit || int64_t(kept.size()) < k) kept.push_back({line[i], i});
        if (kept.size() >= capacity) {
          std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end());
          kept.resize(k);
          limit = kept[k - 1].value;
        }
      };
      int64_t begin = 0;
      for (; begin + kStride <= cols; begin += kStride)
        if (int64_t(kept.size()) < k || any_below(line + begin, limit)) collect(begin, begin + kStride);
      collect(begin, cols);
      if (int64_t(kept.size()) > k) std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end());
      for (int64_t i = 0; i < k; ++i) {
        smallest[row * k + i] = kept[i].value;
        indices[row * k + i] = kept[i].index;
      }
    }
  });
}
