// Expanded k-reciprocal neighbour sets.
#include "parallel.h"

namespace {

// Neighbour lists (rows, stride), of which the first k entries count.
struct Lists {
  const int32_t* data;
  int64_t stride;
  int64_t k;

  const int32_t* begin(int64_t row) const { return data + row * stride; }
  const int32_t* end(int64_t row) const { return begin(row) + k; }

  bool has(int64_t row, int32_t value) const {
    int found = 0;
    for (const int32_t* entry = begin(row); entry != end(row); ++entry) found |= *entry == value;
    return found != 0;
  }
};

// Reciprocal subsets of lists: row i keeps those of its k neighbours that have i among their own.
struct ReciprocalSets {
  std::vector<int32_t> members;
  std::vector<int32_t> sizes;
  int64_t stride;

  ReciprocalSets(int64_t rows, int64_t k) : members(rows * k), sizes(rows), stride(k) {}

  void fill(const Lists& lists, int64_t row) {
    int32_t* out = members.data() + row * stride;
    int32_t size = 0;
    for (const int32_t* entry = lists.begin(row); entry != lists.end(row); ++entry)
      if (lists.has(*entry, int32_t(row))) out[size++] = *entry;
    sizes[row] = size;
  }
};

}  // namespace

// neighbours (rows, stride), k and k_half <= stride. With indices null, counts[row] receives the size of the row's set;
// otherwise indices receives the sets in rising order, row by row, and counts (the exclusive sum) says where.
extern "C" int reciprocal_sets(const int32_t* neighbours, int64_t rows, int64_t stride, int64_t k, int64_t k_half,
                               int64_t* counts, int32_t* indices, int64_t threads) {
  const Lists lists{neighbours, stride, k}, half_lists{neighbours, stride, k_half};
  try {
    ReciprocalSets halves(rows, k_half);
    int status = pedsearch::run_workers(rows, 256, threads, [&](pedsearch::Chunks& chunks) {
      for (int64_t begin, end; chunks.next(begin, end);)
        for (int64_t row = begin; row < end; ++row) halves.fill(half_lists, row);
    });
    if (status) return status;
    return pedsearch::run_workers(rows, 64, threads, [&](pedsearch::Chunks& chunks) {
      std::vector<int64_t> in_core(rows, -1), in_set(rows, -1);  // the last row whose set has this member
      std::vector<int32_t> set;
      for (int64_t begin, end; chunks.next(begin, end);)
        for (int64_t row = begin; row < end; ++row) {
          set.clear();
          for (const int32_t* entry = lists.begin(row); entry != lists.end(row); ++entry)
            if (lists.has(*entry, int32_t(row))) {
              in_core[*entry] = in_set[*entry] = row;
              set.push_back(*entry);
            }
          const size_t core_size = set.size();
          for (size_t i = 0; i < core_size; ++i) {
            const int32_t* half = halves.members.data() + set[i] * halves.stride;
            const int32_t half_size = halves.sizes[set[i]];
            int64_t overlap = 0;
            for (int32_t j = 0; j < half_size; ++j) overlap += in_core[half[j]] == row;
            if (3 * overlap <= 2 * half_size) continue;
            for (int32_t j = 0; j < half_size; ++j)
              if (in_set[half[j]] != row) {
                in_set[half[j]] = row;
                set.push_back(half[j]);
              }
          }
          if (indices == nullptr) {
            counts[row] = int64_t(set.size());
          } else {
            std::sort(set.begin(), set.end());
            std::copy(set.begin(), set.end(), indices + counts[row]);
          }
        }
    });
  } catch (const std::bad_alloc&) {
    return pedsearch::kOutOfMemory;
  }
}
