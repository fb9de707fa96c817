// Where the samples of a RoI lie, along each axis alone: bilinear weights are products of a weight along y and one
// along x, and so is whether a sample counts. The sum over the samples of a bin is then a sum over pixels.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define PEDSEARCH_ANYWHERE __host__ __device__
#else
#define PEDSEARCH_ANYWHERE
#endif

namespace pedsearch {

constexpr int64_t kMaxLevels = 8;

// The maps of a pyramid, channels last, one after the other in one table of pixels.
struct Pyramid {
  int64_t levels, images, height[kMaxLevels], width[kMaxLevels], first[kMaxLevels];
  double scale[kMaxLevels], finest_scale;

  Pyramid(const int64_t* sizes, const double* scales, int64_t levels, int64_t images, double finest_scale)
      : levels(levels), images(images), finest_scale(finest_scale) {
    int64_t pixels = 0;
    for (int64_t level = 0; level < levels; ++level) {
      height[level] = sizes[2 * level], width[level] = sizes[2 * level + 1];
      scale[level] = scales[level], first[level] = pixels;
      pixels += images * height[level] * width[level];
    }
  }

  // floor(log2(sqrt(area) / finest_scale + 1e-6)), clamped; 0 for an area below 0.
  template <class T>
  PEDSEARCH_ANYWHERE int64_t level_of(const T* roi) const {
    if (levels == 1) return 0;
    using namespace std;
    const T level = floor(log2(sqrt((roi[3] - roi[1]) * (roi[4] - roi[2])) / T(finest_scale) + T(1e-6)));
    return level >= T(levels - 1) ? levels - 1 : level > 0 ? int64_t(level) : 0;
  }
};

// What a pixel along one axis adds to a bin, and the derivative of that by the place of the bin.
template <class T>
struct Tap {
  int32_t pixel;
  T weight, slope;
};

// Bins of a RoI along one axis of its map, in pixels. Lists of taps have size(), push(tap) and, counted from the end,
// last(1...).
template <class T>
struct Axis {
  T start, size, bin;
  int64_t length, samples;  // of the map; of a bin

  PEDSEARCH_ANYWHERE Axis(T begin, T end, double scale, int64_t bins, int64_t length, int64_t ratio, bool aligned)
      : start(begin * T(scale) - T(aligned ? .5 : 0)), length(length) {
    size = end * T(scale) - T(aligned ? .5 : 0) - start;
    if (!aligned && !(size >= 1)) size = 1;
    bin = size / T(bins);
    const T most = T(1 << 30);
    using namespace std;
    samples = ratio > 0 ? ratio : bin > 0 ? int64_t(bin < most ? ceil(bin) : most) : 0;
  }

  // The samples of the bin that begins at `from` that may count: a RoI far larger than the map costs no more than it.
  PEDSEARCH_ANYWHERE void find_samples(T from, int64_t& begin, int64_t& end) const {
    const T step = bin / T(samples);
    begin = 0, end = from - from == 0 && bin - bin == 0 ? samples : 0;  // none where an edge is not a finite number
    if (!(step > 0)) return;
    const T before = (T(-1) - from) / step - T(2), until = (T(length) - from) / step + T(2);
    if (before > 0) begin = before < T(end) ? int64_t(before) : end;
    if (until < T(end)) end = until > 0 ? int64_t(until) : 0;
  }

  // Calls visit(low pixel, weight of low, of the next, their derivative: minus and plus slope) for each of these
  // samples that counts. The next pixel of the last one is outside the map and weighs 0.
  template <class Visit>
  PEDSEARCH_ANYWHERE void for_each_sample(T from, int64_t begin, int64_t end, const Visit& visit) const {
    const T step = bin / T(samples), share = T(1) / T(samples);
    for (int64_t i = begin; i < end; ++i) {
      const T place = from + (T(i) + T(.5)) * step;
      if (!(place >= T(-1) && place <= T(length))) continue;
      const T last = T(length - 1), inside = place < 0 ? T(0) : place > last ? last : place;
      const int64_t low = int64_t(inside);
      const T next = (inside - T(low)) * share;
      visit(low, share - next, next, inside == place ? share : T(0));
    }
  }

  // Adds to `taps` what these samples add to each pixel.
  template <class Taps>
  PEDSEARCH_ANYWHERE void add_taps(T from, int64_t begin, int64_t end, Taps& taps) const {
    for_each_sample(from, begin, end, [&](int64_t low, T weight, T next, T slope) {
      add_tap({int32_t(low), weight, -slope}, taps);
      if (low + 1 < length) add_tap({int32_t(low + 1), next, slope}, taps);
    });
  }

 private:
  // Samples follow each other, so that only the last two pixels can be met again.
  template <class Taps>
  PEDSEARCH_ANYWHERE static void add_tap(const Tap<T>& tap, Taps& taps) {
    for (int back = 1; back <= 2 && back <= int(taps.size()); ++back)
      if (taps.last(back).pixel == tap.pixel) {
        taps.last(back).weight += tap.weight;
        taps.last(back).slope += tap.slope;
        return;
      }
    taps.push(tap);
  }
};

template <class T>
struct Roi {
  int64_t level, image;  // image -1: there is no such image
  Axis<T> y, x;

  PEDSEARCH_ANYWHERE Roi(const T* roi, const Pyramid& maps, int64_t bins_y, int64_t bins_x, int64_t ratio, bool aligned)
      : level(maps.level_of(roi)),
        image(roi[0] >= 0 && roi[0] < T(maps.images) ? int64_t(roi[0]) : -1),
        y(roi[2], roi[4], maps.scale[level], bins_y, maps.height[level], ratio, aligned),
        x(roi[1], roi[3], maps.scale[level], bins_x, maps.width[level], ratio, aligned) {}

  PEDSEARCH_ANYWHERE int64_t first_pixel(const Pyramid& maps) const {
    return maps.first[level] + image * y.length * x.length;
  }
};

}  // namespace pedsearch
