// Mean of bilinear samples in the bins of RoIs, from the fitting level of a pyramid, bins moved by offsets if given.
#include "roi_blocks.cuh"

namespace {

using pedsearch::Pyramid;
using pedsearch::Roi;
using pedsearch::Tap;
using pedsearch::Taps;
using pedsearch::widened;

constexpr int kChannels = 8;  // that a thread holds in registers

template <class T>
struct Shared {
  Taps<T> rows, columns;
  T by_x[pedsearch::kThreads], by_y[pedsearch::kThreads];
};

// Values are stored as V and summed as T.
template <class V, class T>
struct Problem {
  const V* table;
  const T *rois, *offsets;
  Pyramid maps;
  int64_t num_rois, channels, bins_y, bins_x, ratio;
  T gamma;
  bool aligned;

  int64_t bins() const { return bins_y * bins_x; }
};

// One bin of one RoI; all threads of a block work on the same.
template <class V, class T>
struct Bin {
  const Problem<V, T>& problem;
  int64_t index, bin;
  Roi<T> roi;
  T from_y, from_x;

  __device__ Bin(const Problem<V, T>& problem, int64_t item)
      : problem(problem), index(item / (problem.bins_y * problem.bins_x)),
        bin(item % (problem.bins_y * problem.bins_x)),
        roi(problem.rois + 5 * index, problem.maps, problem.bins_y, problem.bins_x, problem.ratio, problem.aligned) {
    from_y = roi.y.start + T(bin / problem.bins_x) * roi.y.bin;
    from_x = roi.x.start + T(bin % problem.bins_x) * roi.x.bin;
    if (problem.offsets == nullptr) return;
    const int64_t bins = problem.bins_y * problem.bins_x;
    const T* const offset = problem.offsets + 2 * index * bins + bin;
    from_x += problem.gamma * roi.x.size * offset[0];
    from_y += problem.gamma * roi.y.size * offset[bins];
  }

  // Place of channel c of this bin in pooled (num_rois, channels, bins_y, bins_x).
  __device__ int64_t place(int64_t c) const {
    return (index * problem.channels + c) * problem.bins_y * problem.bins_x + bin;
  }

  // Calls visit(row of the table, tap along y, tap along x) for each pixel of the bin.
  template <class Visit>
  __device__ void for_each_pixel(Shared<T>& shared, const Visit& visit) const {
    int64_t begin_y, end_y, begin_x, end_x;
    roi.y.find_samples(from_y, begin_y, end_y);
    roi.x.find_samples(from_x, begin_x, end_x);
    const int64_t first = roi.first_pixel(problem.maps);
    for (int64_t y = begin_y; y < end_y; y += pedsearch::kSamples)
      for (int64_t x = begin_x; x < end_x; x += pedsearch::kSamples) {
        if (threadIdx.x == 0) shared.rows.fill(roi.y, from_y, y, end_y);
        if (threadIdx.x == blockDim.x - 1) shared.columns.fill(roi.x, from_x, x, end_x);
        __syncthreads();
        for (int i = 0; i < shared.rows.count; ++i)
          for (int j = 0; j < shared.columns.count; ++j) {
            const Tap<T>&row = shared.rows.taps[i], &column = shared.columns.taps[j];
            visit(first + row.pixel * roi.x.length + column.pixel, row, column);
          }
        __syncthreads();
      }
  }
};

template <class V, class T>
__global__ void pool_bins(Problem<V, T> problem, T* pooled) {
  Shared<T>& shared = pedsearch::shared_memory<Shared<T>>();
  const int64_t items = problem.num_rois * problem.bins_y * problem.bins_x, channels = problem.channels;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const Bin<V, T> bin(problem, item);
    for (int64_t c = threadIdx.x; c < channels + threadIdx.x; c += kChannels * blockDim.x) {
      T sums[kChannels] = {};
      if (bin.roi.image >= 0)
        bin.for_each_pixel(shared, [&](int64_t pixel, const Tap<T>& row, const Tap<T>& column) {
          const V* const values = problem.table + pixel * channels + c;
          const T weight = row.weight * column.weight;
          for (int k = 0; k < kChannels; ++k)
            if (c + k * blockDim.x < channels) sums[k] += weight * widened(values[k * blockDim.x]);
        });
      for (int k = 0; k < kChannels; ++k)
        if (c + k * blockDim.x < channels)
          pooled[bin.place(c + k * blockDim.x)] = bin.roi.image < 0 ? T(NAN) : sums[k];
    }
  }
}

