// Boxes of images, painted with patches, normalised, resampled to one size: a block makes one row of a crop.
#include "roi_blocks.cuh"

namespace {

using pedsearch::Axis;
using pedsearch::Tap;
using pedsearch::Taps;
using pedsearch::widened;

constexpr int64_t kImageChannels = 3;
constexpr int kNearPatches = 64;  // of a RoI, in shared memory

template <class T>
struct Shared {
  Taps<T> rows;
  int32_t num_near, near[kNearPatches];  // patches of this image that meet the RoI
};

// Pixels are stored as V and summed as T.
template <class V, class T>
struct Problem {
  const V* images;
  const T *rois, *mean, *std, *fill;
  const int64_t* patches;  // (num_patches, 5): image, x1, y1, x2, y2
  int64_t num_images, height, width, num_rois, num_patches, bins_y, bins_x;
};

// Whether a patch may cover a pixel that some sample along this axis mixes.
template <class T>
__device__ bool meets(int64_t begin, int64_t end, const Axis<T>& axis) {
  return T(end) > axis.start - 2 && T(begin) < axis.start + axis.size + 2;
}

__device__ bool covers(const int64_t* patch, int64_t image, int64_t y, int64_t x) {
  return patch[0] == image && patch[1] <= x && x < patch[3] && patch[2] <= y && y < patch[4];
}

template <class V, class T>
__device__ bool is_painted(const Problem<V, T>& problem, const Shared<T>& shared, int64_t image, int64_t y, int64_t x) {
  if (shared.num_near > kNearPatches) {
    for (int64_t p = 0; p < problem.num_patches; ++p)
      if (covers(problem.patches + 5 * p, image, y, x)) return true;
    return false;
  }
  for (int32_t i = 0; i < shared.num_near; ++i)
    if (covers(problem.patches + 5 * shared.near[i], image, y, x)) return true;
  return false;
}

// sums += weight * pixel of each channel.
template <class V, class T>
__device__ void add_pixel(const Problem<V, T>& problem, const Shared<T>& shared, int64_t image, int64_t y, int64_t x,
                          T weight, T* sums) {
  const bool painted = is_painted(problem, shared, image, y, x);
  for (int64_t channel = 0; channel < kImageChannels; ++channel) {
    const int64_t plane = image * kImageChannels + channel;
    sums[channel] += weight * (painted ? problem.fill[plane]
                                       : T(widened(problem.images[(plane * problem.height + y) * problem.width + x])));
  }
}

template <class V, class T>
__global__ void crop_rows(Problem<V, T> problem, T* crops) {
  Shared<T>& shared = pedsearch::shared_memory<Shared<T>>();
  for (int64_t item = blockIdx.x; item < problem.num_rois * problem.bins_y; item += gridDim.x) {
    const int64_t index = item / problem.bins_y, row = item % problem.bins_y;
    const T* const roi = problem.rois + 5 * index;
    const int64_t image = roi[0] >= 0 && roi[0] < T(problem.num_images) ? int64_t(roi[0]) : -1;
    const Axis<T> axis_y(roi[2], roi[4], 1., problem.bins_y, problem.height, 0, true);
    const Axis<T> axis_x(roi[1], roi[3], 1., problem.bins_x, problem.width, 0, true);
    if (threadIdx.x == 0) shared.num_near = 0;
    __syncthreads();
    for (int64_t p = threadIdx.x; p < problem.num_patches; p += blockDim.x) {
      const int64_t* const patch = problem.patches + 5 * p;
      if (patch[0] != image || !meets(patch[1], patch[3], axis_x) || !meets(patch[2], patch[4], axis_y)) continue;
      const int32_t place = atomicAdd(&shared.num_near, 1);
      if (place < kNearPatches) shared.near[place] = int32_t(p);
    }
    __syncthreads();

    const T from_y = axis_y.start + T(row) * axis_y.bin;
    int64_t begin_y, end_y;
    axis_y.find_samples(from_y, begin_y, end_y);
    for (int64_t column = threadIdx.x; column < problem.bins_x + threadIdx.x; column += blockDim.x) {
      T sums[kImageChannels] = {}, total = 0;
      for (int64_t y = begin_y; y < end_y && image >= 0; y += pedsearch::kSamples) {
        if (threadIdx.x == 0) shared.rows.fill(axis_y, from_y, y, end_y);
        __syncthreads();
        const T from_x = axis_x.start + T(column) * axis_x.bin;
        int64_t begin_x, end_x;
        axis_x.find_samples(from_x, begin_x, end_x);
        if (column < problem.bins_x)
          axis_x.for_each_sample(from_x, begin_x, end_x, [&](int64_t x, T weight, T next, T) {
            for (int i = 0; i < shared.rows.count; ++i) {
              const Tap<T>& tap = shared.rows.taps[i];
              add_pixel(problem, shared, image, tap.pixel, x, tap.weight * weight, sums);
              if (x + 1 < problem.width) add_pixel(problem, shared, image, tap.pixel, x + 1, tap.weight * next, sums);
              total += tap.weight * (weight + next);
            }
          });
        __syncthreads();
      }
      if (column >= problem.bins_x) continue;
      for (int64_t channel = 0; channel < kImageChannels; ++channel)
        crops[((index * kImageChannels + channel) * problem.bins_y + row) * problem.bins_x + column] =
            image < 0 ? T(NAN) : (sums[channel] - problem.mean[channel] * total) / problem.std[channel];
    }
    __syncthreads();
  }
}

}  // namespace

// As on the CPU, with image indices unchecked: an image that does not exist gives NaN. images also of __half (dtype 2)
// or __nv_bfloat16 (3), the rest of float then.
extern "C" int person_crops(const void* images, const void* rois, const void* mean, const void* std,
                            const int64_t* patches, const void* fill, int64_t num_images, int64_t height, int64_t width,
                            int64_t num_rois, int64_t num_patches, int64_t bins_y, int64_t bins_x, int64_t dtype,
                            void* crops, void* stream_handle) {
  using namespace pedsearch;
  const auto run = [&](auto stored, auto summed) {
    using V = decltype(stored);
    using T = decltype(summed);
    const Problem<V, T> problem{static_cast<const V*>(images), static_cast<const T*>(rois), static_cast<const T*>(mean),
                                static_cast<const T*>(std), static_cast<const T*>(fill), patches, num_images, height,
                                width, num_rois, num_patches, bins_y, bins_x};
    launch(crop_rows<V, T>, std::min(num_rois * bins_y, kMaxBlocks), sizeof(Shared<T>),
           static_cast<cudaStream_t>(stream_handle), problem, static_cast<T*>(crops));
    return status_of(cudaGetLastError());
  };
  return dtype == 4 ? run(uint8_t(), float()) : with_types(dtype, run);
}
