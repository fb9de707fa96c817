// Rank of each listed positive in its row of distances, without sorting the row.
#include "parallel.h"

namespace {

constexpr int64_t kTile = 4096;  // stays in the first cache while all positives of the row are compared with it

template <class T>
struct SameWidth {
  using Int = int64_t;
};
template <>
struct SameWidth<float> {
  using Int = int32_t;
};

// Counters as wide as the values let the compiler compare a whole vector at a time; a tile cannot overflow them.
template <class T>
inline __attribute__((always_inline)) int64_t count_less_in(const T* values, int64_t size, T limit) {
  typename SameWidth<T>::Int count = 0;
  for (int64_t i = 0; i < size; ++i) count += values[i] < limit;
  return count;
}

template <class T>
inline __attribute__((always_inline)) int64_t count_at_most_in(const T* values, int64_t size, T limit) {
  typename SameWidth<T>::Int count = 0;
  for (int64_t i = 0; i < size; ++i) count += values[i] <= limit;
  return count;
}

PEDSEARCH_VECTOR_CLONES
int64_t count_less(const float* values, int64_t size, float limit) { return count_less_in(values, size, limit); }

PEDSEARCH_VECTOR_CLONES
int64_t count_less(const double* values, int64_t size, double limit) { return count_less_in(values, size, limit); }

PEDSEARCH_VECTOR_CLONES
int64_t count_at_most(const float* values, int64_t size, float limit) { return count_at_most_in(values, size, limit); }

PEDSEARCH_VECTOR_CLONES
int64_t count_at_most(const double* values, int64_t size, double limit) {
  return count_at_most_in(values, size, limit);
}

struct Lists {
  const int64_t* indptr;
  const int64_t* indices;
};

template <class T>
int rank_rows(const T* dist, int64_t rows, int64_t cols, Lists positives, Lists junk, int64_t* ranks,
              int64_t threads) {
  return pedsearch::run_workers(rows, 4, threads, [=](pedsearch::Chunks& chunks) {
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t row = begin; row < end; ++row) {
        const T* const line = dist + row * cols;
        const int64_t first = positives.indptr[row], last = positives.indptr[row + 1];
        std::fill(ranks + first, ranks + last, 1);
        // Before a positive (dist, index) come smaller values anywhere and equal ones to its left.
        for (int64_t start = 0; first < last && start < cols; start += kTile) {
          const int64_t stop = std::min(start + kTile, cols);
          for (int64_t p = first; p < last; ++p) {
            const int64_t middle = std::clamp(positives.indices[p], start, stop);
            const T own = line[positives.indices[p]];
            ranks[p] += count_at_most(line + start, middle - start, own) +
                        count_less(line + middle, stop - middle, own);
          }
        }
        for (int64_t p = first; p < last; ++p) {
          const int64_t index = positives.indices[p];
          for (int64_t j = junk.indptr[row]; j < junk.indptr[row + 1]; ++j) {
            const int64_t other = junk.indices[j];
            ranks[p] -= line[other] < line[index] || (line[other] == line[index] && other < index);
          }
        }
      }
  });
}

}  // namespace

// dist (rows, cols) of float if single, else of double, without NaN; the lists of positives and junk per row as
// indptr (rows + 1) and indices in 0...cols-1; ranks as long as the positives.
extern "C" int positive_ranks(const void* dist, int64_t rows, int64_t cols, int64_t single, const int64_t* pos_indptr,
                              const int64_t* pos_indices, const int64_t* junk_indptr, const int64_t* junk_indices,
                              int64_t* ranks, int64_t threads) {
  const Lists positives{pos_indptr, pos_indices}, junk{junk_indptr, junk_indices};
  if (single) return rank_rows(static_cast<const float*>(dist), rows, cols, positives, junk, ranks, threads);
  return rank_rows(static_cast<const double*>(dist), rows, cols, positives, junk, ranks, threads);
}
