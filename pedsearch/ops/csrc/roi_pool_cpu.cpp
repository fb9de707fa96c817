// Mean of bilinear samples in the bins of RoIs, from the fitting level of a pyramid, bins moved by offsets if given.
//
// A bin is a short list of pixels with weights, the same for every channel. Channels lie side by side in the table of
// pixels, so that a few of them at a time are summed in registers.
#include <cstring>
#include <numeric>

#include "parallel.h"
#include "tap_list.h"

namespace {

using pedsearch::Chunks;
using pedsearch::Pyramid;
using pedsearch::Roi;
using pedsearch::Tap;
using pedsearch::TapList;
using pedsearch::run_workers;

constexpr int64_t kRoisAtOnce = 64;  // whose lists a backward pass keeps

// Channels are summed as two vectors of the widest registers; compilers split them where registers are narrower.
template <class T>
struct Wide {
  typedef T Vector __attribute__((vector_size(64)));
};
template <class T>
using Vector = typename Wide<T>::Vector;
template <class T>
constexpr int64_t kHalf = 64 / sizeof(T);
template <class T>
constexpr int64_t kLanes = 2 * kHalf<T>;

template <class T>
struct Lanes {
  Vector<T> low, high;

  inline __attribute__((always_inline)) explicit Lanes(const T* from) {
    std::memcpy(&low, from, sizeof low);
    std::memcpy(&high, from + kHalf<T>, sizeof high);
  }
  inline __attribute__((always_inline)) void store(T* to) const {
    std::memcpy(to, &low, sizeof low);
    std::memcpy(to + kHalf<T>, &high, sizeof high);
  }
};

// A pixel of a bin: what it weighs, and the derivatives of that by the place of the bin.
template <class T>
struct Entry {
  int64_t pixel;
  T weight, along_x, along_y;
};

template <class T>
struct Lists {
  std::vector<Entry<T>> entries;
  std::vector<int64_t> starts;  // of each bin, and the end
};

template <class T>
struct Problem {
  const T *table, *rois, *offsets;
  Pyramid maps;
  int64_t num_rois, channels, bins_y, bins_x, ratio;
  T gamma;
  bool aligned;

  int64_t bins() const { return bins_y * bins_x; }
  Roi<T> roi(int64_t index) const { return {rois + 5 * index, maps, bins_y, bins_x, ratio, aligned}; }
};

// The pixels of every bin of one RoI.
template <class T>
class ListMaker {
 public:
  explicit ListMaker(const Problem<T>& problem) : problem_(problem), columns_(problem.bins_x) {}

  void make(int64_t index, Lists<T>& lists) {
    const Roi<T> roi = problem_.roi(index);
    lists.entries.clear();
    lists.starts.assign(1, 0);
    const int64_t first = roi.first_pixel(problem_.maps), bins_x = problem_.bins_x;
    const T* const offsets = problem_.offsets ? problem_.offsets + 2 * index * problem_.bins() : nullptr;
    for (int64_t y = 0; y < problem_.bins_y; ++y) {
      for (int64_t x = 0; x < bins_x; ++x) {
        T shift_y = 0;
        if (offsets) shift_y = problem_.gamma * roi.y.size * offsets[problem_.bins() + y * bins_x + x];
        if (offsets || x == 0) rows_.fill(roi.y, roi.y.start + T(y) * roi.y.bin + shift_y);
        T shift_x = 0;
        if (offsets) shift_x = problem_.gamma * roi.x.size * offsets[y * bins_x + x];
        if (offsets || y == 0) columns_[x].fill(roi.x, roi.x.start + T(x) * roi.x.bin + shift_x);
        for (const Tap<T>& row : rows_)
          for (const Tap<T>& column : columns_[x])
            lists.entries.push_back({first + row.pixel * roi.x.length + column.pixel, row.weight * column.weight,
                                     row.weight * column.slope, row.slope * column.weight});
        lists.starts.push_back(int64_t(lists.entries.size()));
      }
    }
  }

