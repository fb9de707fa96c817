// Product of two sparse matrices whose terms are combined by multiplication or by minimum.
#include "row_blocks.cuh"

namespace {

struct Rows {
  const int64_t* indptr;
  const int32_t* indices;
  const double* values;
};

struct Operands {
  Rows left, right;
  int64_t rows;
  bool minimum;
};

struct Shared {
  int32_t count;
  int32_t totals[pedsearch::kThreads];
};

// Calls visit(left value, right place) for each term of the row; all threads share the terms of one inner index.
template <bool kInOrder, class Visit>
__device__ void for_each_term(const Operands& in, int64_t row, const Visit& visit) {
  for (int64_t l = in.left.indptr[row]; l < in.left.indptr[row + 1]; ++l) {
    const int64_t inner = in.left.indices[l];
    const double value = in.left.values[l];
    const int64_t end = in.right.indptr[inner + 1];
    for (int64_t r = in.right.indptr[inner] + threadIdx.x; r < end; r += blockDim.x) visit(value, r);
    if (kInOrder) __syncthreads();
  }
  if (!kInOrder) __syncthreads();
}

// Sums run over the inner index in rising order, as on the CPU. A row does not repeat a column, so that between two
// barriers each sum has one thread at most. Products are rounded before they are added, whatever the compiler prefers.
__device__ void add_terms(const Operands& in, int64_t row, pedsearch::ColumnSet& columns, double* sums) {
  for_each_term<true>(in, row, [&](double value, int64_t r) {
    const int32_t col = in.right.indices[r];
    const double other = in.right.values[r], before = sums[col];
    if (before == 0) columns.add(col);
    sums[col] = __dadd_rn(before, in.minimum ? min(value, other) : __dmul_rn(value, other));
  });
}

// counts[row] = entries of the row, whatever their sums. sets: all zero, `words_per_set` for each block.
__global__ void count_entries(Operands in, uint32_t* sets, int64_t words_per_set, int64_t* counts) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  pedsearch::ColumnSet columns{sets + blockIdx.x * words_per_set, words_per_set};
  for (int64_t row = blockIdx.x; row < in.rows; row += gridDim.x) {
    if (threadIdx.x == 0) shared.count = 0;
    int32_t added = 0;
    for_each_term<false>(in, row, [&](double, int64_t r) { added += columns.add(in.right.indices[r]); });
    atomicAdd(&shared.count, added);
    columns.clear();
    __syncthreads();
    if (threadIdx.x == 0) counts[row] = shared.count;
  }
}

// counts[row] = entries of the row that reach the floor. all_sums: all zero, `cols` for each block.
__global__ void count_large_entries(Operands in, double floor, uint32_t* sets, int64_t words_per_set, double* all_sums,
                                    int64_t cols, int64_t* counts) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  pedsearch::ColumnSet columns{sets + blockIdx.x * words_per_set, words_per_set};
  double* const sums = all_sums + blockIdx.x * cols;
  for (int64_t row = blockIdx.x; row < in.rows; row += gridDim.x) {
    if (threadIdx.x == 0) shared.count = 0;
    __syncthreads();
    add_terms(in, row, columns, sums);
    int32_t large = 0;
    columns.filter([&](int32_t col) {
      large += sums[col] >= floor;
      sums[col] = 0;
      return false;
    });
    atomicAdd(&shared.count, large);
    __syncthreads();
    if (threadIdx.x == 0) counts[row] = shared.count;
  }
}

// Writes the entries of each row that reach the floor to starts[row] and on.
template <class Value>
__global__ void fill_entries(Operands in, double floor, uint32_t* sets, int64_t words_per_set, double* all_sums,
                             int64_t cols, const int64_t* starts, int32_t* indices, Value* values) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  pedsearch::ColumnSet columns{sets + blockIdx.x * words_per_set, words_per_set};
  double* const sums = all_sums + blockIdx.x * cols;
  for (int64_t row = blockIdx.x; row < in.rows; row += gridDim.x) {
    add_terms(in, row, columns, sums);
    if (floor > 0) {
      columns.filter([&](int32_t col) {
        if (sums[col] >= floor) return true;
        sums[col] = 0;
        return false;
      });
      __syncthreads();
    }
    columns.drain(indices + starts[row], shared.totals);
    __syncthreads();
    for (int64_t i = starts[row] + threadIdx.x; i < starts[row + 1]; i += blockDim.x) {
      values[i] = Value(sums[indices[i]]);
      sums[indices[i]] = 0;
    }
    __syncthreads();
  }
}

}  // namespace

// As on the CPU: left (rows, inner) and right (inner, cols) in compressed rows; entries whose sum is below `floor` are
// left out. With indices null, counts[row] receives the number of entries of the row; otherwise indices and values
// (float if single, else double) receive them in rising order of columns, and counts (the exclusive sum, rows + 1)
// says where.
extern "C" int sparse_product(const int64_t* left_indptr, const int32_t* left_indices, const double* left_values,
                              const int64_t* right_indptr, const int32_t* right_indices, const double* right_values,
                              int64_t rows, int64_t cols, int64_t minimum, double floor, int64_t single,
                              int64_t* counts, int32_t* indices, void* values, void* stream_handle) {
  using namespace pedsearch;
  if (rows == 0) return kOk;
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const Operands in{{left_indptr, left_indices, left_values}, {right_indptr, right_indices, right_values}, rows,
                    minimum != 0};
  const bool with_sums = indices != nullptr || floor > 0;
  const size_t set_bytes = ColumnSet::bytes(cols), sum_bytes = with_sums ? cols * sizeof(double) : 0;
  int64_t blocks = 0;
  if (const cudaError_t error = count_blocks(rows, set_bytes + sum_bytes, blocks)) return status_of(error);
  const Scratch scratch(blocks * (set_bytes + sum_bytes), stream);
  if (scratch.error() != cudaSuccess) return status_of(scratch.error());
  double* const sums = scratch.at<double>(0);
  uint32_t* const sets = scratch.at<uint32_t>(blocks * sum_bytes);
  const auto words_per_set = int64_t(set_bytes / sizeof(uint32_t));

  if (!with_sums)
    launch(count_entries, blocks, sizeof(Shared), stream, in, sets, words_per_set, counts);
  else if (indices == nullptr)
    launch(count_large_entries, blocks, sizeof(Shared), stream, in, floor, sets, words_per_set, sums, cols, counts);
  else if (single)
    launch(fill_entries<float>, blocks, sizeof(Shared), stream, in, floor, sets, words_per_set, sums, cols, counts,
           indices, static_cast<float*>(values));
  else
    launch(fill_entries<double>, blocks, sizeof(Shared), stream, in, floor, sets, words_per_set, sums, cols, counts,
           indices, static_cast<double*>(values));
  return status_of(cudaGetLastError());
}
