// SPDX-License-Identifier: Apache-2.0
// Microphones, through gemma3n-media. A thread takes the sound as it comes, since a device that is
// not read loses it; who reads the stream may be slower for a while.
#include <fcntl.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "media/decoder_process.h"
#include "media/media_error.h"
#include "media/resample.h"
#include "media/sound_source.h"

namespace gemma3n {
namespace {

class LiveSource : public SoundSource {
 public:
  LiveSource(const std::string& name, const DecoderJob& job, const MediaOptions& options)
      : name_(name),
        most_waiting_(
            static_cast<size_t>(options.limits.microphone_buffer_seconds * kModelSampleRateHz)),
        decoder_(Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)), name, job, options) {
    std::vector<float> none;
    decoder_.Take(none);  // what is wrong with the device shows here
    thread_ = std::thread([this] { Run(); });
  }
  ~LiveSource() override {
    decoder_.Stop();
    thread_.join();
  }

  bool Pull(std::vector<float>& out) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty() || failure_; });
    if (waiting_.empty()) throw Error(*failure_);
    out.insert(out.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
    return true;
  }

 private:
  void Run() {
    try {
      std::vector<float> piece;
      while (decoder_.Take(piece)) {
        const std::scoped_lock lock(mutex_);
        waiting_.insert(waiting_.end(), piece.begin(), piece.end());
        piece.clear();
        if (waiting_.size() > most_waiting_) {
          ThrowMedia(name_, "its sound was not read in time: more than " +
                                std::to_string(most_waiting_ / kModelSampleRateHz) +
                                " s of it are waiting");
        }
        changed_.notify_one();
      }
      ThrowMedia(name_, "it ended");  // no microphone does
    } catch (const Error& error) {
      const std::scoped_lock lock(mutex_);
      failure_ = error;
      changed_.notify_one();
    } catch (const std::bad_alloc&) {
      const std::scoped_lock lock(mutex_);
      failure_.emplace(ErrorKind::kResources, name_ + ": not enough memory");
      changed_.notify_one();
    }
  }

  const std::string name_;
  const size_t most_waiting_;  // samples
  FilmDecoder decoder_;        // the thread's, but for its end
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<float> waiting_;
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<SoundStream> SoundStream::OpenMicrophone(const std::string& device,
                                                         const MediaOptions& options) {
  const std::string pulse = "pulse";
  DecoderJob job{.format = "ALSA", .frames = false};
  job.measured = false;
  job.sound_seconds = options.limits.sound_stream_seconds;
  job.device = device.empty() ? "default" : device;
  if (device == pulse || device.starts_with(pulse + ":")) {
    job.format = "PulseAudio";
    job.device = device.size() > pulse.size() + 1 ? device.substr(pulse.size() + 1) : "default";
  }
  const std::string name = "microphone " + (device.empty() ? job.device : device);
  return StreamOf(std::make_unique<LiveSource>(name, job, options), name);
}

}  // namespace gemma3n
