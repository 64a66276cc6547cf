// SPDX-License-Identifier: Apache-2.0
#include "engine/elastic.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/ladder.h"
#include "engine/memory.h"
#include "engine/peak_memory.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int64_t kLookAtMemoryEvery = 16;  // tokens

void CheckWishes(const ElasticOptions& options) {
  for (double wish : {options.tokens_per_second, options.watts, options.first_token_seconds,
                      static_cast<double>(options.memory_bytes)}) {
    if (wish >= 0 && std::isfinite(wish)) continue;
    throw Error(
        ErrorKind::kUsage,
        "elastic: expected a number of tokens/s, watts, seconds or bytes from 0 on, found " +
            std::to_string(wish));
  }
}

std::vector<double> CostsOfReading(const LoadedModel& model,
                                   const std::vector<SubmodelShape>& shapes) {
  std::vector<double> costs;
  for (const SubmodelShape& shape : shapes) {
    costs.push_back(static_cast<double>(PromptMultiplyAdds(model.config.text, shape)));
  }
  return costs;
}

std::vector<SubmodelShape> ShapesOf(const LoadedModel& model, const std::vector<ModelSize>& rungs) {
  std::vector<SubmodelShape> shapes;
  for (const ModelSize& rung : rungs) shapes.push_back(model.ShapeOf(rung));
  return shapes;
}

// Whether one can at all go on with the keys and values of the other: each of its layers that has
// some was computed.
bool SameKeyValueLayers(const TextConfig& config, const SubmodelShape& a, const SubmodelShape& b) {
  const auto writers = [&](const SubmodelShape& shape) {
    std::vector<int> layers;
    for (int layer : shape.layers) {
      if (config.kv_source_layer(layer) == layer) layers.push_back(layer);
    }
    return layers;
  };
  return writers(a) == writers(b);
}

std::string Text(const char* format, double a, double b) {
  char text[96];
  std::snprintf(text, sizeof(text), format, a, b);
  return text;
}

}  // namespace

Elastic::Elastic(const LoadedModel& model, const GenerateOptions& options)
    : model_(model),
      options_(*options.elastic),
      change_(options.size_change),
      rungs_(RungsFrom(model, options.size ? *options.size : model.size, options_.ladder)),
      shapes_(ShapesOf(model, rungs_)),
      first_token_(options_.first_token_seconds, CostsOfReading(model, shapes_), 0) {
  CheckWishes(options_);
  if (options_.memory_bytes > 0 && model.resident) {
    throw Error(ErrorKind::kUsage, "elastic: no wish for memory while weights are held resident");
  }
  // What a token reads, and so about costs.
  for (const SubmodelShape& shape : shapes_) {
    costs_.push_back(static_cast<double>(WeightBytesPerStep(model.weights, shape)));
  }
}

double Elastic::SecondsSinceRequest() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - reading_.request).count();
}

// Of each rung, if it began now: all that is not in the cache, or all where the cache is another
// size's.
std::vector<int64_t> Elastic::PositionsToRead() const {
  std::vector<int64_t> positions;
  for (const SubmodelShape& shape : shapes_) {
    const bool holds = change_ == SizeChange::kKeepCache ||
                       ShareKeysValues(model_.config.text, shape, reading_.cached);
    positions.push_back(reading_.total - (holds ? reading_.cached_positions : 0));
  }
  return positions;
}

// The best rung whose weights fit beside what this process has taken otherwise.
int Elastic::RungForMemory() const {
  if (options_.memory_bytes <= 0) return 0;
  // Matrices of GGUF files that were brought into another form are weights, too.
  const int64_t taken = ReadProcessStatus("/proc/self/status").anonymous_bytes -
                        static_cast<int64_t>(model_.checkpoint->ConvertedBytes());
  const double left = static_cast<double>(options_.memory_bytes - taken);
  const int last = static_cast<int>(costs_.size()) - 1;
  int rung = 0;
  while (rung < last && costs_[static_cast<size_t>(rung)] > left) ++rung;
  return rung;
}

Elastic::Move Elastic::MoveTo(int rung, int64_t token, double tokens_per_second, std::string why,
                              bool for_memory) {
  const size_t from = static_cast<size_t>(rung_), to = static_cast<size_t>(rung);
  rung_ = rung;
  return {shapes_[to],
          {token, rungs_[from].name, rungs_[to].name, std::move(why), tokens_per_second},
          for_memory};
}

