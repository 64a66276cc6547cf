// SPDX-License-Identifier: Apache-2.0
#include "engine/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "gemma3n/error.h"
#include "model/activations.h"
#include "model/decoder.h"

namespace gemma3n {
namespace {

constexpr int64_t kUnknown = -1;
// Version 1 writes "no limit" as the largest number of whole pages.
constexpr int64_t kNoLimit = int64_t{1} << 60;

int64_t Least(int64_t a, int64_t b) {
  return a == kUnknown ? b : b == kUnknown ? a : std::min(a, b);
}

int64_t NumberIn(const std::filesystem::path& path) {
  const int64_t number = NumberInFile(path).value_or(kNoLimit);
  return number < kNoLimit ? number : kUnknown;
}

// The value of a line such as "inactive_file 4096".
int64_t NumberOf(const std::filesystem::path& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  for (int64_t number = 0; file >> word >> number;) {
    if (word == name) return number;
  }
  return 0;
}

// What one group leaves. Page cache, model files among it, is given back when it is needed.
int64_t FreeInGroup(const std::filesystem::path& group, bool second_version) {
  const int64_t limit = NumberIn(group / (second_version ? "memory.max" : "memory.limit_in_bytes"));
  const int64_t used =
      NumberIn(group / (second_version ? "memory.current" : "memory.usage_in_bytes"));
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  const std::string total = second_version ? "" : "total_";
  const int64_t cache = NumberOf(group / "memory.stat", total + "inactive_file") +
                        NumberOf(group / "memory.stat", total + "active_file");
  return std::max<int64_t>(0, limit - used + std::min(cache, used));
}

// In kibibytes in the file, here in bytes.
int64_t FreeInSystem() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lld", &kibibytes) == 1) return kibibytes * 1024;
  }
  return kUnknown;
}

int64_t FreeInAddressSpace() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= static_cast<rlim_t>(kNoLimit)) {
    return kUnknown;
  }
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  if (!(file >> pages)) return kUnknown;
  return std::max<int64_t>(0, static_cast<int64_t>(limit.rlim_cur) - pages * sysconf(_SC_PAGESIZE));
}

int64_t CacheBytes(const TextConfig& config, int64_t context, ops::KeyValueType type) {
  return DecoderState::BytesFor(config, {.context_length = context, .kv_type = type});
}

// The longest round context whose cache fits, 0 for none.
int64_t ContextThatFits(const TextConfig& config, int64_t bytes, ops::KeyValueType type) {
  int64_t fits = 0;
  for (int64_t context = 256; context <= config.max_position_embeddings; context *= 2) {
    if (CacheBytes(config, context, type) <= bytes) fits = context;
  }
  return fits;
}

}  // namespace

int64_t FreeInControlGroups(const ControlGroupPlaces& places) {
  int64_t free = kUnknown;
  VisitControlGroups(places, "memory",
                     [&](const std::filesystem::path& group, bool second_version) {
                       free = Least(free, FreeInGroup(group, second_version));
                     });
  return free;
}

int64_t FreeMemory() {
  return Least(Least(FreeInSystem(), FreeInControlGroups()), FreeInAddressSpace());
}

std::string BytesAsText(int64_t bytes) {
  char text[32];
  const double megabytes = static_cast<double>(bytes) / 1e6;
  if (megabytes >= 1000) {
    std::snprintf(text, sizeof(text), "%.1f GB", megabytes / 1000);
  } else {
    std::snprintf(text, sizeof(text), "%.1f MB", megabytes);
  }
  return text;
}

int64_t ContextOf(const TextConfig& config, int64_t asked) {
  const int64_t most = config.max_position_embeddings;
  if (asked == 0) return most;
  if (asked < 2 || asked > most) {
    throw Error(ErrorKind::kRequest, "context: expected a number in [2, " + std::to_string(most) +
                                         "], found " + std::to_string(asked));
  }
  return asked;
}

void CheckContextFits(const TextConfig& config, int64_t context, ops::KeyValueType type,
                      int64_t promised) {
  const int64_t cache = CacheBytes(config, context, type);
  const int64_t scratch = Activations::BytesFor(config, Decoder::Options{}.max_chunk);
  const int64_t unused = FreeMemory();
  if (unused == kUnknown || cache + scratch <= unused - promised) return;
  const int64_t free = std::max<int64_t>(0, unused - promised);
  std::string message = "not enough memory: a context of " + std::to_string(context) +
                        " tokens needs " + BytesAsText(cache + scratch) + " (" +
                        BytesAsText(cache) + " for its cache) beside the weights, " +
                        BytesAsText(free) + " is free";
  if (promised > 0) message += " (other conversations will take " + BytesAsText(promised) + ")";
  const int64_t shorter = ContextThatFits(config, free - scratch, type);
  if (shorter > 0 && shorter < context) {
    message += "; use a shorter one, such as --ctx " + std::to_string(shorter) + " (" +
               BytesAsText(CacheBytes(config, shorter, type) + scratch) + ")";
  }
  throw Error(ErrorKind::kResources, message);
}

std::string MemoryNote(int64_t weight_bytes, int64_t free) {
  if (free == kUnknown || weight_bytes <= free) return "";
  return "every token reads " + BytesAsText(weight_bytes) + " of weights, " + BytesAsText(free) +
         " of memory is free: what does not stay in memory is read from the disk each time, which "
         "is slow";
}

void CheckFits(const std::string& what, int64_t bytes) {
  const int64_t free = FreeMemory();
  if (free == kUnknown || bytes <= free) return;
  throw Error(ErrorKind::kResources, "not enough memory: " + what + " need " + BytesAsText(bytes) +
                                         ", " + BytesAsText(free) + " is free");
}

}  // namespace gemma3n
