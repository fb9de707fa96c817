// Threads for the CPU kernels: each worker takes the next free chunk of rows until none is left. With OpenMP they are
// torch's own threads, which otherwise spin for a while after its operators and take the cores from ours.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <new>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

// x86 compilers that can choose at load time build the hot loops for wider vectors, too.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define PEDSEARCH_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PEDSEARCH_VECTOR_CLONES
#endif

namespace pedsearch {

enum Status : int { kOk = 0, kOutOfMemory = 1 };

// The rows [0, size) in chunks of `grain`, handed out once each.
class Chunks {
 public:
  Chunks(int64_t size, int64_t grain) : size_(size), grain_(grain) {}

  bool next(int64_t& begin, int64_t& end) {
    begin = taken_.fetch_add(grain_);
    end = std::min(begin + grain_, size_);
    return begin < end;
  }

 private:
  const int64_t size_, grain_;
  std::atomic<int64_t> taken_{0};
};

// Calls worker(chunks) on `threads` threads; what a worker allocates before its loop is its own scratch memory.
template <class Worker>
int run_workers(int64_t size, int64_t grain, int64_t threads, const Worker& worker) {
  Chunks chunks(size, grain);
  std::atomic<int> status{kOk};
  auto guarded = [&] {
    try {
      worker(chunks);
    } catch (const std::bad_alloc&) {
      status = kOutOfMemory;
    }
  };
  const int64_t useful = std::max<int64_t>(1, std::min(threads, (size + grain - 1) / grain));
#if defined(_OPENMP)
#pragma omp parallel num_threads(int(useful))
  guarded();
#else
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < useful; ++i) others.emplace_back(guarded);
  } catch (const std::system_error&) {
    // No more threads to be had: those that run do the work.
  }
  guarded();
  for (auto& thread : others) thread.join();
#endif
  return status;
}

}  // namespace pedsearch