std::optional<Elastic::Move> Elastic::Begin(const Reading& reading) {
  reading_ = reading;
  first_token_ = FirstToken(options_.first_token_seconds, CostsOfReading(model_, shapes_),
                            reading.seconds_per_cost);
  const int for_memory = RungForMemory();
  int in_time = 0;
  if (options_.first_token_seconds > 0) {
    in_time = first_token_.Begin(SecondsSinceRequest(), PositionsToRead());
  }
  int stays = 0;
  if (change_ == SizeChange::kRereadBehind && reading.cached_positions > 0 &&
      !ShareKeysValues(model_.config.text, shapes_[0], reading.cached)) {
    const auto here = std::find(shapes_.begin(), shapes_.end(), reading.current);
    if (here != shapes_.end()) stays = static_cast<int>(here - shapes_.begin());
  }
  const int rung = std::max({for_memory, in_time, stays});
  if (rung == 0) return std::nullopt;
  std::string why = "where the conversation stood";
  if (rung == for_memory) {
    why = BytesAsText(options_.memory_bytes) + " of memory wanted";
  } else if (rung == in_time) {
    why = Text("the first token in %.2f s wanted", options_.first_token_seconds, 0);
  }
  return MoveTo(rung, 0, 0, why, for_memory > 0);
}

bool Elastic::Resume(const SubmodelShape& shape) {
  const auto found = std::find(shapes_.begin(), shapes_.end(), shape);
  if (found == shapes_.end()) return false;
  rung_ = static_cast<int>(found - shapes_.begin());
  resumed_ = true;
  return true;
}

std::optional<Elastic::Move> Elastic::AfterChunk(int64_t read, double seconds, int64_t left) {
  // An answer on its way to another size does not begin with one of the rungs.
  if (options_.first_token_seconds <= 0 || resumed_) return std::nullopt;
  std::vector<int64_t> positions = PositionsToRead();
  if (change_ == SizeChange::kKeepCache) std::fill(positions.begin(), positions.end(), left);
  const double elapsed = SecondsSinceRequest();
  const auto rung = first_token_.After(rung_, read, seconds, elapsed, left, positions);
  if (!rung) return std::nullopt;
  // The cache is the new size's from here on.
  reading_.cached = shapes_[static_cast<size_t>(*rung)];
  reading_.cached_positions = 0;
  return MoveTo(
      *rung, 0, 0,
      Text("%.2f s gone, the first token in %.2f s wanted", elapsed, options_.first_token_seconds),
      false);
}

void Elastic::BeginAnswer() {
  const TextConfig& config = model_.config.text;
  const SubmodelShape begins = shapes_[static_cast<size_t>(rung_)];
  for (size_t i = shapes_.size(); i-- > 0;) {
    const bool reachable =
        change_ == SizeChange::kReread      ? ShareKeysValues(config, shapes_[i], begins)
        : change_ == SizeChange::kKeepCache ? SameKeyValueLayers(config, shapes_[i], begins)
                                            : true;
    if (reachable) continue;
    const ptrdiff_t at = static_cast<ptrdiff_t>(i);
    rungs_.erase(rungs_.begin() + at);
    shapes_.erase(shapes_.begin() + at);
    costs_.erase(costs_.begin() + at);
    if (at < rung_) --rung_;
  }
  policy_.emplace(ElasticPolicy::Target{options_.tokens_per_second, options_.watts}, costs_, rung_);
}

// Reading again behind the answer makes its tokens slower for a while: that is for moving up only.
int Elastic::SharingRung(int wanted) const {
  const TextConfig& config = model_.config.text;
  const SubmodelShape& here = shapes_[static_cast<size_t>(rung_)];
  for (int rung = wanted; rung < static_cast<int>(shapes_.size()); ++rung) {
    if (ShareKeysValues(config, here, shapes_[static_cast<size_t>(rung)])) return rung;
  }
  for (int rung = wanted; rung > rung_; --rung) {
    if (ShareKeysValues(config, here, shapes_[static_cast<size_t>(rung)])) return rung;
  }
  return rung_;
}

std::optional<Elastic::Move> Elastic::Next(int64_t token, double seconds) {
  const bool begins = !policy_;
  if (begins) BeginAnswer();
  SystemState system;
  if (options_.reacts_to_system || options_.watts > 0) system = watch_.State();
  if (!options_.reacts_to_system) {
    system.memory_short = system.hot = system.battery_low = false;
  }
  if (tokens_++ % kLookAtMemoryEvery == 0) policy_->LimitForMemory(RungForMemory());
  const double speed = begins ? 1 / seconds : policy_->tokens_per_second();
  int after = policy_->Next(seconds, system);
  if (after > rung_ && change_ == SizeChange::kRereadBehind) {
    after = SharingRung(after);
    policy_->StayAt(after);
  }
  if (after == rung_) return std::nullopt;
  const bool for_memory = after > rung_ && (system.memory_short || options_.memory_bytes > 0);
  return MoveTo(after, token + 1, speed, policy_->why(), for_memory);
}

}  // namespace gemma3n
