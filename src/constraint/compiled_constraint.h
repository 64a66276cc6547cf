// SPDX-License-Identifier: Apache-2.0
// A Constraint as its answers use it: the automaton, and the masks that answers have found.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "constraint/automaton.h"
#include "constraint/token_trie.h"
#include "gemma3n/constraint.h"

namespace gemma3n {

// Masks by the places they are of, for any number of threads. The oldest go first.
class MaskStore {
 public:
  // 16 masks of 262,144 tokens; those of few tokens are small.
  static constexpr size_t kMostBytes = 512 << 10;

  std::shared_ptr<const TokenMask> Find(const std::string& place) const;
  void Add(const std::string& place, std::shared_ptr<const TokenMask> mask);
  size_t Bytes() const;

 private:
  static size_t Cost(const std::string& place, const TokenMask& mask) {
    return 2 * place.size() + mask.Bytes() + 256;
  }
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const TokenMask>, SeededHash> masks_;
  std::list<std::string> order_;
  size_t bytes_ = 0;
};

class CompiledConstraint : public Constraint {
 public:
  explicit CompiledConstraint(Automaton automaton) : automaton_(std::move(automaton)) {}

  const Automaton& automaton() const { return automaton_; }
  MaskStore& masks() const { return masks_; }
  size_t Bytes() const override { return sizeof(*this) + automaton_.Bytes() + masks_.Bytes(); }

 private:
  const Automaton automaton_;
  mutable MaskStore masks_;
};

}  // namespace gemma3n
