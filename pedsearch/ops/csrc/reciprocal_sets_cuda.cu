// Expanded k-reciprocal neighbour sets.
#include "row_blocks.cuh"

namespace {

// Neighbour lists (rows, stride), of which the first k entries count.
struct Lists {
  const int32_t* data;
  int64_t stride;
  int64_t k;

  __device__ const int32_t* row(int64_t row) const { return data + row * stride; }

  __device__ bool has(int64_t row, int32_t value) const {
    const int32_t* entries = this->row(row);
    for (int64_t i = 0; i < k; ++i)
      if (entries[i] == value) return true;
    return false;
  }
};

struct Shared {
  int32_t core_size;
  int32_t set_size;
  int32_t totals[pedsearch::kThreads];
};

// The lists with -1 in the place of every neighbour that does not have the row among its own.
__global__ void keep_mutual(Lists lists, int64_t rows, int32_t* mutual) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * lists.k; i += step) {
    const int64_t row = i / lists.k;
    const int32_t entry = lists.row(row)[i % lists.k];
    mutual[i] = lists.has(entry, int32_t(row)) ? entry : -1;
  }
}

// halves (rows, k_half) from keep_mutual; sets (all zero) and cores (k) for each block.
__global__ void expand_sets(Lists lists, const int32_t* halves, int64_t k_half, int64_t rows, uint32_t* sets,
                            int64_t words_per_set, int32_t* cores, int64_t* counts, int32_t* indices) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  pedsearch::ColumnSet set{sets + blockIdx.x * words_per_set, words_per_set};
  int32_t* const core = cores + blockIdx.x * lists.k;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    if (threadIdx.x == 0) shared.core_size = shared.set_size = 0;
    __syncthreads();
    int32_t added = 0;
    for (int64_t i = threadIdx.x; i < lists.k; i += blockDim.x) {
      const int32_t entry = lists.row(row)[i];
      if (!lists.has(entry, int32_t(row))) continue;
      core[atomicAdd(&shared.core_size, 1)] = entry;
      added += set.add(entry);
    }
    __syncthreads();
    const int64_t core_size = shared.core_size;
    for (int64_t i = threadIdx.x; i < core_size; i += blockDim.x) {
      const int32_t* half = halves + core[i] * k_half;
      int64_t size = 0, overlap = 0;
      for (int64_t j = 0; j < k_half; ++j) {
        if (half[j] < 0) continue;
        ++size;
        overlap += set.has(half[j]);
      }
      if (3 * overlap <= 2 * size) core[i] = -1;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < core_size * k_half; i += blockDim.x) {
      const int32_t friendly = core[i / k_half];
      const int32_t member = friendly < 0 ? -1 : halves[friendly * k_half + i % k_half];
      if (member >= 0) added += set.add(member);
    }
    if (indices == nullptr) {
      atomicAdd(&shared.set_size, added);
      __syncthreads();
      if (threadIdx.x == 0) counts[row] = shared.set_size;
      set.clear();
    } else {
      __syncthreads();
      set.drain(indices + counts[row], shared.totals);
    }
  }
}

}  // namespace

// As on the CPU: neighbours (rows, stride), k and k_half <= stride. With indices null, counts[row] receives the size of
// the row's set; otherwise indices receives the sets in rising order and counts (the exclusive sum) says where.
extern "C" int reciprocal_sets(const int32_t* neighbours, int64_t rows, int64_t stride, int64_t k, int64_t k_half,
                               int64_t* counts, int32_t* indices, void* stream_handle) {
  using namespace pedsearch;
  if (rows == 0) return kOk;
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const Lists lists{neighbours, stride, k}, half_lists{neighbours, stride, k_half};
  const size_t set_bytes = ColumnSet::bytes(rows), core_bytes = k * sizeof(int32_t);
  int64_t blocks = 0;
  if (const cudaError_t error = count_blocks(rows, set_bytes + core_bytes, blocks)) return status_of(error);
  const Scratch scratch(blocks * (set_bytes + core_bytes) + rows * k_half * sizeof(int32_t), stream);
  if (scratch.error() != cudaSuccess) return status_of(scratch.error());
  uint32_t* const sets = scratch.at<uint32_t>(0);
  int32_t* const cores = scratch.at<int32_t>(blocks * set_bytes);
  int32_t* const halves = scratch.at<int32_t>(blocks * (set_bytes + core_bytes));

  const int64_t half_blocks = std::min((rows * k_half + kThreads - 1) / kThreads, kMaxBlocks);
  launch(keep_mutual, half_blocks, 0, stream, half_lists, rows, halves);
  launch(expand_sets, blocks, sizeof(Shared), stream, lists, static_cast<const int32_t*>(halves), k_half, rows, sets,
         static_cast<int64_t>(set_bytes / sizeof(uint32_t)), cores, counts, indices);
  return status_of(cudaGetLastError());
}
