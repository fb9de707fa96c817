// Boxes of images, painted with patches, normalised, resampled to one size: rows are mixed first, columns after that.
#include "parallel.h"
#include "tap_list.h"

namespace {

using pedsearch::Axis;
using pedsearch::Tap;
using pedsearch::TapList;

constexpr int64_t kChannels = 3;

// The pixels along one axis that each bin mixes.
template <class T>
struct Mixture {
  TapList<T> taps;
  std::vector<int64_t> starts;  // of each bin, and the end
  std::vector<T> totals;        // weight of each bin, below 1 where samples lie outside the image
  int64_t begin = 0, end = 0;   // pixels

  void make(const Axis<T>& axis, int64_t bins) {
    taps.clear();
    totals.assign(bins, 0);
    starts.assign(1, 0);
    TapList<T> own;
    for (int64_t bin = 0; bin < bins; ++bin) {
      own.fill(axis, axis.start + T(bin) * axis.bin);
      for (const Tap<T>& tap : own) totals[bin] += tap.weight;
      taps.insert(taps.end(), own.begin(), own.end());
      starts.push_back(int64_t(taps.size()));
    }
    begin = axis.length, end = 0;
    for (const Tap<T>& tap : taps) {
      begin = std::min<int64_t>(begin, tap.pixel);
      end = std::max<int64_t>(end, tap.pixel + 1);
    }
    end = std::max(begin, end);
  }
};

// Some pixels of an image, channel after channel.
template <class Pixel>
struct Window {
  const Pixel* pixels;
  int64_t row_stride, channel_stride, first_row, first_column;
};

struct Patches {
  const int64_t* boxes;  // (count, 5): image, x1, y1, x2, y2
  int64_t count;
};

template <class Pixel, class T>
struct Problem {
  const Pixel* images;
  const T *rois, *mean, *std, *fill;
  Patches patches;
  int64_t height, width, num_rois, bins_y, bins_x;
};

template <class Pixel, class T>
PEDSEARCH_VECTOR_CLONES void add_row(const Pixel* pixels, T weight, int64_t count, T* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] += weight * T(pixels[i]);
}

// One crop (kChannels, bins_y, bins_x); `sums` has room for a row of each channel.
template <class Pixel, class T>
void mix(const Window<Pixel>& window, const Mixture<T>& rows, const Mixture<T>& columns, const T* mean, const T* std,
         T* sums, T* crop) {
  const int64_t bins_y = int64_t(rows.totals.size()), bins_x = int64_t(columns.totals.size());
  const int64_t width = columns.end - columns.begin;
  const T scale[kChannels] = {1 / std[0], 1 / std[1], 1 / std[2]};
  for (int64_t y = 0; y < bins_y; ++y) {
    std::fill(sums, sums + kChannels * width, T(0));
    for (int64_t i = rows.starts[y]; i < rows.starts[y + 1]; ++i)
      for (int64_t channel = 0; channel < kChannels; ++channel)
        add_row(window.pixels + channel * window.channel_stride +
                    (rows.taps[i].pixel - window.first_row) * window.row_stride + columns.begin - window.first_column,
                rows.taps[i].weight, width, sums + channel * width);
    for (int64_t x = 0; x < bins_x; ++x) {
      T values[kChannels] = {};
      for (int64_t i = columns.starts[x]; i < columns.starts[x + 1]; ++i)
        for (int64_t channel = 0; channel < kChannels; ++channel)
          values[channel] += columns.taps[i].weight * sums[channel * width + columns.taps[i].pixel - columns.begin];
      const T total = rows.totals[y] * columns.totals[x];
      for (int64_t channel = 0; channel < kChannels; ++channel)
        crop[(channel * bins_y + y) * bins_x + x] = (values[channel] - mean[channel] * total) * scale[channel];
    }
  }
}

