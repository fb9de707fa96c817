// Runs the CUDA kernels of pedsearch on a CPU: what they use of CUDA, as plain C++.
//
// Each thread of a block is a real thread, and two blocks run at once, so that thread and address sanitizers find what
// would go wrong on a GPU. Shared and scratch memory begin as garbage. Threads of one block that wait at different
// barriers end the program.
#pragma once

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __syncthreads() cuda_on_cpu::this_block->wait(__LINE__)

using std::max;
using std::min;

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorInvalidConfiguration = 9 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount, cudaDevAttrMaxThreadsPerMultiProcessor };

namespace cuda_on_cpu {

struct Index {
  unsigned x;
};

class Block {
 public:
  Block(unsigned threads, size_t shared_bytes) : memory_(shared_bytes / sizeof(double) + 1), threads_(threads) {}

  void wait(int place) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (waiting_ && place != place_) {
      std::fprintf(stderr, "threads of one block wait at lines %d and %d\n", place, place_);
      std::abort();
    }
    place_ = place;
    if (++waiting_ == threads_) {
      waiting_ = 0;
      ++phase_;
      all_here_.notify_all();
    } else {
      all_here_.wait(lock, [&, phase = phase_] { return phase_ != phase; });
    }
  }

  void* spoilt_memory() {
    std::memset(memory_.data(), 0xab, memory_.size() * sizeof(double));
    return memory_.data();
  }
  void* memory() { return memory_.data(); }

 private:
  std::vector<double> memory_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  const unsigned threads_;
  unsigned waiting_ = 0, phase_ = 0;
  int place_ = 0;
};

inline thread_local Block* this_block;
inline unsigned block_threads = 32;
inline bool out_of_memory = false;
inline cudaError_t last_error = cudaSuccess;

}  // namespace cuda_on_cpu

inline thread_local cuda_on_cpu::Index threadIdx, blockIdx, blockDim, gridDim;

inline int __popc(uint32_t word) { return __builtin_popcount(word); }
inline int __ffs(uint32_t word) { return __builtin_ffs(int(word)); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline int __float_as_int(float value) {
  int bits;
  return std::memcpy(&bits, &value, sizeof bits), bits;
}
inline float __int_as_float(int bits) {
  float value;
  return std::memcpy(&value, &bits, sizeof value), value;
}
template <class T>
T atomicAdd(T* place, T value) { return __atomic_fetch_add(place, value, __ATOMIC_RELAXED); }
template <class T>
T atomicMin(T* place, T value) {
  T old = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (value < old && !__atomic_compare_exchange_n(place, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
T add_by_exchange(T* place, T value) {
  T old, sum;
  __atomic_load(place, &old, __ATOMIC_RELAXED);
  do sum = old + value;
  while (!__atomic_compare_exchange(place, &old, &sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
inline float atomicAdd(float* place, float value) { return add_by_exchange(place, value); }
inline double atomicAdd(double* place, double value) { return add_by_exchange(place, value); }
template <class T>
T atomicOr(T* place, T value) { return __atomic_fetch_or(place, value, __ATOMIC_RELAXED); }

// Half types as their bits.
struct __half {
  uint16_t bits;
};
struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 value) {
  const uint32_t bits = uint32_t(value.bits) << 16;
  float wide;
  return std::memcpy(&wide, &bits, sizeof wide), wide;
}
inline float __half2float(__half value) {
  const int exponent = value.bits >> 10 & 31, mantissa = value.bits & 1023;
  const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                     : exponent     ? std::ldexp(float(1024 + mantissa), exponent - 25)
                                    : std::ldexp(float(mantissa), -24);
  return value.bits >> 15 ? -size : size;
}

inline cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t) {
  *data = cuda_on_cpu::out_of_memory ? nullptr : std::malloc(std::max<size_t>(bytes, 1));
  if (*data == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*data, 0xab, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* data, cudaStream_t) { return std::free(data), cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t) {
  return std::memset(data, value, bytes), cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return std::exchange(cuda_on_cpu::last_error, cudaSuccess); }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 3 : 256;  // few: blocks must take several rows each
  return cudaSuccess;
}

namespace pedsearch {

template <class T>
T& shared_memory() { return *static_cast<T*>(cuda_on_cpu::this_block->memory()); }

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), int64_t blocks, size_t shared_bytes, cudaStream_t, Args... args) {
  constexpr unsigned kBlocksAtOnce = 2;
  if (blocks < 1 || blocks > INT32_MAX) {
    cuda_on_cpu::last_error = cudaErrorInvalidConfiguration;
    return;
  }
  const unsigned threads = cuda_on_cpu::block_threads;
  std::vector<std::thread> running;
  std::vector<std::unique_ptr<cuda_on_cpu::Block>> memories;
  for (unsigned first = 0; first < kBlocksAtOnce; ++first) {
    cuda_on_cpu::Block* const block =
        memories.emplace_back(std::make_unique<cuda_on_cpu::Block>(threads, shared_bytes)).get();
    for (unsigned thread = 0; thread < threads; ++thread)
      running.emplace_back([=] {
        cuda_on_cpu::this_block = block;
        threadIdx = {thread}, blockDim = {threads}, gridDim = {unsigned(blocks)};
        for (unsigned index = first; index < blocks; index += kBlocksAtOnce) {
          blockIdx = {index};
          if (thread == 0) block->spoilt_memory();
          block->wait(-1);
          kernel(args...);
          block->wait(-2);
        }
      });
  }
  for (auto& thread : running) thread.join();
}

}  // namespace pedsearch

// For the tests: threads in a block from now on, and whether allocations fail.
extern "C" inline __attribute__((used, visibility("default"))) void set_up_device(int64_t threads, int64_t memory_fails) {
  cuda_on_cpu::block_threads = unsigned(threads);
  cuda_on_cpu::out_of_memory = memory_fails != 0;
}
