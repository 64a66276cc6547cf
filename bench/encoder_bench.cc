// SPDX-License-Identifier: Apache-2.0
// How long the encoders of a model take: pictures at three sizes, clips of three lengths, and
// streams: "10s/3" is 10 s of sound that come 20 ms at a time, three tokens being computed at once.
//
//   encoder_bench MODEL [threads=0] [runs=3] [what=768,512,256,30s,10s,1s] [REFERENCE]
//
// MODEL may be "random-q8", "-q4" or "-bf16": an audio encoder of the released sizes with random
// weights in memory, and no other. Processor time counts on a machine that is shared; it is
// that of all threads, which wait for each other in it, so ask for one thread. Prints for each the
// median of the runs, all of them, and the medians of the steps on the way; with another model as
// reference, such as the floats that a packed one was made of, also how far every step is from that
// one's.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "audio/encoder.h"
#include "checkpoint/checkpoint.h"
#include "gemma3n/error.h"
#include "tiny/random_audio.h"
#include "vision/encoder.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// The times of several runs of one encoder, and of the steps that its observer saw.
class Runs {
 public:
  void Begin() {
    begin_ = step_ = Clock::now();
    processor_begin_ = std::clock();
  }
  void Step(const std::string& name) {
    if (!steps_.count(name)) order_.push_back(name);
    steps_[name].push_back(MillisecondsSince(step_));
    step_ = Clock::now();
  }
  void SetTokens(int64_t tokens) { tokens_ = tokens; }
  void End() {
    all_.push_back(MillisecondsSince(begin_));
    processor_.push_back(1e3 * static_cast<double>(std::clock() - processor_begin_) /
                         CLOCKS_PER_SEC);
  }
  void Print(const std::string& what) const {
    std::printf("%s: %.0f ms (", what.c_str(), Median(all_));
    for (size_t i = 0; i < all_.size(); ++i) std::printf("%s%.0f", i ? " " : "", all_[i]);
    std::printf(");");
    if (tokens_ > 0) {
      const double tokens = static_cast<double>(tokens_);
      std::printf(" a token %.1f, processor time %.1f;", Median(all_) / tokens,
                  Median(processor_) / tokens);
    }
    for (const std::string& name : order_) {
      std::printf(" %s %.0f", name.c_str(), Median(steps_.at(name)));
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  Clock::time_point begin_, step_;
  std::clock_t processor_begin_ = 0;
  std::vector<double> all_, processor_;
  int64_t tokens_ = 0;
  std::map<std::string, std::vector<double>> steps_;
  std::vector<std::string> order_;
};

bool IsSound(const std::string& item) {
  return item.find('s') != std::string::npos;
}

using Observer = std::function<void(const std::string&, const Tensor&)>;

std::vector<float> Noise(int64_t samples) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> noise(-0.3f, 0.3f);
  std::vector<float> values(static_cast<size_t>(samples));
  for (float& value : values) value = noise(generator);
  return values;
}

// Features of all tokens.
Tensor Listen(AudioStream stream, std::span<const float> samples, ThreadPool& pool) {
  constexpr size_t kPiece = 320;  // 20 ms at 16 kHz
  std::vector<float> all;
  const auto add = [&](const Tensor& tokens) {
    all.insert(all.end(), tokens.span().begin(), tokens.span().end());
  };
  for (; samples.size() > kPiece; samples = samples.subspan(kPiece)) {
    add(stream.Push(samples.first(kPiece), pool));
  }
  add(stream.Finish(samples, pool));
  Tensor features({stream.tokens(), static_cast<int64_t>(all.size()) / stream.tokens()});
  std::copy(all.begin(), all.end(), features.data());
  return features;
}

// One model's encoders, each loaded when it is first used.
class Encoders {
 public:
  Encoders(const std::string& model, ThreadPool& pool) : pool_(pool) {
    for (const auto& [name, dtype] : {std::pair{"random-q8", DType::kQ8Tiles},
                                      {"random-q4", DType::kQ4Tiles},
                                      {"random-bf16", DType::kBF16}}) {
      if (model == name) random_ = std::make_unique<RandomAudio>(FullAudioConfig(), 1, dtype);
    }
    if (random_ == nullptr) file_ = Checkpoint::Load(model);
  }

