// What the CUDA kernels share: one block of threads works on one row at a time, in scratch memory of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace pedsearch {

enum Status : int { kOk = 0, kOutOfMemory = 1, kCudaFailure = 2 };

constexpr int kThreads = 128;  // at most, of a block; kernels ask blockDim.x
constexpr int64_t kMaxBlocks = 1 << 20;
constexpr size_t kMaxScratchBytes = size_t{256} << 20;

// A compiler for CPUs can make these files, too, if these two and the names of CUDA are given to it.
#ifdef __CUDACC__
// The shared memory of the block as a T.
template <class T>
__device__ T& shared_memory() {
  extern __shared__ double memory[];
  return *reinterpret_cast<T*>(memory);
}

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), int64_t blocks, size_t shared_bytes, cudaStream_t stream, Args... args) {
  kernel<<<unsigned(blocks), kThreads, shared_bytes, stream>>>(args...);
}
#endif

inline int status_of(cudaError_t error) {
  return error == cudaSuccess ? kOk : error == cudaErrorMemoryAllocation ? kOutOfMemory : kCudaFailure;
}

// As many blocks as the GPU can run at once, not more than there are rows or than kMaxScratchBytes allow.
inline cudaError_t count_blocks(int64_t rows, size_t bytes_per_block, int64_t& blocks) {
  int device = 0, processors = 0, threads = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&threads, cudaDevAttrMaxThreadsPerMultiProcessor, device);
  const int64_t running = int64_t(processors) * (threads / kThreads);
  const int64_t affordable = int64_t(kMaxScratchBytes / std::max<size_t>(bytes_per_block, 1));
  blocks = std::max<int64_t>(1, std::min({rows, running, affordable}));
  return error;
}

// Memory of the GPU that lives as long as the work put on the stream until its end; all bytes are 0 at first.
class Scratch {
 public:
  Scratch(size_t bytes, cudaStream_t stream) : stream_(stream), error_(cudaMallocAsync(&data_, bytes, stream)) {
    if (error_ == cudaSuccess) error_ = cudaMemsetAsync(data_, 0, bytes, stream);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (data_ != nullptr) cudaFreeAsync(data_, stream_);
  }

  cudaError_t error() const { return error_; }

  template <class T>
  T* at(size_t byte) const {
    return reinterpret_cast<T*>(static_cast<char*>(data_) + byte);
  }

 private:
  void* data_ = nullptr;
  cudaStream_t stream_;
  cudaError_t error_;
};

// Sum of the values of all threads with a lower index; `totals` has room for one number a thread.
inline __device__ int32_t sum_before(int32_t own, int32_t* totals) {
  totals[threadIdx.x] = own;
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    __syncthreads();
    const int32_t other = threadIdx.x >= step ? totals[threadIdx.x - step] : 0;
    __syncthreads();
    totals[threadIdx.x] += other;
  }
  return totals[threadIdx.x] - own;
}

// A set of columns as bits, which all threads of a block fill; reading it out in order takes no sort.
struct ColumnSet {
  uint32_t* words;
  int64_t num_words;

  static size_t bytes(int64_t cols) { return (cols + 31) / 32 * sizeof(uint32_t); }

  __device__ bool has(int32_t col) const { return words[col >> 5] >> (col & 31) & 1; }

  // Whether the column was not there yet.
  __device__ bool add(int32_t col) {
    const uint32_t bit = uint32_t{1} << (col & 31);
    return !(atomicOr(words + (col >> 5), bit) & bit);
  }

  __device__ void clear() {
    for (int64_t i = threadIdx.x; i < num_words; i += blockDim.x) words[i] = 0;
  }

  // Keeps the columns for which keep(col) is true.
  template <class Keep>
  __device__ void filter(const Keep& keep) {
    for (int64_t i = threadIdx.x; i < num_words; i += blockDim.x) {
      uint32_t kept = words[i];
      for (uint32_t word = kept; word; word &= word - 1)
        if (!keep(int32_t(i << 5) + __ffs(word) - 1)) kept &= ~(word & -word);
      words[i] = kept;
    }
  }

  // Writes the columns in rising order and empties the set. Each thread has a range of words of its own.
  __device__ void drain(int32_t* columns, int32_t* totals) {
    const int64_t share = (num_words + blockDim.x - 1) / blockDim.x;
    const int64_t begin = min(share * threadIdx.x, num_words), end = min(begin + share, num_words);
    int32_t own = 0;
    for (int64_t i = begin; i < end; ++i) own += __popc(words[i]);
    columns += sum_before(own, totals);
    for (int64_t i = begin; i < end; ++i) {
      for (uint32_t word = words[i]; word; word &= word - 1) *columns++ = int32_t(i << 5) + __ffs(word) - 1;
      words[i] = 0;
    }
  }
};

}  // namespace pedsearch
