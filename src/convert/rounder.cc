// SPDX-License-Identifier: Apache-2.0
#include "convert/rounder.h"

#include <algorithm>

#include "convert/rounding.h"
#include "ops/gather.h"

namespace gemma3n {
namespace {

constexpr int64_t kFloatsAtOnce = 4 << 20;   // widened at a time
constexpr int64_t kMomentBytes = 900 << 20;  // of inputs' moments held at a time

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// [channels, taps] -> [taps, channels].
void PutChannelsLast(int64_t taps, std::span<float> row) {
  const std::vector<float> stored(row.begin(), row.end());
  const int64_t channels = static_cast<int64_t>(row.size()) / taps;
  for (int64_t channel = 0; channel < channels; ++channel) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      row[tap * channels + channel] = stored[channel * taps + tap];
    }
  }
}

// The step that a row of what is written belongs to.
int64_t StepOf(const Plan& plan, int64_t row) {
  return row / (plan.piece.shape[0] / plan.steps);
}

}  // namespace

PlannedInputs::PlannedInputs(const CalibrationText& text, const std::vector<Plan>& plans,
                             bool feedback)
    : pool_(text.pool), wants_feedback_(feedback) {
  for (const Plan& plan : plans) {
    if (!plan.is_packed()) continue;
    const std::optional<InputKey> key = InputOf(plan.name, text.weights.config);
    if (!key) continue;
    const bool has_head = text.weights.lm_head.data != text.weights.embedding.embed_tokens.data;
    if (has_head && EndsWith(plan.name, "embed_tokens.weight")) continue;  // nothing multiplies it
    places_[plan.name] = order_.size();
    order_.push_back(*key);
  }
  collector_.emplace(text, order_, kMomentBytes);
}

bool PlannedInputs::Prepare(const std::string& tensor, const ProgressCallback& on_progress) {
  const auto place = places_.find(tensor);
  if (place == places_.end()) {
    current_.reset();
    return true;
  }
  const InputKey& key = order_[place->second];
  if (current_ == key) return true;  // as of the matrix before
  current_.reset();
  const Moments* moments = collector_->Find(place->second, on_progress);
  if (moments == nullptr) return false;
  if (wants_feedback_) {
    feedback_.reset();  // two at once would take twice the memory
    // The token table is read as the head and, row by row, as the embedding, where every error
    // counts alike.
    feedback_.emplace(*moments, EndsWith(tensor, "embed_tokens.weight") ? 1.0f : 0.01f, pool_);
  } else {
    importance_ = moments->Diagonal();
  }
  current_ = key;
  return true;
}

bool Rounder::Round(const Plan& plan, const PlannedInputs* inputs, const Put& put) {
  const DType dtype = plan.piece.dtype;
  const int64_t rows = plan.piece.shape[0], columns = plan.piece.shape[1];
  const Feedback* feedback = inputs != nullptr ? inputs->feedback() : nullptr;
  // What flows in weighs columns; of a transposed matrix it would weigh whole rows.
  const float* importance = inputs != nullptr && !plan.transposed ? inputs->importance() : nullptr;
  const int64_t unit = packed::IsTiled(dtype) ? packed::kTileRows : 1;
  const int64_t unit_bytes = packed::UnitBytes(dtype, columns);
  // Neurons make up for each other within a block of the feedback.
  const int64_t together = plan.transposed && feedback != nullptr ? feedback->block() : unit;
  const int64_t at_once = std::max(int64_t{1}, kFloatsAtOnce / columns / together) * together;
  const int64_t step_rows = rows / plan.steps;
  for (int64_t begin = 0, count = 0; begin < rows; begin += count) {
    count = std::min({at_once, rows - begin, step_rows - begin % step_rows});
    bytes_.resize((count + unit - 1) / unit * unit_bytes);
    floats_.resize(count * columns);
    Widen(plan, begin, count);
    if (feedback == nullptr) {
      const int64_t first_column = StepOf(plan, begin) * columns;
      RoundAlone(plan, importance != nullptr ? importance + first_column : nullptr, count);
    } else if (plan.transposed) {
      RoundNeurons({dtype, begin, count, columns, floats_.data()}, *feedback, pool_, bytes_.data());
    } else {
      const int64_t first_column = StepOf(plan, begin) * columns;
      RoundRows({dtype, count, columns, floats_.data(), first_column}, *feedback, pool_,
                bytes_.data());
    }
    if (!put(bytes_)) return false;
  }
  return true;
}

// `count` rows, each without regard to the others.
void Rounder::RoundAlone(const Plan& plan, const float* importance, int64_t count) {
  const DType dtype = plan.piece.dtype;
  const int64_t columns = plan.piece.shape[1];
  const int64_t unit = packed::IsTiled(dtype) ? packed::kTileRows : 1;
  const int64_t unit_bytes = packed::UnitBytes(dtype, columns);
  pool_.ParallelFor((count + unit - 1) / unit, [&](size_t i) {
    const int64_t first = static_cast<int64_t>(i) * unit;
    RoundUnit({dtype, std::min(unit, count - first), columns, floats_.data() + first * columns,
               importance},
              bytes_.data() + static_cast<int64_t>(i) * unit_bytes);
  });
}

// Rows [begin, begin + count) of what is written, as floats.
void Rounder::Widen(const Plan& plan, int64_t begin, int64_t count) {
  const int64_t columns = plan.piece.shape[1];
  if (!plan.transposed) {
    pool_.ParallelFor(count, [&](size_t i) {
      const int64_t row = static_cast<int64_t>(i);
      const std::span<float> out(floats_.data() + row * columns, static_cast<size_t>(columns));
      const int64_t source_row = (begin + row) % (plan.piece.shape[0] / plan.steps);
      const int64_t source_column = StepOf(plan, begin) * columns;
      ops::GatherRow(plan.source, {.row = source_row, .begin = source_column}, out);
      if (plan.taps > 1) PutChannelsLast(plan.taps, out);
    });
    return;
  }
  pool_.ParallelFor(columns, [&](size_t i) {
    const int64_t column = static_cast<int64_t>(i);
    thread_local std::vector<float> part;
    part.resize(count);
    ops::GatherRow(plan.source, {.row = column, .begin = begin}, part);
    for (int64_t row = 0; row < count; ++row) floats_[row * columns + column] = part[row];
  });
}

}  // namespace gemma3n