template <class V, class T>
__global__ void spread_bins(Problem<V, T> problem, const T* grad, T* grad_table, T* grad_offsets) {
  Shared<T>& shared = pedsearch::shared_memory<Shared<T>>();
  const int64_t bins = problem.bins_y * problem.bins_x, channels = problem.channels;
  for (int64_t item = blockIdx.x; item < problem.num_rois * bins; item += gridDim.x) {
    const Bin<V, T> bin(problem, item);
    T by_x = 0, by_y = 0;
    for (int64_t c = threadIdx.x; c < channels + threadIdx.x && bin.roi.image >= 0; c += kChannels * blockDim.x) {
      T own[kChannels];
      for (int k = 0; k < kChannels; ++k)
        own[k] = c + k * blockDim.x < channels ? grad[bin.place(c + k * blockDim.x)] : T(0);
      bin.for_each_pixel(shared, [&](int64_t pixel, const Tap<T>& row, const Tap<T>& column) {
        const int64_t place = pixel * channels + c;
        T value = 0;  // of all channels, weighted by their gradients
        for (int k = 0; k < kChannels; ++k) {
          if (c + k * blockDim.x >= channels) continue;
          if (grad_table) atomicAdd(grad_table + place + k * blockDim.x, row.weight * column.weight * own[k]);
          if (grad_offsets) value += own[k] * widened(problem.table[place + k * blockDim.x]);
        }
        by_x += row.weight * column.slope * value;
        by_y += row.slope * column.weight * value;
      });
    }
    if (grad_offsets == nullptr) continue;
    shared.by_x[threadIdx.x] = by_x;
    shared.by_y[threadIdx.x] = by_y;
    for (unsigned half = pedsearch::kThreads / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.x < half && threadIdx.x + half < blockDim.x) {
        shared.by_x[threadIdx.x] += shared.by_x[threadIdx.x + half];
        shared.by_y[threadIdx.x] += shared.by_y[threadIdx.x + half];
      }
    }
    if (threadIdx.x == 0) {
      T* const target = grad_offsets + 2 * bin.index * bins + bin.bin;
      target[0] = problem.gamma * bin.roi.x.size * shared.by_x[0];
      target[bins] = problem.gamma * bin.roi.y.size * shared.by_y[0];
    }
    __syncthreads();
  }
}

}  // namespace

// As on the CPU, with any number of channels and image indices unchecked: an image that does not exist gives NaN. table
// also of __half (dtype 2) or __nv_bfloat16 (3), the others of float then.
extern "C" int roi_pool(const void* table, const void* rois, const void* offsets, const int64_t* sizes,
                        const double* scales, int64_t levels, int64_t images, int64_t num_rois, int64_t channels,
                        int64_t bins_y, int64_t bins_x, int64_t ratio, double gamma, double finest_scale,
                        int64_t aligned, int64_t dtype, void* pooled, void* stream_handle) {
  using namespace pedsearch;
  return with_types(dtype, [&](auto stored, auto summed) {
    using V = decltype(stored);
    using T = decltype(summed);
    const Problem<V, T> problem{static_cast<const V*>(table), static_cast<const T*>(rois),
                                static_cast<const T*>(offsets), Pyramid(sizes, scales, levels, images, finest_scale),
                                num_rois, channels, bins_y, bins_x, ratio, T(gamma), aligned != 0};
    launch(pool_bins<V, T>, std::min(num_rois * problem.bins(), kMaxBlocks), sizeof(Shared<T>),
           static_cast<cudaStream_t>(stream_handle), problem, static_cast<T*>(pooled));
    return status_of(cudaGetLastError());
  });
}

// As on the CPU; grad, grad_table and grad_offsets are float beside half types.
extern "C" int roi_pool_backward(const void* table, const void* rois, const void* offsets, const int64_t* sizes,
                                 const double* scales, int64_t levels, int64_t images, int64_t num_rois,
                                 int64_t channels, int64_t bins_y, int64_t bins_x, int64_t ratio, double gamma,
                                 double finest_scale, int64_t aligned, int64_t dtype, const void* grad,
                                 void* grad_table, void* grad_offsets, void* stream_handle) {
  using namespace pedsearch;
  return with_types(dtype, [&](auto stored, auto summed) {
    using V = decltype(stored);
    using T = decltype(summed);
    const Problem<V, T> problem{static_cast<const V*>(table), static_cast<const T*>(rois),
                                static_cast<const T*>(offsets), Pyramid(sizes, scales, levels, images, finest_scale),
                                num_rois, channels, bins_y, bins_x, ratio, T(gamma), aligned != 0};
    launch(spread_bins<V, T>, std::min(num_rois * problem.bins(), kMaxBlocks), sizeof(Shared<T>),
           static_cast<cudaStream_t>(stream_handle), problem, static_cast<const T*>(grad), static_cast<T*>(grad_table),
           static_cast<T*>(grad_offsets));
    return status_of(cudaGetLastError());
  });
}
