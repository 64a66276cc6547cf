// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "gemma3n/error.h"
// clang-format off
#include "kernels/highway_targets.h"
#include <hwy/highway.h>
// clang-format on

namespace gemma3n::kernels {
namespace {

struct Isa {
  const char* name;
  int64_t target;
};

// Best first. Highway numbers its targets so that a better one has a lower bit.
constexpr Isa kIsas[] = {{"avx512", HWY_AVX3},
                         {"avx2", HWY_AVX2},
                         {"sse4", HWY_SSE4},
                         {"neon", HWY_NEON},
                         {"scalar", HWY_EMU128 | HWY_SCALAR}};

int64_t Usable() {
  return hwy::SupportedTargets() & HWY_TARGETS;
}

std::atomic<int> changes{0};

// Zero: all that there are.
void Allow(int64_t targets) {
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  changes.fetch_add(1, std::memory_order_release);
}

}  // namespace

std::vector<std::string> AvailableIsas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas) {
    if (Usable() & isa.target) names.push_back(isa.name);
  }
  return names;
}

std::string ActiveIsa() {
  const std::vector<std::string> names = AvailableIsas();
  return names.empty() ? "scalar" : names.front();
}

void ForceIsa(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  std::string choices;
  bool found = false;
  int64_t allowed = 0;
  for (const Isa& isa : kIsas) {
    if (!(Usable() & isa.target)) continue;
    choices += std::string(choices.empty() ? "" : ", ") + isa.name;
    found = found || name == isa.name;
    if (found) allowed |= isa.target;
  }
  if (!found) {
    throw Error(ErrorKind::kUsage,
                "instruction set '" + name + "' is not available here; choose from " + choices);
  }
  Allow(Usable() & allowed);
}

void AllowEveryIsa() {
  Allow(0);
}

bool IsAllowed(const std::string& name) {
  const std::vector<std::string> names = AvailableIsas();
  return std::find(names.begin(), names.end(), name) != names.end();
}

int IsaChanges() {
  return changes.load(std::memory_order_acquire);
}

void ForceIsaFromEnvironment() {
  if (const char* name = std::getenv("GEMMA3N_ISA"); name != nullptr && *name) ForceIsa(name);
}

}  // namespace gemma3n::kernels
