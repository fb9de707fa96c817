// The loss of one sample from the sums of its exponentials, for CPU and CUDA.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define PEDSEARCH_ANYWHERE __host__ __device__
#else
#define PEDSEARCH_ANYWHERE
#endif

namespace pedsearch {

struct Loss {
  double value;
  double right;   // its derivative by the right logit
  double factor;  // times exp(logit - top): its derivative by the logit of a kept wrong class
};

// log(exp(a) + exp(b)), also of minus infinities.
PEDSEARCH_ANYWHERE inline double add_logs(double a, double b) {
  const double high = a > b ? a : b, low = a > b ? b : a;
  return low == -INFINITY ? high : high + log1p(exp(low - high));
}

// -log(p + eps) with p = e+ / (e+ + sum + eps), e+ = exp(right); `sum` of the kept is relative to exp(top). Everything
// is a logarithm, so that nothing overflows.
PEDSEARCH_ANYWHERE inline Loss hard_negative_loss(double right, double top, double sum, double log_eps) {
  const double others = add_logs(sum == 0 ? -INFINITY : top + log(sum), log_eps);
  const double all = add_logs(right, others), log_p = right - all;
  const double value = -add_logs(log_p, log_eps);
  const double weight = exp(log_p + value);  // p / (p + eps)
  return {value, -weight * exp(others - all), sum == 0 ? 0 : weight * exp(top - all)};
}

}  // namespace pedsearch
