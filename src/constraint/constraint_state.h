// SPDX-License-Identifier: Apache-2.0
// Where one answer stands in its constraint: which tokens can be next, token by token.
#pragma once

#include <memory>
#include <string>

#include "constraint/compiled_constraint.h"
#include "constraint/token_trie.h"
#include "constraint/walker.h"

namespace gemma3n {

// Not for several threads at once.
class ConstraintState {
 public:
  ConstraintState(std::shared_ptr<const Constraint> constraint,
                  std::shared_ptr<const TokenTrie> tokens);

  // The tokens that can be next; ends of an answer are among them where the text may end. Valid
  // until the next call. Throws Error (kRequest) where finding them takes too long.
  const TokenMask& Allowed();
  // The next token, one of those. Throws Error (kInternal) for another one.
  void Accept(int32_t id);

  bool MayEnd() const { return walker_.MayEnd(place_); }
  // The text is complete, and nothing can follow.
  bool MustEnd() const { return walker_.MustEnd(place_); }

 private:
  std::shared_ptr<const CompiledConstraint> constraint_;
  std::shared_ptr<const TokenTrie> tokens_;
  Walker walker_;
  Walker::Place place_;
  std::shared_ptr<const TokenMask> mask_;
};

}  // namespace gemma3n