  // `item` is a side such as "768", a length such as "30s", or a stream such as "30s/3". The
  // observer sees every step; of a stream, the features.
  void Encode(const std::string& item, const Observer& observer) {
    const int64_t number = std::atoll(item.c_str());
    if (IsSound(item)) {
      const size_t slash = item.find('/');
      return EncodeSound(
          number, slash == std::string::npos ? 0 : std::atoll(item.c_str() + slash + 1), observer);
    }
    if (random_ != nullptr) throw Error(ErrorKind::kUsage, "random weights hear alone: " + item);
    const int64_t tokens = file_->config()["vision_soft_tokens_per_image"].IntOr(256);
    if (vision_ == nullptr) vision_ = VisionEncoder::Load(*file_, tokens);
    std::mt19937 generator(1);
    std::vector<uint8_t> rgb(static_cast<size_t>(number * number * 3));
    for (uint8_t& value : rgb) value = static_cast<uint8_t>(generator());
    vision_->Encode({number, number, rgb}, number, pool_, observer);
  }

 private:
  // `at_once`: tokens of a stream that are computed together; 0 for a whole clip.
  void EncodeSound(int64_t seconds, int64_t at_once, const Observer& observer) {
    if (random_ == nullptr && audio_ == nullptr) audio_ = AudioEncoder::Load(*file_, pool_);
    const MelConfig mel;
    const std::vector<float> samples =
        Noise(seconds * (audio_ ? audio_->sampling_rate_hz() : mel.sampling_rate_hz));
    if (at_once > 0) {
      const Tensor features = Listen(
          audio_ ? audio_->Stream(at_once)
                 : AudioStream(mel, random_->config(), random_->weights(), {at_once, {}, {}}),
          samples, pool_);
      if (observer) observer("features", features);
    } else if (audio_ != nullptr) {
      audio_->Encode(samples, pool_, observer);
    } else {
      AudioStream(mel, random_->config(), random_->weights(),
                  {AudioStream::kMostTokens, observer, {}})
          .Finish(samples, pool_);
    }
  }

  ThreadPool& pool_;
  std::unique_ptr<Checkpoint> file_;     // or
  std::unique_ptr<RandomAudio> random_;  // this
  std::unique_ptr<VisionEncoder> vision_;
  std::unique_ptr<AudioEncoder> audio_;
};

// The relative difference (norm of the difference by norm) of every step to a reference's.
void Compare(Encoders& encoders, Encoders& reference, const std::string& item) {
  std::map<std::string, std::vector<float>> expected;
  reference.Encode(item, [&](const std::string& name, const Tensor& values) {
    expected[name].assign(values.span().begin(), values.span().end());
  });
  std::printf("  difference:");
  encoders.Encode(item, [&](const std::string& name, const Tensor& values) {
    double error = 0, size = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double difference = values.data()[i] - expected.at(name).at(i);
      error += difference * difference;
      size += static_cast<double>(expected.at(name)[i]) * expected.at(name)[i];
    }
    std::printf(" %s %.4f", name.c_str(), std::sqrt(error / size));
  });
  std::printf("\n");
}

void Run(int argc, char** argv) {
  const int runs = argc > 3 ? std::atoi(argv[3]) : 3;
  const std::string what = argc > 4 ? argv[4] : "768,512,256,30s,10s,1s";
  ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : 0);
  Encoders encoders(argv[1], pool);
  std::unique_ptr<Encoders> reference;
  if (argc > 5) reference = std::make_unique<Encoders>(argv[5], pool);
  for (size_t begin = 0, end; begin < what.size(); begin = end + 1) {
    end = std::min(what.find(',', begin), what.size());
    const std::string item = what.substr(begin, end - begin);
    Runs times;
    encoders.Encode(item, nullptr);  // once unmeasured: pages of the file come into memory
    for (int run = 0; run < runs; ++run) {
      times.Begin();
      encoders.Encode(item, [&](const std::string& name, const Tensor& values) {
        times.Step(name);
        if (IsSound(item) && name == "features") times.SetTokens(values.shape()[0]);
      });
      times.End();
    }
    times.Print(item);
    if (reference != nullptr) Compare(encoders, *reference, item);
  }
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "encoder_bench MODEL [threads=0] [runs=3] [what=768,30s] [REFERENCE]\n");
    return 2;
  }
  try {
    gemma3n::Run(argc, argv);
  } catch (const gemma3n::Error& error) {
    std::fprintf(stderr, "encoder_bench: %s\n", error.what());
    return 1;
  }
}
