// SPDX-License-Identifier: Apache-2.0
// The handler may run at any moment on any thread and takes no lock: it walks a list whose nodes
// are only ever added in front, never freed, and used again for later mappings.
#include "checkpoint/mapping_guard.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace gemma3n {
namespace {

constexpr int kExitCode = 3;  // as for every model that is missing or bad

std::mutex mutex;  // of those who add and remove
struct sigaction previous_action;
std::atomic_flag told = ATOMIC_FLAG_INIT;

}  // namespace

struct MappingGuard::Range {
  std::atomic<uintptr_t> begin{0}, end{0};  // both 0 while free
  std::string message;
  Range* next = nullptr;

  static std::atomic<Range*> first;
};

std::atomic<MappingGuard::Range*> MappingGuard::Range::first{nullptr};

void MappingGuard::Handle(int signal, void* info) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(static_cast<siginfo_t*>(info)->si_addr);
  // A SIGBUS that was sent, not met, has a code of 0 or less and no address.
  const bool met = static_cast<siginfo_t*>(info)->si_code > 0;
  for (Range* range = Range::first; met && range != nullptr; range = range->next) {
    if (at < range->begin || at >= range->end) continue;
    // One line, however many threads meet the hole.
    while (told.test_and_set()) pause();
    if (write(STDERR_FILENO, range->message.data(), range->message.size()) < 0) _exit(kExitCode);
    _exit(kExitCode);
  }
  // Not ours: the signal is blocked in here and reaches the former action on return.
  sigaction(signal, &previous_action, nullptr);
  raise(signal);
}

void MappingGuard::Install() {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = [](int signal, siginfo_t* info, void*) { Handle(signal, info); };
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, &previous_action);
    return true;
  }();
  static_cast<void>(installed);
}

MappingGuard::Range& MappingGuard::FreeRange() {
  for (Range* range = Range::first; range != nullptr; range = range->next) {
    if (range->end == 0) return *range;
  }
  Range* range = new Range;
  range->next = Range::first;
  Range::first = range;
  return *range;
}

MappingGuard::MappingGuard(std::span<const std::byte> bytes, const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex);
  Install();
  range_ = &FreeRange();
  range_->message = "gemma3n: model file changed on disk while in use: " + name + "\n";
  range_->begin = reinterpret_cast<uintptr_t>(bytes.data());
  range_->end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
}

MappingGuard::~MappingGuard() {
  const std::lock_guard<std::mutex> lock(mutex);
  range_->begin = 0;
  range_->end = 0;
}

}  // namespace gemma3n
