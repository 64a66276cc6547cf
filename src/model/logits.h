// SPDX-License-Identifier: Apache-2.0
// What logits say, in double.
#pragma once

#include <cstddef>
#include <span>

namespace gemma3n {

// The logarithm of the sum of exponentials: a logit less this is a log-probability.
double LogSum(std::span<const float> logits);
// Kullback-Leibler divergence of the distribution of `logits` from that of `reference`, in nats:
// the sum of p (log p - log q) over all ids.
double Divergence(std::span<const float> reference, std::span<const float> logits);
// The first id of the largest logit.
size_t Likeliest(std::span<const float> logits);

}  // namespace gemma3n
