// SPDX-License-Identifier: Apache-2.0
#include "engine/peak_memory.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <string>

namespace gemma3n {
namespace {

constexpr char kOwnStatus[] = "/proc/self/status";
// A sample costs some 30 microseconds of one processor.
constexpr std::chrono::milliseconds kBetweenSamples{100};

struct Status {
  int64_t peak = 0, now = 0;
  PeakMemory parts;  // of now
};

Status Read(const std::filesystem::path& path) {
  std::ifstream file(path);
  Status status;
  for (std::string line; std::getline(file, line);) {
    long long kibibytes = 0;
    char name[16];
    if (std::sscanf(line.c_str(), "%15[^:]: %lld kB", name, &kibibytes) != 2) continue;
    const std::string word = name;
    const int64_t bytes = kibibytes * 1024;
    if (word == "VmHWM") status.peak = bytes;
    if (word == "VmRSS") status.now = bytes;
    if (word == "RssAnon") status.parts.anonymous_bytes = bytes;
    if (word == "RssFile" || word == "RssShmem") status.parts.file_bytes += bytes;
  }
  return status;
}

// Sets VmHWM back to what is resident now (proc(5), clear_refs). False where that is not allowed.
bool ForgetPeak() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

}  // namespace

PeakMemory ReadProcessStatus(const std::filesystem::path& path) {
  const Status status = Read(path);
  PeakMemory memory = status.parts;
  memory.resident_bytes = std::max(status.peak, status.now);
  return memory;
}

PeakMemory MemoryOfProcess(int process_id) {
  return ReadProcessStatus("/proc/" + std::to_string(process_id) + "/status");
}

PeakMemoryWatch::PeakMemoryWatch() : exact_(ForgetPeak()) {
  Sample();
  sampler_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any stopping;
    std::unique_lock lock(mutex);
    while (!stopping.wait_for(lock, stop, kBetweenSamples, [&] { return stop.stop_requested(); })) {
      Sample();
    }
  });
}

PeakMemory PeakMemoryWatch::Stop() {
  sampler_.request_stop();
  sampler_.join();
  Sample();
  if (exact_) most_.resident_bytes = std::max(most_.resident_bytes, Read(kOwnStatus).peak);
  return most_;
}

void PeakMemoryWatch::Sample() {
  const Status status = Read(kOwnStatus);
  const std::lock_guard lock(mutex_);
  if (status.now <= most_.resident_bytes) return;
  most_ = status.parts;
  most_.resident_bytes = status.now;
}

}  // namespace gemma3n
