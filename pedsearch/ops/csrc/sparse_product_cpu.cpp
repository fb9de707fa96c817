// Product of two sparse matrices whose terms are combined by multiplication or by minimum.
#include "bits.h"
#include "parallel.h"

namespace {

struct Rows {
  const int64_t* indptr;
  const int32_t* indices;
  const double* values;
};

// The columns that a row has, as bits: reading them out in order is cheaper than sorting them.
class ColumnSet {
 public:
  explicit ColumnSet(int64_t cols) : words_((cols + 63) / 64) {}

  void add(int32_t col) { words_[col >> 6] |= uint64_t{1} << (col & 63); }

  // Calls visit(col) for each column in rising order and empties the set.
  template <class Visit>
  void drain(const Visit& visit) {
    for (size_t i = 0; i < words_.size(); ++i)
      pedsearch::for_each_bit(std::exchange(words_[i], 0), [&](int64_t bit) { visit(int32_t((i << 6) + bit)); });
  }

 private:
  std::vector<uint64_t> words_;
};

// One row of the product at a time. Sums run over the inner index in rising order: the product of a matrix with its own
// transpose is symmetric to the last bit, and nothing depends on the number of threads.
class RowProduct {
 public:
  RowProduct(Rows left, Rows right, int64_t cols, bool minimum)
      : left_(left), right_(right), minimum_(minimum), columns_(cols), sums_(cols) {}

  // Calls visit(col, sum) for each entry of the row in rising order of columns.
  template <class Visit>
  void row(int64_t row, const Visit& visit) {
    minimum_ ? add_terms<true>(row) : add_terms<false>(row);
    columns_.drain([&](int32_t col) { visit(col, std::exchange(sums_[col], 0)); });
  }

  int64_t count(int64_t row) {
    for (int64_t l = left_.indptr[row]; l < left_.indptr[row + 1]; ++l) {
      const int64_t inner = left_.indices[l];
      for (int64_t r = right_.indptr[inner]; r < right_.indptr[inner + 1]; ++r) columns_.add(right_.indices[r]);
    }
    int64_t count = 0;
    columns_.drain([&](int32_t) { ++count; });
    return count;
  }

 private:
  template <bool kMinimum>
  void add_terms(int64_t row) {
    for (int64_t l = left_.indptr[row]; l < left_.indptr[row + 1]; ++l) {
      const int64_t inner = left_.indices[l];
      const double value = left_.values[l];
      for (int64_t r = right_.indptr[inner]; r < right_.indptr[inner + 1]; ++r) {
        const int32_t col = right_.indices[r];
        columns_.add(col);
        sums_[col] += kMinimum ? std::min(value, right_.values[r]) : value * right_.values[r];
      }
    }
  }

  const Rows left_, right_;
  const bool minimum_;
  ColumnSet columns_;
  std::vector<double> sums_;
};

// Calls work(product, row) for every row.
template <class Work>
int for_each_row(Rows left, Rows right, int64_t rows, int64_t cols, bool minimum, int64_t threads, const Work& work) {
  return pedsearch::run_workers(rows, 16, threads, [&](pedsearch::Chunks& chunks) {
    RowProduct product(left, right, cols, minimum);
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t row = begin; row < end; ++row) work(product, row);
  });
}

}  // namespace

// left (rows, inner) and right (inner, cols) in compressed rows; entries whose sum is below `floor` are left out. With
// indices null, counts[row] receives the number of entries of the row; otherwise indices and values (float if single,
// else double) receive them in rising order of columns, and counts (the exclusive sum) says where.
extern "C" int sparse_product(const int64_t* left_indptr, const int32_t* left_indices, const double* left_values,
                              const int64_t* right_indptr, const int32_t* right_indices, const double* right_values,
                              int64_t rows, int64_t cols, int64_t minimum, double floor, int64_t single,
                              int64_t* counts, int32_t* indices, void* values, int64_t threads) {
  const Rows left{left_indptr, left_indices, left_values}, right{right_indptr, right_indices, right_values};
  if (indices == nullptr)
    return for_each_row(left, right, rows, cols, minimum, threads, [=](RowProduct& product, int64_t row) {
      if (floor <= 0) {
        counts[row] = product.count(row);
        return;
      }
      int64_t count = 0;
      product.row(row, [&](int32_t, double sum) { count += sum >= floor; });
      counts[row] = count;
    });
  return for_each_row(left, right, rows, cols, minimum, threads, [=](RowProduct& product, int64_t row) {
    int64_t place = counts[row];
    product.row(row, [&](int32_t col, double sum) {
      if (floor > 0 && !(sum >= floor)) return;
      indices[place] = col;
      if (single)
        static_cast<float*>(values)[place] = float(sum);
      else
        static_cast<double*>(values)[place] = sum;
      ++place;
    });
  });
}
