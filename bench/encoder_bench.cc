// SPDX-License-Identifier: Apache-2.0
// How long the encoders of a model take: pictures at three sizes, clips of three lengths.
//
//   encoder_bench MODEL [threads=0] [runs=3] [what=768,512,256,30s,10s,1s]
//
// Prints for each the median of the runs, all of them, and the medians of the steps on the way.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "audio/encoder.h"
#include "checkpoint/checkpoint.h"
#include "gemma3n/error.h"
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
  void Begin() { begin_ = step_ = Clock::now(); }
  void Step(const std::string& name) {
    if (!steps_.count(name)) order_.push_back(name);
    steps_[name].push_back(MillisecondsSince(step_));
    step_ = Clock::now();
  }
  void End() { all_.push_back(MillisecondsSince(begin_)); }
  void Print(const std::string& what) const {
    std::printf("%s: %.0f ms (", what.c_str(), Median(all_));
    for (size_t i = 0; i < all_.size(); ++i) std::printf("%s%.0f", i ? " " : "", all_[i]);
    std::printf(");");
    for (const std::string& name : order_) {
      std::printf(" %s %.0f", name.c_str(), Median(steps_.at(name)));
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  Clock::time_point begin_, step_;
  std::vector<double> all_;
  std::map<std::string, std::vector<double>> steps_;
  std::vector<std::string> order_;
};

// Both kinds once before they are measured: pages of the file come into memory.
void Picture(const VisionEncoder& encoder, int64_t side, int runs, ThreadPool& pool) {
  std::mt19937 generator(1);
  std::vector<uint8_t> rgb(static_cast<size_t>(side * side * 3));
  for (uint8_t& value : rgb) value = static_cast<uint8_t>(generator());
  Runs times;
  encoder.Encode({side, side, rgb}, side, pool);
  for (int run = 0; run < runs; ++run) {
    times.Begin();
    encoder.Encode({side, side, rgb}, side, pool,
                   [&](const std::string& name, const Tensor&) { times.Step(name); });
    times.End();
  }
  times.Print("picture " + std::to_string(side));
}

void Clip(const AudioEncoder& encoder, int64_t seconds, int runs, ThreadPool& pool) {
  std::vector<float> samples(static_cast<size_t>(seconds * encoder.sampling_rate_hz()));
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> noise(-0.3f, 0.3f);
  for (float& sample : samples) sample = noise(generator);
  Runs times;
  encoder.Encode(samples, pool);
  for (int run = 0; run < runs; ++run) {
    times.Begin();
    encoder.Encode(samples, pool,
                   [&](const std::string& name, const Tensor&) { times.Step(name); });
    times.End();
  }
  times.Print("clip of " + std::to_string(seconds) + " s");
}

void Run(int argc, char** argv) {
  const int threads = argc > 2 ? std::atoi(argv[2]) : 0, runs = argc > 3 ? std::atoi(argv[3]) : 3;
  std::string what = argc > 4 ? argv[4] : "768,512,256,30s,10s,1s";
  ThreadPool pool(threads);
  const auto checkpoint = Checkpoint::Load(argv[1]);
  const JsonValue config = checkpoint->config();
  std::unique_ptr<VisionEncoder> vision;
  std::unique_ptr<AudioEncoder> audio;
  for (size_t begin = 0, end; begin < what.size(); begin = end + 1) {
    end = std::min(what.find(',', begin), what.size());
    const std::string item = what.substr(begin, end - begin);
    const int64_t number = std::atoll(item.c_str());
    if (item.back() == 's') {
      if (audio == nullptr) audio = AudioEncoder::Load(*checkpoint, pool);
      Clip(*audio, number, runs, pool);
    } else {
      const int64_t tokens = config["vision_soft_tokens_per_image"].IntOr(256);
      if (vision == nullptr) vision = VisionEncoder::Load(*checkpoint, tokens);
      Picture(*vision, number, runs, pool);
    }
  }
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "encoder_bench MODEL [threads=0] [runs=3] [what=768,512,256,30s,10s,1s]\n");
    return 2;
  }
  try {
    gemma3n::Run(argc, argv);
  } catch (const gemma3n::Error& error) {
    std::fprintf(stderr, "encoder_bench: %s\n", error.what());
    return 1;
  }
}
