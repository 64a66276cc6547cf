// SPDX-License-Identifier: Apache-2.0
#include "convert/sensitivity.h"

#include <algorithm>
#include <map>

#include "convert/plan.h"
#include "convert/rounder.h"
#include "gemma3n/error.h"
#include "model/decoder.h"
#include "model/logits.h"

namespace gemma3n {
namespace {

constexpr int64_t kMostPositions = 4096;    // read for each matrix
constexpr int64_t kLogitBytes = 256 << 20;  // of the reference's logits, which are held
constexpr size_t kChunk = 128;              // positions whose logits are held at a time

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Where the decoder finds a matrix; the token table may be the head as well. Empty for what is no
// matrix of a layer, table or head.
std::vector<TensorView*> PlacesOf(const std::string& tensor, DecoderWeights& weights) {
  if (EndsWith(tensor, "embed_tokens.weight")) {
    std::vector<TensorView*> places = {&weights.embedding.embed_tokens};
    if (weights.lm_head.data == places[0]->data) places.push_back(&weights.lm_head);
    return places;
  }
  if (EndsWith(tensor, "lm_head.weight")) return {&weights.lm_head};
  const int layer = LayerOf(tensor);
  if (layer < 0) return {};
  LayerWeights& found = weights.layers[layer];
  FeedForwardWeights& mlp = found.feed_forward;
  if (EndsWith(tensor, "q_proj.weight")) return {&found.attention.q_proj};
  if (EndsWith(tensor, "o_proj.weight")) return {&found.attention.o_proj};
  if (EndsWith(tensor, "mlp.gate_proj.weight")) return {&mlp.gate_proj};
  if (EndsWith(tensor, "mlp.up_proj.weight")) return {mlp.sparse ? &mlp.up_rows : &mlp.up_proj};
  if (EndsWith(tensor, "mlp.down_proj.weight")) {
    return {mlp.sparse ? &mlp.down_rows : &mlp.down_proj};
  }
  return {};
}

// The text that is read for every matrix, and what the model as it is stored says of it.
class Yardstick {
 public:
  Yardstick(const CalibrationText& text) : text_(text), vocab_(text.weights.lm_head.shape[0]) {
    // Sequences evenly from the whole, so many that limits hold; of a single long one its begin.
    const int64_t step = std::max<int64_t>(1, text.positions() / kMostPositions);
    const int64_t most = kLogitBytes / (vocab_ * static_cast<int64_t>(sizeof(float)));
    int64_t read = 0, scored = 0;
    for (size_t i = 0; i < text.sequences.size(); i += static_cast<size_t>(step)) {
      CalibrationSequence sequence = text.sequences[i];
      const int64_t room = std::min(kMostPositions - read,
                                    most - scored + static_cast<int64_t>(sequence.first_target));
      if (room <= static_cast<int64_t>(sequence.first_target)) break;
      if (static_cast<int64_t>(sequence.inputs.size()) > room) sequence.inputs.resize(room);
      read += static_cast<int64_t>(sequence.inputs.size());
      scored += static_cast<int64_t>(sequence.inputs.size() - sequence.first_target);
      sequences_.push_back(std::move(sequence));
    }
    if (sequences_.empty()) {
      throw Error(ErrorKind::kUsage, "calibration: expected shorter prompts to choose bits by");
    }
  }

  void KeepReference() {
    ForEachPiece(text_.weights, [&](std::span<const float> logits) {
      reference_.insert(reference_.end(), logits.begin(), logits.end());
    });
  }

  // The mean divergence of the model with these weights.
  double Measure(const DecoderWeights& weights) {
    std::vector<double> divergences;
    const size_t width = static_cast<size_t>(vocab_);
    ForEachPiece(weights, [&](std::span<const float> logits) {
      const size_t first = divergences.size(), count = logits.size() / width;
      divergences.resize(first + count);
      text_.pool.ParallelFor(count, [&](size_t i) {
        divergences[first + i] =
            Divergence(std::span(reference_).subspan((first + i) * width, width),
                       logits.subspan(i * width, width));
      });
    });
    double sum = 0;
    for (double divergence : divergences) sum += divergence;
    return sum / static_cast<double>(divergences.size());
  }

 private:
  // Logits of the positions before targets, piece by piece.
  template <class Fn>
  void ForEachPiece(const DecoderWeights& weights, const Fn& fn) {
    Decoder decoder(weights, text_.pool);
    std::vector<float> logits(kChunk * static_cast<size_t>(vocab_));
    for (const CalibrationSequence& sequence : sequences_) {
      const std::span<const DecoderInput> inputs(sequence.inputs);
      DecoderState state(weights.config, {.context_length = static_cast<int64_t>(inputs.size())});
      const size_t before = sequence.first_target - 1;
      if (before > 0) decoder.Prefill(state, inputs.first(before), LogitsWanted::kNone, {});
      for (size_t from = before; from + 1 < inputs.size(); from += kChunk) {
        const size_t count = std::min(kChunk, inputs.size() - 1 - from);
        const std::span<float> piece = std::span(logits).first(count * static_cast<size_t>(vocab_));
        decoder.Prefill(state, inputs.subspan(from, count), LogitsWanted::kAll, piece);
        fn(piece);
      }
    }
  }