 private:
  const Problem<T>& problem_;
  TapList<T> rows_;
  std::vector<TapList<T>> columns_;
};

// pooled (lanes, bins) = sums over the entries of each bin, for some channels from `table` on.
template <class T>
PEDSEARCH_VECTOR_CLONES void sum_lanes(const T* table, int64_t channels, const Entry<T>* entries, const int64_t* starts,
                                       int64_t bins, T* pooled) {
  for (int64_t bin = 0; bin < bins; ++bin) {
    Vector<T> low{}, high{};
    for (int64_t e = starts[bin]; e < starts[bin + 1]; ++e) {
      const Lanes<T> pixel(table + entries[e].pixel * channels);
      low += entries[e].weight * pixel.low;
      high += entries[e].weight * pixel.high;
    }
    for (int64_t lane = 0; lane < kHalf<T>; ++lane) {
      pooled[lane * bins + bin] = low[lane];
      pooled[(kHalf<T> + lane) * bins + bin] = high[lane];
    }
  }
}

// The gradients of some channels of a bin, from grad (lanes, bins) on.
template <class T>
inline void gather_lanes(const T* grad, int64_t bins, T* lanes) {
  for (int64_t lane = 0; lane < kLanes<T>; ++lane) lanes[lane] = grad[lane * bins];
}

// slopes (bins, lanes) += derivatives by the place of each bin times its gradient, half of the lanes along x and half
// along y, for these channels.
template <class T>
PEDSEARCH_VECTOR_CLONES void add_slopes(const T* table, int64_t channels, const Entry<T>* entries,
                                        const int64_t* starts, int64_t bins, const T* grad, T* slopes) {
  for (int64_t bin = 0; bin < bins; ++bin) {
    T own[kLanes<T>];
    gather_lanes(grad + bin, bins, own);
    Vector<T> low_x{}, low_y{}, high_x{}, high_y{};
    for (int64_t e = starts[bin]; e < starts[bin + 1]; ++e) {
      const Lanes<T> pixel(table + entries[e].pixel * channels);
      low_x += entries[e].along_x * pixel.low;
      high_x += entries[e].along_x * pixel.high;
      low_y += entries[e].along_y * pixel.low;
      high_y += entries[e].along_y * pixel.high;
    }
    const Lanes<T> weights(own);
    Lanes<T> sums(slopes + bin * kLanes<T>);
    sums.low += weights.low * low_x + weights.high * high_x;
    sums.high += weights.low * low_y + weights.high * high_y;
    sums.store(slopes + bin * kLanes<T>);
  }
}

// grad_table += grad of each bin times the weight of each of its entries, for these channels.
template <class T>
PEDSEARCH_VECTOR_CLONES void spread_lanes(T* grad_table, int64_t channels, const Entry<T>* entries,
                                          const int64_t* starts, int64_t bins, const T* grad) {
  for (int64_t bin = 0; bin < bins; ++bin) {
    T own[kLanes<T>];
    gather_lanes(grad + bin, bins, own);
    const Lanes<T> weights(own);
    for (int64_t e = starts[bin]; e < starts[bin + 1]; ++e) {
      T* const place = grad_table + entries[e].pixel * channels;
      Lanes<T> pixel(place);
      pixel.low += entries[e].weight * weights.low;
      pixel.high += entries[e].weight * weights.high;
      pixel.store(place);
    }
  }
}

template <class T>
int pool(const Problem<T>& problem, T* pooled, int64_t threads) {
  return run_workers(problem.num_rois, 1, threads, [&](Chunks& chunks) {
    ListMaker<T> maker(problem);
    Lists<T> lists;
    const int64_t bins = problem.bins(), channels = problem.channels;
    for (int64_t index, end; chunks.next(index, end);) {
      maker.make(index, lists);
      for (int64_t c = 0; c < channels; c += kLanes<T>)
        sum_lanes(problem.table + c, channels, lists.entries.data(), lists.starts.data(), bins,
                  pooled + (index * channels + c) * bins);
    }
  });
}

// The gradient of the offsets is found RoI by RoI, that of the table by groups of channels: no two threads add to one
// number, and the sums do not depend on how many threads there are.
template <class T>
int pool_backward(const Problem<T>& problem, const T* grad, T* grad_table, T* grad_offsets, int64_t threads) {
  const int64_t bins = problem.bins(), channels = problem.channels;
  std::vector<Lists<T>> lists(std::min(kRoisAtOnce, problem.num_rois));
  int status = pedsearch::kOk;
  for (int64_t first = 0; first < problem.num_rois && status == pedsearch::kOk; first += kRoisAtOnce) {
    const int64_t count = std::min(kRoisAtOnce, problem.num_rois - first);
    status = run_workers(count, 1, threads, [&](Chunks& chunks) {
      ListMaker<T> maker(problem);
      std::vector<T> slopes;
      for (int64_t i, end; chunks.next(i, end);) {
        maker.make(first + i, lists[i]);
        if (grad_offsets == nullptr) continue;
        const int64_t index = first + i;
        slopes.assign(bins * kLanes<T>, T(0));
        for (int64_t c = 0; c < channels; c += kLanes<T>)
          add_slopes(problem.table + c, channels, lists[i].entries.data(), lists[i].starts.data(), bins,
                     grad + (index * channels + c) * bins, slopes.data());
        const Roi<T> roi = problem.roi(index);
        T *const by_x = grad_offsets + 2 * index * bins, *const by_y = by_x + bins;
        for (int64_t bin = 0; bin < bins; ++bin) {
          const T *const x = slopes.data() + bin * kLanes<T>, *const y = x + kHalf<T>;
          by_x[bin] = problem.gamma * roi.x.size * std::accumulate(x, y, T(0));
          by_y[bin] = problem.gamma * roi.y.size * std::accumulate(y, y + kHalf<T>, T(0));
        }
      }
    });
    if (grad_table == nullptr || status != pedsearch::kOk) continue;
    status = run_workers(channels / kLanes<T>, 1, threads, [&](Chunks& chunks) {
      for (int64_t group, end; chunks.next(group, end);) {
        const int64_t c = group * kLanes<T>;
        for (int64_t i = 0; i < count; ++i)
          spread_lanes(grad_table + c, channels, lists[i].entries.data(), lists[i].starts.data(), bins,
                       grad + ((first + i) * channels + c) * bins);
      }
    });
  }
  return status;
}

}  // namespace

