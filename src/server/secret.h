// SPDX-License-Identifier: Apache-2.0
// Secrets: made at random, and compared in a time that tells nothing of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::server {

// 128 random bits, as 32 hex digits.
std::string RandomSecret();

// Takes as long for one that differs in its first byte as for one that differs in its last.
bool SameSecret(std::string_view secret, std::string_view given);

// Secrets that were given out for a while, and to whom. The caller locks.
class GivenSecrets {
 public:
  using Clock = std::chrono::steady_clock;
  // Of more than `most`, the one that ends first goes.
  explicit GivenSecrets(size_t most) : most_(most) {}

  // The secret: `prefix` and 32 hex digits.
  std::string Give(const std::string& prefix, const std::string& owner, Clock::duration life);
  std::optional<std::string> OwnerOf(std::string_view given) const;
  void Forget(std::string_view given);

 private:
  struct Secret {
    std::string text, owner;
    Clock::time_point end;
  };
  const size_t most_;
  std::vector<Secret> secrets_;
};

}  // namespace gemma3n::server
