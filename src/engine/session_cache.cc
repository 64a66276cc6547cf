// SPDX-License-Identifier: Apache-2.0
// What a session takes from the cache that it shares with others, and leaves there.
#include <algorithm>

#include "engine/session.h"

namespace gemma3n {

void SessionOfModel::Share(std::shared_ptr<PrefixCache> cache, const std::string& owner) {
  CheckUnused();
  auto shared = std::dynamic_pointer_cast<PrefixCacheOfEngine>(std::move(cache));
  if (shared != nullptr) shared->BelongTo(engine_);
  if (owner != owner_) {
    rereading_.reset();
    ForgetAll();
  }
  cache_ = std::move(shared);
  owner_ = owner;
  media_.Share(cache_, owner_);
}

void SessionOfModel::TakeShared(const Request& request) {
  // The plan of an elastic answer counts with what was here before.
  if (!CanShare() || request.elastic || TellsOfPrompt(request.options)) return;
  // The last position is computed in any case.
  const std::span<const PromptPosition> prompt(request.positions);
  const size_t held = cache_->CountHeld(Reader(), prompt.first(prompt.size() - 1));
  if (held <= done_.size()) return;
  cache_->Load(Reader(), prompt.first(held), state_);
  done_.insert(done_.end(), prompt.begin() + static_cast<std::ptrdiff_t>(done_.size()),
               prompt.begin() + static_cast<std::ptrdiff_t>(held));
}

void SessionOfModel::KeepShared(bool whole_pieces) {
  if (CanShare()) cache_->Keep(Reader(), done_, state_, whole_pieces);
}

bool SessionOfModel::ShouldWaitFor(const Request& request, const SessionOfModel& other,
                                   const Request& earlier) const {
  if (cache_ == nullptr || request.encoded || TellsOfPrompt(request.options)) return false;
  if (other.cache_ != cache_ || other.owner_ != owner_) return false;
  const auto& ours = request.positions;
  const auto& theirs = earlier.positions;
  for (const Medium& medium : request.prompt.media) {
    const auto& media = earlier.prompt.media;
    const bool both = std::any_of(media.begin(), media.end(),
                                  [&](const Medium& one) { return one.key == medium.key; });
    if (both && !media_.Has(medium.key)) return true;
  }
  const size_t common = static_cast<size_t>(
      std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end()).first - ours.begin());
  constexpr size_t kMuch = PrefixCacheOfEngine::kPiece / 2;
  if (common < kMuch) return false;
  const SubmodelShape shape =
      model_.ShapeOf(request.options.size ? *request.options.size : model_.size);
  const PrefixCacheOfEngine::Reader reader{owner_, shape, model_.config.text};
  const size_t held =
      std::max(cache_->CountHeld(reader, ours), CountCommon(request.prompt, ours.size()));
  return common >= held + kMuch;
}

int64_t SessionOfModel::PositionsLeft(const Request& request) const {
  // What a picture's or clip's encoder takes, in positions of a prompt.
  constexpr int64_t kOfMedium = 400;
  const int64_t total = static_cast<int64_t>(request.positions.size());
  if (request.encoded) return total - static_cast<int64_t>(done_.size());
  int64_t left =
      total - static_cast<int64_t>(CountCommon(request.prompt, request.positions.size()));
  for (const Medium& medium : request.prompt.media) left += media_.Has(medium.key) ? 0 : kOfMedium;
  return left;
}

}  // namespace gemma3n
