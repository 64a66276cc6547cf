// SPDX-License-Identifier: Apache-2.0
#include "cli/ears.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "cli/speech_args.h"
#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

constexpr size_t kRateHz = 16000;
constexpr size_t kPiece = 1600;  // samples of a file, which is never waited for
// Of what others send: more than a stream has ready at a time, so that what it has left to give is
// not waited for, nor what it has not, which we may have to stop waiting for.
constexpr size_t kAllThereIs = 1 << 19;
// That wait to be taken. Then whoever sends must wait, but no microphone can: the oldest go.
constexpr size_t kMost = 120 * kRateHz;

void Signal(int event) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event, &one, sizeof(one));
}

bool IsFile(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode);
}

}  // namespace

Ears::Ears(const SoundSourceArgs& args) : args_(args) {
  ParseRaw(args_.raw);  // refuses what it cannot read
  if (args_.source == "-") {
    sound_ = STDIN_FILENO;
  } else if (IsFile(args_.source)) {
    // A pipe that nobody writes to yet must not keep us from opening it.
    sound_ = open(args_.source.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (sound_ < 0) {
      throw Error(ErrorKind::kMedia, args_.source + ": " + std::strerror(errno));
    }
    owned_ = true;
    fcntl(sound_, F_SETFL, fcntl(sound_, F_GETFL) & ~O_NONBLOCK);
  } else {
    stream_ = SoundStream::OpenMicrophone(args_.source, args_.media);
  }
  struct stat found {};
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  at_pace_ = owned_ && fstat(sound_, &found) == 0 && S_ISREG(found.st_mode);
  thread_ = std::thread([this] { Run(); });
}

Ears::~Ears() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  Signal(stop_);
  changed_.notify_all();
  thread_.join();
  stream_.reset();
  if (owned_) close(sound_);
  close(wake_);
  close(stop_);
}

void Ears::Listen(bool listens) {
  const std::scoped_lock lock(mutex_);
  listens_ = listens;
  if (!listens) heard_.clear();
  changed_.notify_all();
}

bool Ears::Forgot() {
  const std::scoped_lock lock(mutex_);
  return forgot_ && !std::exchange(told_, true);
}

std::optional<std::vector<float>> Ears::Take() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t cleared = read(wake_, &count, sizeof(count));
  const std::scoped_lock lock(mutex_);
  changed_.notify_all();
  if (!heard_.empty()) {
    if (ended_ || failure_) Signal(wake_);  // there is more to say
    return std::exchange(heard_, {});
  }
  if (failure_) throw Error(*failure_);
  if (ended_) return std::nullopt;
  return std::vector<float>();
}

bool Ears::WaitForSound() {
  if (sound_ < 0 || !drained_) return true;  // a microphone is never silent
  // A pipe that nobody has opened yet is at its end, as poll sees it, and so no reason to read.
  for (;;) {
    pollfd waits[] = {{stop_, POLLIN, 0}, {sound_, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents != 0) return false;
    if (waits[1].revents != 0) return true;
  }
}

bool Ears::Keep(const std::vector<float>& samples) {
  std::unique_lock lock(mutex_);
  const bool live = sound_ < 0;
  changed_.wait(lock, [&] { return stopped_ || !listens_ || live || heard_.size() < kMost; });
  if (stopped_) return false;
  if (listens_) {
    heard_.insert(heard_.end(), samples.begin(), samples.end());
    if (live && heard_.size() > kMost) {
      heard_.erase(heard_.begin(), heard_.end() - static_cast<ptrdiff_t>(kMost));
      forgot_ = true;
    }
    Signal(wake_);
  }
  return true;
}

void Ears::Run() {
  try {
    if (!WaitForSound()) return;
    if (!stream_) {
      stream_ =
          SoundStream::OpenDescriptor(sound_, args_.source == "-" ? "standard input" : args_.source,
                                      ParseRaw(args_.raw), args_.media, stop_);
      drained_ = false;  // it has read ahead
    }
    const auto began = std::chrono::steady_clock::now();
    std::vector<float> samples;
    for (size_t heard = 0; WaitForSound();) {
      samples.resize(at_pace_ || sound_ < 0 ? kPiece : kAllThereIs);
      const size_t count = stream_->Read(samples);
      drained_ = count < samples.size();
      if (count == 0) break;
      samples.resize(count);
      heard += count;
      if (at_pace_) {
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, began + std::chrono::microseconds(heard * 1'000'000 / kRateHz),
                            [this] { return stopped_; });
      }
      if (!Keep(samples)) return;
    }
    const std::scoped_lock lock(mutex_);
    ended_ = true;
  } catch (const Error& error) {
    const std::scoped_lock lock(mutex_);
    failure_ = error;
  } catch (const std::exception& error) {  // out of memory
    const std::scoped_lock lock(mutex_);
    failure_.emplace(ErrorKind::kResources, args_.source + ": " + error.what());
  }
  Signal(wake_);
}

}  // namespace gemma3n::cli
