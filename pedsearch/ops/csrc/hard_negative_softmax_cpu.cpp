// Softmax losses over the right class and the hardest wrong ones, with their gradients, without sorting the classes.
#include <cmath>
#include <cstring>

#include "hard_negative_loss.h"
#include "parallel.h"

namespace {

// Wrong classes fall into buckets by how far their logit lies below the highest; only one bucket is ever looked into.
// What is farther down than the buckets reach shares the last one and has little probability.
constexpr int kBuckets = 1024;
constexpr int kBucketsPerUnit = 64;
constexpr int kSorted = 32;  // candidates that are sorted at last
constexpr int kLanes = 16;  // running maxima side by side, one vector

template <class T>
inline __attribute__((always_inline)) T highest_of(const T* logits, int64_t size) {
  T lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -std::numeric_limits<T>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[j] = logits[i + j] > lanes[j] ? logits[i + j] : lanes[j];
  for (; i < size; ++i) lanes[0] = logits[i] > lanes[0] ? logits[i] : lanes[0];
  return *std::max_element(lanes, lanes + kLanes);
}

// exp(x) for x in [-87, 0], by the polynomial of the Cephes library, to 2 units in the last place. A loop over it
// becomes vector code, which the C library's function does not.
inline __attribute__((always_inline)) float exponential(float x) {
  constexpr float kRounder = 12582912;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504f + kRounder, whole = shifted - kRounder;
  const float rest = (x - whole * .693359375f) + whole * 2.12194440e-4f;
  const float high = (1.9875691500e-4f * rest + 1.3981999507e-3f) * rest + 8.3334519073e-3f;
  const float low = ((high * rest + 4.1665795894e-2f) * rest + 1.6666665459e-1f) * rest + 5.0000001201e-1f;
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = int32_t(uint32_t(bits + 127) << 23);  // 2 to that integer; the rounder's own bits leave on the left
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return (low * rest * rest + rest + 1) * power;
}

inline double exponential(double x) { return std::exp(x); }

// Exponentials of the logits relative to the highest, not below exp(-87), and their buckets; a NaN falls into the last.
// Two loops, as a compiler that sees the limit and what is made of it at once takes no vectors.
template <class T>
inline __attribute__((always_inline)) void spread_over(const T* logits, int64_t size, T highest, T* exps,
                                                       uint16_t* buckets) {
  constexpr T kLast = kBuckets - 1, kDeepest = 87;
  for (int64_t i = 0; i < size; ++i) {
    const T below = highest - logits[i], place = below * kBucketsPerUnit;
    exps[i] = below > kDeepest ? -kDeepest : -below;
    buckets[i] = uint16_t(int32_t(place < kLast ? place : kLast));
  }
  for (int64_t i = 0; i < size; ++i) exps[i] = exponential(exps[i]);
}

template <class T>
inline __attribute__((always_inline)) void keep_from(T* row, int64_t size, T least, T factor, const T* exps) {
  for (int64_t i = 0; i < size; ++i) {
    const T share = exps[i] * factor;
    row[i] = row[i] >= least ? share : 0;
  }
}

PEDSEARCH_VECTOR_CLONES
float highest(const float* logits, int64_t size) { return highest_of(logits, size); }
PEDSEARCH_VECTOR_CLONES
double highest(const double* logits, int64_t size) { return highest_of(logits, size); }

PEDSEARCH_VECTOR_CLONES
void spread(const float* logits, int64_t size, float highest, float* exps, uint16_t* buckets) {
  spread_over(logits, size, highest, exps, buckets);
}
void spread(const double* logits, int64_t size, double highest, double* exps, uint16_t* buckets) {
  spread_over(logits, size, highest, exps, buckets);
}

PEDSEARCH_VECTOR_CLONES
void keep(float* row, int64_t size, float least, float factor, const float* exps) {
  keep_from(row, size, least, factor, exps);
}
PEDSEARCH_VECTOR_CLONES
void keep(double* row, int64_t size, double least, double factor, const double* exps) {
  keep_from(row, size, least, factor, exps);
}

template <class T>
class Row {
 public:
  explicit Row(int64_t classes) : exps_(classes), buckets_(classes), masses_(kBuckets) {}

