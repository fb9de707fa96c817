// Sets of small numbers as the bits of a word.
#pragma once

#include <cstdint>

namespace pedsearch {

// Calls visit(i) for each set bit i, in rising order.
template <class Visit>
inline void for_each_bit(uint64_t word, const Visit& visit) {
  for (; word; word &= word - 1) {
#if defined(__GNUC__)
    visit(int64_t(__builtin_ctzll(word)));
#else
    int64_t bit = 0;
    while (!(word >> bit & 1)) ++bit;
    visit(bit);
#endif
  }
}

}  // namespace pedsearch
