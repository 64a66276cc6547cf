// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "constraint/constraint_state.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

bool Better(float a, int32_t a_id, float b, int32_t b_id) {
  return a != b ? a > b : a_id < b_id;
}

}  // namespace

Sampler::Sampler(const SamplerSettings& settings, int64_t vocab_size,
                 std::span<const int32_t> banned)
    : settings_(settings),
      banned_(banned.begin(), banned.end()),
      adjusted_(static_cast<size_t>(vocab_size)),
      penalized_(static_cast<size_t>(vocab_size)),
      random_state_(settings.seed) {
  candidates_.reserve(adjusted_.size());
  probabilities_.reserve(adjusted_.size());
  for (const auto& [id, bias] : settings_.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      throw Error(ErrorKind::kRequest, "logit bias: expected ids in [0, " +
                                           std::to_string(vocab_size - 1) + "], found " +
                                           std::to_string(id));
    }
    // Minus infinity bans a token; plus infinity leaves no probabilities to draw from.
    const float narrowed = static_cast<float>(bias);
    if (std::isnan(narrowed) || narrowed == -kNever) {
      throw Error(ErrorKind::kRequest, "logit bias: expected a number for token " +
                                           std::to_string(id) + ", found " + std::to_string(bias));
    }
  }
}

// SplitMix64 (Steele, Lea, Flood 2014): every seed gives a good sequence.
double Sampler::NextUniform() {
  uint64_t z = (random_state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

void Sampler::Adjust(std::span<const float> logits, std::span<const int32_t> seen) {
  std::copy(logits.begin(), logits.end(), adjusted_.begin());
  for (float logit : adjusted_) {
    if (std::isnan(logit))
      throw Error(ErrorKind::kInternal, "the model gave logits that are no numbers");
  }
  if (settings_.repetition_penalty != 1) PenalizeRepetition(seen);
  PenalizePresence(seen.subspan(std::min(prompt_tokens_, seen.size())));
  for (const auto& [id, bias] : settings_.logit_bias) {
    adjusted_[static_cast<size_t>(id)] += static_cast<float>(bias);
  }
  for (int32_t id : banned_) adjusted_[static_cast<size_t>(id)] = kNever;
  if (constraint_ != nullptr) constraint_->Allowed().Apply(adjusted_);
}

void Sampler::PenalizeRepetition(std::span<const int32_t> seen) {
  const float penalty = static_cast<float>(settings_.repetition_penalty);
  if (settings_.repetition_window >= 0) {
    seen = seen.last(std::min(seen.size(), static_cast<size_t>(settings_.repetition_window)));
  }
  for (int32_t id : seen) {
    if (penalized_[static_cast<size_t>(id)]) continue;
    penalized_[static_cast<size_t>(id)] = true;
    float& logit = adjusted_[static_cast<size_t>(id)];
    logit = logit < 0 ? logit * penalty : logit / penalty;
  }
  for (int32_t id : seen) penalized_[static_cast<size_t>(id)] = false;
}

void Sampler::PenalizePresence(std::span<const int32_t> answer) {
  const float presence = static_cast<float>(settings_.presence_penalty);
  const float frequency = static_cast<float>(settings_.frequency_penalty);
  if (presence == 0 && frequency == 0) return;
  for (int32_t id : answer) {
    float& logit = adjusted_[static_cast<size_t>(id)];
    logit -= frequency;
    if (!penalized_[static_cast<size_t>(id)]) logit -= presence;
    penalized_[static_cast<size_t>(id)] = true;
  }
  for (int32_t id : answer) penalized_[static_cast<size_t>(id)] = false;
}

int32_t Sampler::Likeliest() const {
  const auto best = std::max_element(adjusted_.begin(), adjusted_.end());
  if (*best == kNever) {
    throw Error(ErrorKind::kRequest, "every token is banned: there is nothing left to choose from");
  }
  return static_cast<int32_t>(best - adjusted_.begin());
}

// The top_k likeliest, or all, sorted.
void Sampler::GatherCandidates() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return Better(a.logit, a.id, b.logit, b.id);
  };
  const size_t most = settings_.top_k > 0 ? static_cast<size_t>(settings_.top_k) : SIZE_MAX;
  candidates_.clear();
  for (size_t id = 0; id < adjusted_.size(); ++id) {
    if (adjusted_[id] == kNever) continue;
    const Candidate candidate{adjusted_[id], static_cast<int32_t>(id)};
    if (candidates_.size() < most) {
      candidates_.push_back(candidate);
      // A heap once it is full: the least likely in front, which few of the others surpass.
      if (candidates_.size() == most) {
        std::make_heap(candidates_.begin(), candidates_.end(), better);
      }
    } else if (better(candidate, candidates_.front())) {
      std::pop_heap(candidates_.begin(), candidates_.end(), better);
      candidates_.back() = candidate;
      std::push_heap(candidates_.begin(), candidates_.end(), better);
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

// candidates_ are sorted; keeps the smallest number of them that holds top_p, at least one.
size_t Sampler::KeepTopP(size_t count) {
  double total = 0;
  for (size_t i = 0; i < count; ++i) total += probabilities_[i];
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += probabilities_[i];
    if (sum >= settings_.top_p * total) return i + 1;
  }
  return count;
}

// The fewest of them that hold typical_p, those first whose information is nearest to what is to be
// expected (Meister et al. 2023); they keep their order.
size_t Sampler::KeepTypical(size_t count) {
  double total = 0, entropy = 0;
  for (size_t i = 0; i < count; ++i) total += probabilities_[i];
  for (size_t i = 0; i < count; ++i) {
    const double p = probabilities_[i] / total;
    if (p > 0) entropy -= p * std::log(p);
  }
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < count; ++i) {
    order.push_back({std::abs(-std::log(probabilities_[i] / total) - entropy), i});
  }
  std::sort(order.begin(), order.end());
  std::vector<bool> kept(count);
  double sum = 0;
  for (const auto& [distance, i] : order) {
    kept[i] = true;
    sum += probabilities_[i];
    if (sum >= settings_.typical_p * total) break;
  }
  size_t next = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!kept[i]) continue;
    candidates_[next] = candidates_[i];
    probabilities_[next++] = probabilities_[i];
  }
  return next;
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> seen) {
  Adjust(logits, seen);
  const int32_t likeliest = Likeliest();
  if (settings_.temperature <= 0) return likeliest;
  GatherCandidates();
  size_t count = candidates_.size();
  probabilities_.clear();
  const double largest = candidates_[0].logit;
  for (size_t i = 0; i < count; ++i) {
    probabilities_.push_back(std::exp((candidates_[i].logit - largest) / settings_.temperature));
  }
  if (settings_.top_p < 1) count = KeepTopP(count);
  while (count > 1 && probabilities_[count - 1] < settings_.min_p * probabilities_[0]) --count;
  if (settings_.typical_p < 1) count = KeepTypical(count);
  double total = 0;
  for (size_t i = 0; i < count; ++i) total += probabilities_[i];
  double draw = NextUniform() * total;
  for (size_t i = 0; i < count; ++i) {
    draw -= probabilities_[i];
    if (draw < 0) return candidates_[i].id;
  }
  return candidates_[0].id;  // rounding left nothing for the last one
}

TokenLogprob Sampler::Logprob(std::span<const float> logits, int32_t id, int count) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float logit : logits) total += std::exp(logit - largest);
  const double log_total = largest + std::log(total);
  TokenLogprob result{id, logits[static_cast<size_t>(id)] - log_total, {}};
  if (count <= 0) return result;
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const size_t wanted = std::min(order.size(), static_cast<size_t>(count));
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(wanted), order.end(),
                    [&](int32_t a, int32_t b) {
                      return Better(logits[static_cast<size_t>(a)], a,
                                    logits[static_cast<size_t>(b)], b);
                    });
  for (size_t i = 0; i < wanted; ++i) {
    result.likeliest.emplace_back(order[i], logits[static_cast<size_t>(order[i])] - log_total);
  }
  return result;
}

}  // namespace gemma3n
