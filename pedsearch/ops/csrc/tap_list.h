// The pixels along one axis that a bin mixes, in memory that grows.
#pragma once

#include <vector>

#include "roi_grid.h"

namespace pedsearch {

template <class T>
struct TapList : std::vector<Tap<T>> {
  Tap<T>& last(int back) { return this->end()[-back]; }
  void push(const Tap<T>& tap) { this->push_back(tap); }

  // Of the bin that begins at `from`.
  void fill(const Axis<T>& axis, T from) {
    int64_t begin, end;
    this->clear();
    axis.find_samples(from, begin, end);
    axis.add_taps(from, begin, end, *this);
  }
};

}  // namespace pedsearch
