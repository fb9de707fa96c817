// Rank of each listed positive in its row of distances, without sorting the row.
#include "row_blocks.cuh"

namespace {

constexpr int64_t kSlab = 8192;  // columns that a block compares with the positives of a row
constexpr int kAtOnce = 8;       // positives that a thread holds in registers

struct Lists {
  const int64_t* indptr;
  const int64_t* indices;
};

struct Shared {
  int32_t before[kAtOnce][pedsearch::kThreads + 1];  // one more: the threads that add up read different banks
};

// ranks = 1 - junk items before each positive.
template <class T>
__global__ void start_ranks(const T* dist, int64_t rows, int64_t cols, Lists positives, Lists junk, int64_t* ranks) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* const line = dist + row * cols;
    for (int64_t p = positives.indptr[row] + threadIdx.x; p < positives.indptr[row + 1]; p += blockDim.x) {
      const int64_t index = positives.indices[p];
      int64_t rank = 1;
      for (int64_t j = junk.indptr[row]; j < junk.indptr[row + 1]; ++j) {
        const int64_t other = junk.indices[j];
        rank -= line[other] < line[index] || (line[other] == line[index] && other < index);
      }
      ranks[p] = rank;
    }
  }
}

// Adds to each rank the columns of one slab that come before the positive: smaller values anywhere, and equal ones to
// its left.
template <class T>
__global__ void add_slabs(const T* dist, int64_t rows, int64_t cols, int64_t slabs, Lists positives, int64_t* ranks) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  for (int64_t item = blockIdx.x; item < rows * slabs; item += gridDim.x) {
    const int64_t row = item / slabs, begin = item % slabs * kSlab, end = positives.indptr[row + 1];
    const int32_t width = int32_t(min(kSlab, cols - begin));
    const T* const line = dist + row * cols;
    for (int64_t first = positives.indptr[row]; first < end; first += kAtOnce) {
      T own[kAtOnce];
      int32_t place[kAtOnce], before[kAtOnce];
      for (int q = 0; q < kAtOnce; ++q) {
        const int64_t index = positives.indices[min(first + q, end - 1)];
        own[q] = line[index];
        place[q] = int32_t(max(int64_t{-1}, min(index - begin, kSlab)));
        before[q] = 0;
      }
      for (int32_t i = threadIdx.x; i < width; i += blockDim.x) {
        const T value = line[begin + i];
        for (int q = 0; q < kAtOnce; ++q) before[q] += (value < own[q]) | ((value == own[q]) & (i < place[q]));
      }
      for (int q = 0; q < kAtOnce; ++q) shared.before[q][threadIdx.x] = before[q];
      __syncthreads();
      for (int64_t q = threadIdx.x; q < min(int64_t{kAtOnce}, end - first); q += blockDim.x) {
        int32_t total = 0;
        for (unsigned i = 0; i < blockDim.x; ++i) total += shared.before[q][i];
        atomicAdd(reinterpret_cast<unsigned long long*>(ranks + first + q), static_cast<unsigned long long>(total));
      }
      __syncthreads();
    }
  }
}

template <class T>
int rank_rows(const T* dist, int64_t rows, int64_t cols, Lists positives, Lists junk, int64_t* ranks,
              cudaStream_t stream) {
  using namespace pedsearch;
  const int64_t slabs = (cols + kSlab - 1) / kSlab;
  if (rows * slabs == 0) return kOk;
  launch(start_ranks<T>, std::min(rows, kMaxBlocks), 0, stream, dist, rows, cols, positives, junk, ranks);
  launch(add_slabs<T>, std::min(rows * slabs, kMaxBlocks), sizeof(Shared), stream, dist, rows, cols, slabs, positives,
         ranks);
  return status_of(cudaGetLastError());
}

}  // namespace

// As on the CPU: dist (rows, cols) of float if single, else of double, without NaN; the lists of positives and junk per
// row as indptr (rows + 1) and indices in 0...cols-1; ranks as long as the positives.
extern "C" int positive_ranks(const void* dist, int64_t rows, int64_t cols, int64_t single, const int64_t* pos_indptr,
                              const int64_t* pos_indices, const int64_t* junk_indptr, const int64_t* junk_indices,
                              int64_t* ranks, void* stream_handle) {
  const Lists positives{pos_indptr, pos_indices}, junk{junk_indptr, junk_indices};
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  if (single) return rank_rows(static_cast<const float*>(dist), rows, cols, positives, junk, ranks, stream);
  return rank_rows(static_cast<const double*>(dist), rows, cols, positives, junk, ranks, stream);
}
