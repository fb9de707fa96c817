// What the CUDA kernels on RoIs share: numbers of images and maps as they are stored, and the pixels of a bin.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#include "roi_grid.h"
#include "row_blocks.cuh"

namespace pedsearch {

// Sums are kept in float, of doubles in double.
inline __device__ float widened(float value) { return value; }
inline __device__ double widened(double value) { return value; }
inline __device__ float widened(uint8_t value) { return value; }
inline __device__ float widened(__half value) { return __half2float(value); }
inline __device__ float widened(__nv_bfloat16 value) { return __bfloat162float(value); }

// Calls run(a number as stored, a number as summed) for the type that Python calls `dtype`.
template <class Run>
int with_types(int64_t dtype, const Run& run) {
  switch (dtype) {
    case 0: return run(float(), float());
    case 1: return run(double(), double());
    case 2: return run(__half(), float());
    default: return run(__nv_bfloat16(), float());
  }
}

constexpr int kSamples = 16;  // of a bin along one axis at once

template <class T>
struct Taps {
  Tap<T> taps[2 * kSamples];
  int count;

  __device__ int size() const { return count; }
  __device__ Tap<T>& last(int back) { return taps[count - back]; }
  __device__ void push(const Tap<T>& tap) { taps[count++] = tap; }

  // One thread does.
  __device__ void fill(const Axis<T>& axis, T from, int64_t begin, int64_t end) {
    count = 0;
    axis.add_taps(from, begin, min(begin + kSamples, end), *this);
  }
};

}  // namespace pedsearch
