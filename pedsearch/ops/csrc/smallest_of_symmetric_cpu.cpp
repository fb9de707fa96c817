// The smallest values of each row of a symmetric matrix, from its upper tiles alone.
#include "bits.h"
#include "parallel.h"

namespace {

constexpr int64_t kStride = 64;

// One bit for each of 64 bytes that are 0 or 1.
inline uint64_t pack_flags(const uint8_t* flags) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < 8; ++i) {
    uint64_t eight = 0;
    for (int64_t j = 0; j < 8; ++j) eight |= uint64_t{flags[8 * i + j]} << (8 * j);
    bits |= (eight * 0x0102040810204080u >> 56) << (8 * i);  // the product moves byte j to bit 56 + j
  }
  return bits;
}

// Which of 64 values are below a limit, or each below its own.
PEDSEARCH_VECTOR_CLONES
uint64_t bits_below(const float* values, float limit) {
  uint8_t flags[kStride], any = 0;
  for (int64_t i = 0; i < kStride; ++i) any |= flags[i] = values[i] < limit;
  return any ? pack_flags(flags) : 0;
}

PEDSEARCH_VECTOR_CLONES
uint64_t bits_below_own(const float* values, const float* limits) {
  uint8_t flags[kStride], any = 0;
  for (int64_t i = 0; i < kStride; ++i) any |= flags[i] = values[i] < limits[i];
  return any ? pack_flags(flags) : 0;
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
        auto push_if_below = [&](int64_t c) {
          if (line[c] < limits[row]) lists.push(row, line[c], int32_t(start + c), scratch);
        };
        int64_t c = 0;
        for (; c + kStride <= cols; c += kStride)
          pedsearch::for_each_bit(bits_below(line + c, limits[row]), [&](int64_t bit) { push_if_below(c + bit); });
        for (; c < cols; ++c) push_if_below(c);
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
        auto push_if_below = [&](int64_t c) {
          if (line[c] < limits[start + c]) lists.push(start + c, line[c], int32_t(start + r), scratch);
        };
        int64_t c = rows + begin;
        for (; c + kStride <= rows + end; c += kStride)
          pedsearch::for_each_bit(bits_below_own(line + c, limits + start + c),
                                  [&](int64_t bit) { push_if_below(c + bit); });
        for (; c < rows + end; ++c) push_if_below(c);
      }
  });
}