// A copy of the pixels that are mixed, with the patches of the image painted; false if no patch meets them.
template <class Pixel, class T>
bool paint(const Problem<Pixel, T>& problem, int64_t image, const Pixel* pixels, const Mixture<T>& rows,
           const Mixture<T>& columns, std::vector<T>& copy) {
  const int64_t height = rows.end - rows.begin, width = columns.end - columns.begin;
  bool painted = false;
  for (int64_t p = 0; p < problem.patches.count; ++p) {
    const int64_t* const box = problem.patches.boxes + 5 * p;
    const int64_t left = std::max(box[1], columns.begin), right = std::min(box[3], columns.end);
    const int64_t top = std::max(box[2], rows.begin), bottom = std::min(box[4], rows.end);
    if (box[0] != image || left >= right || top >= bottom) continue;
    if (!painted) {
      copy.resize(kChannels * height * width);
      for (int64_t line = 0; line < kChannels * height; ++line) {
        const int64_t channel = line / height, row = rows.begin + line % height;
        const Pixel* const source = pixels + (channel * problem.height + row) * problem.width + columns.begin;
        std::copy(source, source + width, copy.begin() + line * width);
      }
      painted = true;
    }
    for (int64_t channel = 0; channel < kChannels; ++channel)
      for (int64_t y = top; y < bottom; ++y) {
        T* const row = copy.data() + (channel * height + y - rows.begin) * width;
        std::fill(row + left - columns.begin, row + right - columns.begin, problem.fill[kChannels * image + channel]);
      }
  }
  return painted;
}

template <class Pixel, class T>
int crop(const Problem<Pixel, T>& problem, T* crops, int64_t threads) {
  return pedsearch::run_workers(problem.num_rois, 1, threads, [&](pedsearch::Chunks& chunks) {
    Mixture<T> rows, columns;
    std::vector<T> copy, sums(kChannels * problem.width);
    for (int64_t index, end; chunks.next(index, end);) {
      const T* const roi = problem.rois + 5 * index;
      const int64_t image = int64_t(roi[0]);
      rows.make(Axis<T>(roi[2], roi[4], 1., problem.bins_y, problem.height, 0, true), problem.bins_y);
      columns.make(Axis<T>(roi[1], roi[3], 1., problem.bins_x, problem.width, 0, true), problem.bins_x);
      const Pixel* const pixels = problem.images + image * kChannels * problem.height * problem.width;
      T* const target = crops + index * kChannels * problem.bins_y * problem.bins_x;
      const int64_t height = rows.end - rows.begin, width = columns.end - columns.begin;
      if (paint(problem, image, pixels, rows, columns, copy))
        mix(Window<T>{copy.data(), width, height * width, rows.begin, columns.begin}, rows, columns, problem.mean,
            problem.std, sums.data(), target);
      else
        mix(Window<Pixel>{pixels, problem.width, problem.height * problem.width, 0, 0}, rows, columns, problem.mean,
            problem.std, sums.data(), target);
    }
  });
}

}  // namespace

// images (count, 3, height, width) of float, double or uint8_t if dtype is 0, 1 or 4; the rest is double beside double,
// else float: rois (num_rois, 5) with image indices in range, mean and std (3), fill (count, 3) or null. patches
// (num_patches, 5) of int64_t or null; crops (num_rois, 3, bins_y, bins_x).
extern "C" int person_crops(const void* images, const void* rois, const void* mean, const void* std,
                            const int64_t* patches, const void* fill, int64_t, int64_t height, int64_t width,
                            int64_t num_rois, int64_t num_patches, int64_t bins_y, int64_t bins_x, int64_t dtype,
                            void* crops, int64_t threads) {
  const auto run = [&](auto pixel, auto zero) {
    using Pixel = decltype(pixel);
    using T = decltype(zero);
    return crop(Problem<Pixel, T>{static_cast<const Pixel*>(images), static_cast<const T*>(rois),
                                  static_cast<const T*>(mean), static_cast<const T*>(std), static_cast<const T*>(fill),
                                  Patches{patches, num_patches}, height, width, num_rois, bins_y, bins_x},
                static_cast<T*>(crops), threads);
  };
  return dtype == 0 ? run(0.f, 0.f) : dtype == 1 ? run(0., 0.) : run(uint8_t{0}, 0.f);
}