// table (pixels of all levels and images, channels), channels a multiple of 32; rois (num_rois, 5), image indices in
// range; offsets (num_rois, 2, bins_y, bins_x) or null; sizes (levels, 2) heights and widths and scales (levels), in
// memory of the host; float if dtype is 0, double if 1. pooled (num_rois, channels, bins_y, bins_x).
extern "C" int roi_pool(const void* table, const void* rois, const void* offsets, const int64_t* sizes,
                        const double* scales, int64_t levels, int64_t images, int64_t num_rois, int64_t channels,
                        int64_t bins_y, int64_t bins_x, int64_t ratio, double gamma, double finest_scale,
                        int64_t aligned, int64_t dtype, void* pooled, int64_t threads) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    return pool(Problem<T>{static_cast<const T*>(table), static_cast<const T*>(rois), static_cast<const T*>(offsets),
                           Pyramid(sizes, scales, levels, images, finest_scale), num_rois, channels, bins_y, bins_x,
                           ratio, T(gamma), aligned != 0},
                static_cast<T*>(pooled), threads);
  };
  return dtype == 0 ? run(0.f) : run(0.);
}

// Adds to grad_table (as table) and writes grad_offsets (as offsets); either may be null.
extern "C" int roi_pool_backward(const void* table, const void* rois, const void* offsets, const int64_t* sizes,
                                 const double* scales, int64_t levels, int64_t images, int64_t num_rois,
                                 int64_t channels, int64_t bins_y, int64_t bins_x, int64_t ratio, double gamma,
                                 double finest_scale, int64_t aligned, int64_t dtype, const void* grad,
                                 void* grad_table, void* grad_offsets, int64_t threads) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    return pool_backward(
        Problem<T>{static_cast<const T*>(table), static_cast<const T*>(rois), static_cast<const T*>(offsets),
                   Pyramid(sizes, scales, levels, images, finest_scale), num_rois, channels, bins_y, bins_x, ratio,
                   T(gamma), aligned != 0},
        static_cast<const T*>(grad), static_cast<T*>(grad_table), static_cast<T*>(grad_offsets), threads);
  };
  return dtype == 0 ? run(0.f) : run(0.);
}
