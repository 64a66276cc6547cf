// SPDX-License-Identifier: Apache-2.0
// A planned tensor of any stored type -> its packed bytes, piece by piece: memory stays at a few
// pieces of one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "convert/feedback_rounding.h"
#include "convert/moments.h"
#include "convert/plan.h"

namespace gemma3n {

// What calibration says of the input of each matrix, in the order in which they are packed.
class PlannedInputs {
 public:
  // `feedback`: factors of the moments, else the moments of each column alone.
  PlannedInputs(const CalibrationText& text, const std::vector<Plan>& plans, bool feedback);

  // Gets ready what is known of the tensor's input; calls come in the order of the plans. False
  // when the callback cancelled.
  bool Prepare(const std::string& tensor, const ProgressCallback& on_progress);
  // Of the tensor prepared last; null where nothing is known of its input.
  const Feedback* feedback() const { return current_ && wants_feedback_ ? &*feedback_ : nullptr; }
  const float* importance() const {
    return current_ && !wants_feedback_ ? importance_.data() : nullptr;
  }

 private:
  ThreadPool& pool_;
  bool wants_feedback_;
  std::map<std::string, size_t> places_;  // in order_
  std::vector<InputKey> order_;
  std::optional<MomentsCollector> collector_;
  std::optional<InputKey> current_;
  std::optional<Feedback> feedback_;
  std::vector<float> importance_;
};

class Rounder {
 public:
  explicit Rounder(ThreadPool& pool) : pool_(pool) {}

  // Gives the bytes of a packed plan to `put`, until that returns false; returns what it returned
  // last. `inputs` may be null: then every row is rounded on its own.
  using Put = std::function<bool(std::span<const std::byte>)>;
  bool Round(const Plan& plan, const PlannedInputs* inputs, const Put& put);

 private:
  void RoundAlone(const Plan& plan, const float* importance, int64_t count);
  void Widen(const Plan& plan, int64_t begin, int64_t count);

  ThreadPool& pool_;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

}  // namespace gemma3n
