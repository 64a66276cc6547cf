// SPDX-License-Identifier: Apache-2.0
#include "model/logits.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {

double LogSum(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

double Divergence(std::span<const float> reference, std::span<const float> logits) {
  const double reference_sum = LogSum(reference), sum = LogSum(logits);
  double divergence = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_p = reference[i] - reference_sum;
    const double log_q = logits[i] - sum;
    divergence += std::exp(log_p) * (log_p - log_q);
  }
  return divergence;
}

size_t Likeliest(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace gemma3n
