// SPDX-License-Identifier: Apache-2.0
#include "constraint/constraint_state.h"

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// Of one mask: about two seconds. Plain schemas need some thousands.
constexpr uint64_t kMostWork = 10'000'000;

std::shared_ptr<const CompiledConstraint> Compiled(std::shared_ptr<const Constraint> constraint) {
  auto compiled = std::dynamic_pointer_cast<const CompiledConstraint>(std::move(constraint));
  if (compiled == nullptr) {
    throw Error(ErrorKind::kUsage, "constraint: expected one that Constraint has made");
  }
  return compiled;
}

}  // namespace

ConstraintState::ConstraintState(std::shared_ptr<const Constraint> constraint,
                                 std::shared_ptr<const TokenTrie> tokens)
    : constraint_(Compiled(std::move(constraint))),
      tokens_(std::move(tokens)),
      walker_(constraint_->automaton()),
      place_(walker_.Start()) {}

const TokenMask& ConstraintState::Allowed() {
  if (walker_.Bytes() > Walker::kMostBytes) walker_.Forget({&place_, 1});
  walker_.LimitWork(kMostWork);
  // What is out of a token's reach makes no other mask.
  const Walker::Place far = walker_.Far(place_, tokens_->longest());
  const std::string name = std::to_string(tokens_->number()) + " " + walker_.Name(far);
  mask_ = constraint_->masks().Find(name);
  if (mask_ == nullptr) {
    mask_ = std::make_shared<const TokenMask>(tokens_->Allowed(walker_, far, place_));
    constraint_->masks().Add(name, mask_);
  }
  return *mask_;
}

void ConstraintState::Accept(int32_t id) {
  if (tokens_->IsEnd(id) && MayEnd()) return;
  Walker::Place next = place_;
  for (char byte : tokens_->BytesOf(id)) next = walker_.Step(next, static_cast<uint8_t>(byte));
  if (tokens_->BytesOf(id).empty() || next == Walker::kDead) {
    throw Error(ErrorKind::kInternal, "a token was taken that the constraint does not allow");
  }
  place_ = next;
}

}  // namespace gemma3n