  // Replaces the logits by the gradient of the loss, which it returns.
  T run(T* row, int64_t classes, int64_t label, double top_percent, double log_eps, double equally_near) {
    const T right = row[label];
    row[label] = -kInfinity;
    const T top = highest(row, classes);
    Kept kept{std::numeric_limits<T>::lowest(), 0};
    if (top > -kInfinity) {
      spread(row, classes, top, exps_.data(), buckets_.data());
      std::fill(masses_.begin(), masses_.end(), 0);
      for (int64_t i = 0; i < classes; ++i) masses_[buckets_[i]] += exps_[i];
      for (const double mass : masses_) kept.sum += mass;
      if (top_percent < 1 && kept.sum < kInfinity) {
        kept = choose(row, classes, top_percent * kept.sum, equally_near * kept.sum);
      }
    } else if (std::any_of(row, row + classes, [](T logit) { return std::isnan(logit); })) {
      kept.sum = std::numeric_limits<double>::quiet_NaN();
    }
    const pedsearch::Loss loss = pedsearch::hard_negative_loss(right, top, kept.sum, log_eps);
    keep(row, classes, kept.least, T(loss.factor), exps_.data());
    row[label] = T(loss.right);
    return T(loss.value);
  }

 private:
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();

  struct Kept {
    T least;     // the lowest logit that is kept
    double sum;  // of the exponentials of the kept
  };
  struct Candidate {
    T logit, exp;
  };

  // The classes up to the one where the sum of the exponentials, the largest first, is nearest to the goal; of two that
  // are equally near up to the slack, the first.
  Kept choose(const T* row, int64_t classes, double goal, double slack) {
    int crossed = 0;
    Kept above{kInfinity, 0};
    while (crossed < kBuckets - 1 && !(above.sum + masses_[crossed] >= goal)) above.sum += masses_[crossed++];
    candidates_.clear();
    for (int64_t i = 0; i < classes; ++i) {
      if (buckets_[i] < crossed) above.least = std::min(above.least, row[i]);
      if (buckets_[i] == crossed) candidates_.push_back({row[i], exps_[i]});
    }
    auto begin = candidates_.begin(), end = candidates_.end();
    while (end - begin > kSorted) {  // as in a quicksort that only enters the part where the goal is crossed
      const T middle = median(begin->logit, begin[(end - begin) / 2].logit, end[-1].logit);
      const auto equal = std::partition(begin, end, [=](Candidate other) { return other.logit > middle; });
      const auto lower = std::partition(equal, end, [=](Candidate other) { return !(other.logit < middle); });
      const Kept higher = with(above, begin, equal), level = with(higher, equal, lower);
      if (higher.sum >= goal) {
        end = equal;
      } else if (level.sum >= goal) {
        above = higher, begin = equal, end = lower;
        break;  // all are equal
      } else {
        above = level, begin = lower;
      }
    }
    if (end - begin <= kSorted) std::sort(begin, end, [](Candidate a, Candidate b) { return a.logit > b.logit; });
    Kept before = above, after = above;
    for (auto next = begin; next != end && after.sum < goal; ++next) {
      before = after;
      after = with(after, next, next + 1);
    }
    const bool closer = before.sum > 0 && goal - before.sum <= after.sum - goal + slack;
    const T least = closer ? before.least : after.least;
    for (auto next = begin; next != end; ++next) above.sum += next->logit >= least ? next->exp : 0;
    return {least, above.sum};
  }

  template <class Iterator>
  static Kept with(Kept kept, Iterator begin, Iterator end) {
    for (; begin != end; ++begin) kept = {std::min(kept.least, begin->logit), kept.sum + begin->exp};
    return kept;
  }

  static T median(T a, T b, T c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); }

  std::vector<T> exps_;
  std::vector<uint16_t> buckets_;
  std::vector<double> masses_;
  std::vector<Candidate> candidates_;
};

template <class T>
int run_rows(T* logits, int64_t rows, int64_t classes, const int64_t* labels, double top_percent, double log_eps,
             double equally_near, T* losses, int64_t threads) {
  return pedsearch::run_workers(rows, 4, threads, [=](pedsearch::Chunks& chunks) {
    Row<T> row(classes);
    for (int64_t begin, end; chunks.next(begin, end);)
      for (int64_t i = begin; i < end; ++i)
        losses[i] = row.run(logits + i * classes, classes, labels[i], top_percent, log_eps, equally_near);
  });
}

}  // namespace

// logits (rows, classes) of float if single, else of double, which the gradient replaces; labels (rows) in
// 0...classes-1; losses (rows) of their type.
extern "C" int hard_negative_softmax(void* logits, int64_t rows, int64_t classes, int64_t single, const int64_t* labels,
                                     double top_percent, double log_eps, double equally_near, void* losses,
                                     int64_t threads) {
  if (single)
    return run_rows(static_cast<float*>(logits), rows, classes, labels, top_percent, log_eps, equally_near,
                    static_cast<float*>(losses), threads);
  return run_rows(static_cast<double*>(logits), rows, classes, labels, top_percent, log_eps, equally_near,
                  static_cast<double*>(losses), threads);
}
