// The smallest values of each row of a symmetric matrix, from its upper tiles alone.
#include "parallel.h"

namespace {

constexpr int64_t kStride = 64;

PEDSEARCH_VECTOR_CLONES
bool any_below(const float* values, float limit) {
  int found = 0;
  for (int64_t i = 0; i < kStride; ++i) found |= values[i] < limit;
  return found != 0;
}

PEDSEARCH_VECTOR_CLONES
bool any_below_own(const float* values, const float* limits) {
  int found = 0;
  for (int64_t i = 0; i < kStride; ++i) found |= values[i] < limits[i];
  return found != 0;
}

// Lists (., capacity) of the smallest values so far. A full list drops all but its k smallest, and from then on admits
// only what is below the k-th.
struct Lists {
  int64_t k, capacity;
  float* values;
  int32_t* indices;
  int32_t* counts;
  float* limits;

  struct Scratch {
    std::vector<std::pair<float, int32_t>> entries;
  };

  void push(int64_t row, float value, int32_t index, Scratch& scratch) const {
    const int64_t place = row * capacity + counts[row]++;
    values[place] = value;
    indices[place] = index;
    if (counts[row] == capacity) shrink(row, scratch);
  }

  void shrink(int64_t row, Scratch& scratch) const {
    float* own_values = values + row * capacity;
    int32_t* own_indices = indices + row * capacity;
    auto& entries = scratch.entries;
    entries.resize(capacity);
    for (int64_t i = 0; i < capacity; ++i) entries[i] = {own_values[i], own_indices[i]};
    std::nth_element(entries.begin(), entries.begin() + (k - 1), entries.end());
    for (int64_t i = 0; i < k; ++i) std::tie(own_values[i], own_indices[i]) = entries[i];
    limits[row] = entries[k - 1].first;
    counts[row] = int32_t(k);
  }
};

}  // namespace

// tile (rows, cols) holds the entries (start + r, start + c) of the matrix, cols >= rows: the square on the diagonal and
// what is right of it. Updates the lists of rows start...start + cols: values and indices (., capacity), counts (.),
// limits (.), capacity > k.
extern "C" int smallest_of_symmetric(const float* tile, int64_t rows, int64_t cols, int64_t start, int64_t k,
                                     int64_t capacity, float* values, int32_t* indices, int32_t* counts, float* limits,
                                     int64_t threads) {
  const Lists lists{k, capacity, values, indices, counts, limits};
  int status = pedsearch::run_workers(rows, 8, threads, [=](pedsearch::Chunks& chunks) {
    Lists::Scratch scratch;
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t r = begin; r < end; ++r) {
        const float* line = tile + r * cols;
        const int64_t row = start + r;
        auto collect = [&](int64_t first, int64_t last) {
          for (int64_t c = first; c < last; ++c)
            if (line[c] < limits[row]) lists.push(row, line[c], int32_t(start + c), scratch);
        };
        int64_t c = 0;
        for (; c + kStride <= cols; c += kStride)
          if (any_below(line + c, limits[row])) collect(c, c + kStride);
        collect(c, cols);
      }
  });
  if (status) return status;
  // Right of the square, column c also is a part of row start + c. A worker owns whole columns.
  const int64_t right = cols - rows;
  return pedsearch::run_workers(right, 4 * kStride, threads, [=](pedsearch::Chunks& chunks) {
    Lists::Scratch scratch;
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t r = 0; r < rows; ++r) {
        const float* line = tile + r * cols;
        auto collect = [&](int64_t first, int64_t last) {
          for (int64_t c = first; c < last; ++c)
            if (line[c] < limits[start + c]) lists.push(start + c, line[c], int32_t(start + r), scratch);
        };
        int64_t c = rows + begin;
        for (; c + kStride <= rows + end; c += kStride)
          if (any_below_own(line + c, limits + start + c)) collect(c, c + kStride);
        collect(c, rows + end);
      }
  });
}
