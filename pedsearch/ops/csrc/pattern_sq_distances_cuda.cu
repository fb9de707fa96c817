// Squared Euclidean distances of the pairs that a sparse pattern names, in double precision.
#include "row_blocks.cuh"

namespace {

constexpr int kLanes = 8;  // threads of one pair: they read whole memory sectors, and add in the order of the CPU

struct Shared {
  double sums[pedsearch::kThreads];
};

__device__ double plus_square(double sum, double left, double right) {
  const double difference = left - right;
  return __dadd_rn(sum, __dmul_rn(difference, difference));  // not fused: the same bits as on the CPU
}

__global__ void measure_pairs(const double* left, const double* right, const int64_t* indptr, const int32_t* indices,
                              int64_t rows, int64_t dims, double* sq_dists) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  const int lane = threadIdx.x % kLanes, group = threadIdx.x / kLanes, num_groups = blockDim.x / kLanes;
  const int64_t even_dims = dims - dims % kLanes;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const double* const x = left + row * dims;
    const int64_t end = indptr[row + 1];
    for (int64_t first = indptr[row]; first < end; first += num_groups) {
      const int64_t pair = first + group;
      double sum = 0;
      if (pair < end) {
        const double* const y = right + int64_t(indices[pair]) * dims;
        for (int64_t d = lane; d < even_dims; d += kLanes) sum = plus_square(sum, x[d], y[d]);
        for (int64_t d = even_dims; d < dims && lane == 0; ++d) sum = plus_square(sum, x[d], y[d]);
      }
      shared.sums[threadIdx.x] = sum;
      __syncthreads();
      if (pair < end && lane == 0) {
        const double* const sums = shared.sums + threadIdx.x;
        sq_dists[pair] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
      }
      __syncthreads();
    }
  }
}

}  // namespace

// As on the CPU: left (rows, dims), right (cols, dims), indptr (rows + 1), indices and sq_dists (indptr[rows]).
extern "C" int pattern_sq_distances(const double* left, const double* right, const int64_t* indptr,
                                    const int32_t* indices, int64_t rows, int64_t dims, double* sq_dists,
                                    void* stream_handle) {
  using namespace pedsearch;
  if (rows == 0) return kOk;
  launch(measure_pairs, std::min(rows, kMaxBlocks), sizeof(Shared), static_cast<cudaStream_t>(stream_handle), left,
         right, indptr, indices, rows, dims, sq_dists);
  return status_of(cudaGetLastError());
}