  const CalibrationText& text_;
  int64_t vocab_;
  std::vector<CalibrationSequence> sequences_;
  std::vector<float> reference_;
};

// A matrix that may take 4 or 8 bits.
struct Candidate {
  const Plan* four;
  const Plan* eight;
  double divergence = 0;  // with 4 bits
  uint64_t more() const { return eight->piece.bytes - four->piece.bytes; }
};

// The decoder's weights with one matrix quantized.
class Exchange {
 public:
  Exchange(const CalibrationText& text, const std::vector<Plan>& eight)
      : weights_(text.weights), eight_(eight), rounder_(text.pool) {}

  // Valid until the next call.
  const DecoderWeights& With(const Plan& plan, const DecoderWeights& stored) {
    weights_ = stored;
    Put(plan, bytes_);
    // A sparse layer in single rows has both matrices so: the other one takes 8 bits meanwhile.
    if (packed::IsRows(plan.piece.dtype)) {
      const bool up = EndsWith(plan.name, "mlp.up_proj.weight");
      const std::string stem = plan.name.substr(0, plan.name.rfind(up ? "up_proj" : "down_proj"));
      const std::string other = stem + (up ? "down_proj.weight" : "up_proj.weight");
      for (const Plan& partner : eight_) {
        if (partner.name == other) Put(partner, partner_bytes_);
      }
    }
    return weights_;
  }

 private:
  void Put(const Plan& plan, std::vector<std::byte>& bytes) {
    bytes.clear();
    rounder_.Round(plan, nullptr, [&](std::span<const std::byte> piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return true;
    });
    for (TensorView* place : PlacesOf(plan.name, weights_)) {
      *place = {plan.piece.dtype, plan.piece.shape, bytes.data()};
    }
  }

  DecoderWeights weights_;
  const std::vector<Plan>& eight_;
  Rounder rounder_;
  std::vector<std::byte> bytes_, partner_bytes_;
};

// Bits for each weight of the decoder's quantized matrices.
struct Budget {
  double weights = 0, bytes = 0;
  explicit Budget(const std::vector<Plan>& plans) {
    for (const Plan& plan : plans) {
      if (!plan.is_packed() || plan.name.find("_tower.") != std::string::npos) continue;
      weights += static_cast<double>(plan.piece.shape.NumElements());
      bytes += static_cast<double>(plan.piece.bytes);
    }
  }
  double bits() const { return 8 * bytes / weights; }
};

}  // namespace

std::optional<Recipe> ChooseBits(const Checkpoint& checkpoint, const CalibrationText& text,
                                 double bits, const ProgressCallback& on_progress) {
  const std::vector<Plan> four = MakePlans(checkpoint, Recipe::Load("q4"), true);
  const std::vector<Plan> eight = MakePlans(checkpoint, Recipe::Load("q8"), true);
  Budget budget(four);
  if (budget.bits() > bits) {
    throw Error(ErrorKind::kUsage, "bits: expected at least " + std::to_string(budget.bits()) +
                                       ", what q4 takes for this model, found " +
                                       std::to_string(bits));
  }
  DecoderWeights weights = text.weights;
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < four.size(); ++i) {
    if (four[i].piece.dtype == eight[i].piece.dtype) continue;
    if (!PlacesOf(four[i].name, weights).empty()) candidates.push_back({&four[i], &eight[i]});
  }
  Yardstick yardstick(text);
  Exchange exchange(text, eight);
  const int64_t total = static_cast<int64_t>(candidates.size());
  const auto told = [&](int64_t done) {
    return !on_progress || on_progress({"measuring matrices", done, total});
  };
  if (!told(0)) return std::nullopt;
  yardstick.KeepReference();
  for (int64_t i = 0; i < total; ++i) {
    if (!told(i)) return std::nullopt;
    Candidate& candidate = candidates[static_cast<size_t>(i)];
    candidate.divergence = yardstick.Measure(exchange.With(*candidate.four, text.weights));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.divergence / static_cast<double>(a.more()) >
                            b.divergence / static_cast<double>(b.more());
                   });
  std::map<std::string, Bits> chosen;
  for (const Candidate& candidate : candidates) {
    const double with = budget.bytes + static_cast<double>(candidate.more());
    if (8 * with / budget.weights > bits) continue;
    budget.bytes = with;
    chosen[candidate.four->name] = Bits::kEight;
  }
  return Recipe::Of(std::move(chosen));
}

}  // namespace gemma3n
