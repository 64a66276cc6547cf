// SPDX-License-Identifier: Apache-2.0
// What sessions have computed, for others that need the same: a conversation that another session
// goes on with, a system prompt, a picture or a clip that many requests share. What is found is
// taken, not computed again, and answers are the same to the last bit.
//
//   auto cache = PrefixCache::New();
//   session->Share(cache, "alice");  // and others
#pragma once

#include <cstdint>
#include <memory>

namespace gemma3n {

struct PrefixCacheOptions {
  // Keys and values of prompts and answers; what was used longest ago makes room. -1: 1 GiB, or a
  // quarter of the memory that is free, where that is less; 0: none.
  int64_t most_bytes = -1;
  int64_t most_media_bytes = 256 << 20;  // soft tokens of pictures and clips
};

struct PrefixCacheCounts {
  int64_t bytes = 0, media_bytes = 0;
  int64_t positions = 0, media = 0;  // that are kept
};

// Of sessions of one engine, which use it while they work: not safe to use from two threads at
// once. It may go before they do.
class PrefixCache {
 public:
  static std::shared_ptr<PrefixCache> New(const PrefixCacheOptions& options = {});
  virtual ~PrefixCache() = default;

  virtual PrefixCacheCounts counts() const = 0;
  // Gives everything back. What sessions hold themselves stays theirs.
  virtual void Clear() = 0;
};

}  // namespace gemma3n
