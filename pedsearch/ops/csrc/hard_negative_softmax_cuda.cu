// Softmax losses over the right class and the hardest wrong ones, with their gradients, without sorting the classes: a
// block of threads for each row.
#include <cmath>
#include <cstring>

#include "hard_negative_loss.h"
#include "row_blocks.cuh"

namespace {

using Mass = unsigned long long;

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;
constexpr double kOne = double(Mass{1} << 40);  // exponentials are added up as whole numbers: one sum in any order

struct Shared {
  Mass masses[kDigits];
  Mass parts[pedsearch::kThreads];
  double numbers[pedsearch::kThreads];
  Mass above;
  int digit;
};

template <class T>
struct SameWidth {
  using Int = uint64_t;
};
template <>
struct SameWidth<float> {
  using Int = uint32_t;
};

// Whole numbers in the order of the logits; both zeros have one.
template <class T>
__device__ typename SameWidth<T>::Int order_of(T logit) {
  using Int = typename SameWidth<T>::Int;
  constexpr Int kSign = Int{1} << (8 * sizeof(T) - 1);
  const T one_zero = logit + T(0);
  Int bits;
  memcpy(&bits, &one_zero, sizeof bits);
  return bits & kSign ? ~bits : bits | kSign;
}

// The highest number of all threads.
__device__ double highest(double own, Shared& shared) {
  __syncthreads();
  shared.numbers[threadIdx.x] = own;
  __syncthreads();
  for (unsigned i = 0; i < blockDim.x; ++i) own = max(own, shared.numbers[i]);
  return own;
}

// Finds, from the highest digit down, where the masses reach the goal; `above` grows by those of higher digits.
__device__ void find_digit(double goal, Shared& shared) {
  const int share = (kDigits + int(blockDim.x) - 1) / int(blockDim.x), first = kDigits - 1 - share * int(threadIdx.x);
  Mass part = 0;
  for (int digit = first; digit > max(first - share, -1); --digit) part += shared.masses[digit];
  shared.parts[threadIdx.x] = part;
  __syncthreads();
  if (threadIdx.x == 0) {
    Mass above = shared.above;
    unsigned thread = 0;
    while (thread + 1 < blockDim.x && double(above + shared.parts[thread]) < goal) above += shared.parts[thread++];
    int digit = kDigits - 1 - share * int(thread);
    while (digit > 0 && double(above + shared.masses[digit]) < goal) above += shared.masses[digit--];
    shared.above = above;
    shared.digit = digit;
  }
  __syncthreads();
}

template <class T>
__global__ void run_rows(T* logits, int64_t rows, int64_t classes, const int64_t* labels, double top_percent,
                         double log_eps, double equally_near, T* losses) {
  using Int = typename SameWidth<T>::Int;
  Shared& shared = pedsearch::shared_memory<Shared>();
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    T* const line = logits + row * classes;
    const int64_t label = labels[row];
    const bool exists = label >= 0 && label < classes;
    const double right = exists ? double(line[label]) : double(NAN);
    double own = -INFINITY, broken = !(right < INFINITY);
    for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
      if (i == label) continue;
      own = max(own, double(line[i]));
      if (!(line[i] < INFINITY)) broken = 1;
    }
    const double top = highest(own, shared);
    broken = highest(broken, shared);
    const auto mass_of = [=](T logit) { return Mass(exp(logit - T(top)) * kOne + .5); };

    // Digit after digit of the logit where the goal is reached; the first round also tells the goal.
    const bool chosen = top > -INFINITY && !broken;
    Int least = 0;
    Mass kept = 0;
    double goal = 0;
    for (int left = 8 * sizeof(T); chosen && left > 0;) {
      const int shift = max(left - kDigitBits, 0), bits = left - shift;
      const bool first = left == 8 * sizeof(T);
      for (int digit = threadIdx.x; digit < kDigits; digit += blockDim.x) shared.masses[digit] = 0;
      if (first && threadIdx.x == 0) shared.above = 0;
      __syncthreads();
      Mass part = 0;
      for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
        if (i == label || line[i] == -INFINITY) continue;
        const Int order = order_of(line[i]);
        if (!first && order >> left != least) continue;
        const Mass mass = mass_of(line[i]);
        part += mass;
        atomicAdd(&shared.masses[int(order >> shift) & ((1 << bits) - 1)], mass);
      }
      shared.parts[threadIdx.x] = part;
      __syncthreads();
      if (first) {
        for (unsigned i = 0; i < blockDim.x; ++i) kept += shared.parts[i];
        goal = top_percent * double(kept);
        if (top_percent == 1) break;
      }
      __syncthreads();
      find_digit(goal, shared);
      least = (first ? 0 : least << bits) | Int(shared.digit);
      left = shift;
    }
    if (chosen && top_percent < 1) {
      const Mass above = shared.above, level = shared.masses[shared.digit];
      own = INFINITY;
      double single = 0;  // exponential of one class of the level
      for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
        if (i == label) continue;
        const Int order = order_of(line[i]);
        if (order > least) own = min(own, double(line[i]));
        if (order == least) single = double(mass_of(line[i]));
      }
      single = highest(single, shared);
      const double before = -highest(-own, shared);
      const double slack = equally_near * double(kept);
      const bool closer = above && goal - double(above) <= double(above) + single - goal + slack;
      kept = closer ? above : above + level;
      if (closer) least = order_of(T(before));
    }

    const double sum = broken ? double(NAN) : double(kept) / kOne;
    const pedsearch::Loss loss = pedsearch::hard_negative_loss(right, top, sum, log_eps);
    for (int64_t i = threadIdx.x; i < classes; i += blockDim.x) {
      if (i == label) continue;
      const bool taken = line[i] > -INFINITY && order_of(line[i]) >= least;
      line[i] = broken ? T(NAN) : taken ? T(loss.factor) * T(exp(line[i] - T(top))) : T(0);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      if (exists) line[label] = T(loss.right);
      losses[row] = T(loss.value);
    }
  }
}

template <class T>
int launch_rows(T* logits, int64_t rows, int64_t classes, const int64_t* labels, double top_percent, double log_eps,
                double equally_near, T* losses, cudaStream_t stream) {
  using namespace pedsearch;
  if (rows == 0) return kOk;
  launch(run_rows<T>, std::min(rows, kMaxBlocks), sizeof(Shared), stream, logits, rows, classes, labels, top_percent,
         log_eps, equally_near, losses);
  return status_of(cudaGetLastError());
}

}  // namespace

// As on the CPU; a label out of range makes the loss and the gradient of its row NaN. At most 2^23 classes.
extern "C" int hard_negative_softmax(void* logits, int64_t rows, int64_t classes, int64_t single, const int64_t* labels,
                                     double top_percent, double log_eps, double equally_near, void* losses,
                                     void* stream_handle) {
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  if (single)
    return launch_rows(static_cast<float*>(logits), rows, classes, labels, top_percent, log_eps, equally_near,
                       static_cast<float*>(losses), stream);
  return launch_rows(static_cast<double*>(logits), rows, classes, labels, top_percent, log_eps, equally_near,
                     static_cast<double*>(losses), stream);
}
