// SPDX-License-Identifier: Apache-2.0
// What sizes a session answers with, and what becomes of its keys and values when they change.
#include <algorithm>
#include <vector>

#include "engine/session.h"

namespace gemma3n {

void SessionOfModel::CheckSizes(const GenerateOptions& options) const {
  if (options.speculation == Speculation::kOff) return;
  if (options.elastic) {
    throw Error(ErrorKind::kUsage,
                "elastic: not together with speculation, whose drafts are made for one size");
  }
  if (options.size_change == SizeChange::kRereadBehind) {
    throw Error(ErrorKind::kUsage,
                "reading again behind the answer: not together with speculation, whose drafts are "
                "made for one size");
  }
}

SubmodelShape SessionOfModel::DraftShape(const GenerateOptions& options,
                                         const SubmodelShape& answers) const {
  if (!options.draft) return DefaultDraft(model_.weights, answers);
  const SubmodelShape draft = model_.ShapeOf(*options.draft);
  if (!ShareLowerLayers(model_.config.text, answers, draft)) {
    throw Error(ErrorKind::kUsage,
                "draft: expected a size that is like the answer's up to the last layer that writes "
                "keys and values, found '" +
                    options.draft->name + "'");
  }
  return draft;
}

void SessionOfModel::BeginSize(Request& request, const ModelSize& size, size_t prompt_positions) {
  SizeChange change = request.options.size_change;
  // What is read as soon as a piece, or sooner than what is new in the prompt, is read at once.
  const size_t soon =
      std::max(static_cast<size_t>(Rereading::kPiece), prompt_positions - done_.size());
  if (change == SizeChange::kRereadBehind && done_.size() <= soon) change = SizeChange::kReread;
  const bool goes_on = change == SizeChange::kRereadBehind && request.elastic && rereading_;
  if (goes_on && request.elastic->Resume(rereading_->shape())) return;
  std::optional<Elastic::Move> move;
  const SubmodelShape before = decoder_->shape();
  if (request.elastic) {
    const bool holds = !mixed_ || change == SizeChange::kKeepCache;
    move = request.elastic->Begin({.current = before,
                                   .cached = cached_,
                                   .total = static_cast<int64_t>(prompt_positions),
                                   .cached_positions = holds ? state_.position() : 0,
                                   .seconds_per_cost = reading_seconds_per_cost_,
                                   .request = request.begin});
  }
  if (!move) {
    SwitchTo(model_.ShapeOf(size), size.name, change);
    return;
  }
  // A size that was chosen for the first token reads the conversation itself.
  SwitchTo(move->shape, move->report.to,
           change == SizeChange::kRereadBehind ? SizeChange::kReread : change);
  if (move->for_memory) model_.GiveBackOutside(move->shape);
  if (!(move->shape == before)) Report(request, move->report);
}

bool SessionOfModel::HoldsLayersOf(const SubmodelShape& shape) const {
  const TextConfig& config = model_.config.text;
  return done_.empty() || std::all_of(shape.layers.begin(), shape.layers.end(), [&](int layer) {
           return config.kv_source_layer(layer) != layer ||
                  std::binary_search(written_.begin(), written_.end(), layer);
         });
}

void SessionOfModel::ForgetAll() {
  state_.Rewind(0);
  done_.clear();
  mixed_ = false;
}

void SessionOfModel::SwitchTo(const SubmodelShape& shape, const std::string& name,
                              SizeChange change) {
  const TextConfig& config = model_.config.text;
  const bool same = ShareKeysValues(config, cached_, shape);
  const bool being_read = rereading_ && ShareKeysValues(config, rereading_->shape(), shape);
  if (!being_read) rereading_.reset();
  // Nothing can be kept of a layer that was left out: what stands there is of other positions.
  if (change == SizeChange::kKeepCache && HoldsLayersOf(shape)) {
    mixed_ = !done_.empty() && (mixed_ || !same);
  } else if (mixed_ || !same) {
    if (change == SizeChange::kRereadBehind) {
      takes_over_ = {0, size_name_, name, "the conversation was read again", 0};
      if (being_read) {
        rereading_->Become(shape, name);
        return;
      }
      rereading_.emplace(
          config, DecoderState::Options{.context_length = context(), .kv_type = model_.kv_type},
          shape, name);
      return;
    }
    if (being_read) {
      // What was read behind the last answer need not be read again.
      done_.resize(static_cast<size_t>(rereading_->position()));
      state_ = std::move(*rereading_).TakeState();
      mixed_ = false;
    } else {
      ForgetAll();
    }
  }
  rereading_.reset();
  if (mixed_) {
    std::erase_if(written_, [&](int layer) {
      return !std::binary_search(shape.layers.begin(), shape.layers.end(), layer);
    });
  } else {
    written_ = shape.layers;
  }
  cached_ = shape;
  size_name_ = name;
  decoder_->SetShape(shape);
}

void SessionOfModel::Report(Request& request, const SizeSwitch& change) {
  request.result.size_switches.push_back(change);
  if (request.options.on_size_switch) request.options.on_size_switch(change);
}

bool SessionOfModel::ChangeSizeOfReading(Request& request, size_t read, double seconds,
                                         size_t left) {
  if (!request.elastic) return false;
  const auto move =
      request.elastic->AfterChunk(static_cast<int64_t>(read), seconds, static_cast<int64_t>(left));
  const bool telling = read >= static_cast<size_t>(FirstToken::kTelling);
  if (telling && request.elastic->seconds_per_cost() > 0) {
    reading_seconds_per_cost_ = request.elastic->seconds_per_cost();
  }
  if (!move) return false;
  const bool keeps = request.options.size_change == SizeChange::kKeepCache;
  SwitchTo(move->shape, move->report.to, keeps ? SizeChange::kKeepCache : SizeChange::kReread);
  if (move->for_memory) model_.GiveBackOutside(move->shape);
  Report(request, move->report);
  return true;
}

void SessionOfModel::ChangeSize(Request& request, double seconds) {
  if (rereading_) return ReadAgain(request);
  if (!request.elastic) return;
  const auto move = request.elastic->Next(request.result.timings.decode_tokens - 1, seconds);
  if (!move) return;
  const SizeChange change = request.options.size_change;
  try {
    SwitchTo(move->shape, move->report.to, change);
  } catch (const Error& error) {
    // No memory for a second set of keys and values is no reason to end an answer.
    if (error.kind() != ErrorKind::kResources) throw;
    request.elastic.reset();
    return;
  }
  if (rereading_) {
    takes_over_ = move->report;
    return;
  }
  if (move->for_memory) model_.GiveBackOutside(move->shape);
  Report(request, move->report);
}

void SessionOfModel::ReadAgain(Request& request) {
  const size_t from = static_cast<size_t>(rereading_->position());
  const size_t end = std::min(done_.size(), from + static_cast<size_t>(Rereading::kPiece));
  std::vector<DecoderInput> inputs;
  for (size_t i = from; i < end; ++i) {
    const PromptPosition& done = done_[i];
    const bool soft = done.is_soft();
    inputs.push_back(
        {.id = done.id, .soft_token = soft ? media_.SoftToken(done.medium, done.row) : nullptr});
  }
  rereading_->Read(*decoder_, inputs);
  request.result.timings.reread_tokens += static_cast<int64_t>(inputs.size());
  if (end < done_.size()) return;
  state_ = std::move(*rereading_).TakeState();
  mixed_ = false;
  cached_ = rereading_->shape();
  written_ = cached_.layers;
  size_name_ = rereading_->name();
  decoder_->SetShape(cached_);
  rereading_.reset();
  takes_over_.token = request.result.timings.decode_tokens;
  Report(request, takes_over_);
}

}  // namespace gemma3n
