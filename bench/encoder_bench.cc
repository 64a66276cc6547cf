// SPDX-License-Identifier: Apache-2.0
// How long the encoders of a model take: pictures at three sizes, clips of three lengths.
//
//   encoder_bench MODEL [threads=0] [runs=3] [what=768,512,256,30s,10s,1s] [REFERENCE]
//
// Prints for each the median of the runs, all of them, and the medians of the steps on the way;
// with another model as reference, such as the floats that a packed one was made of, also how far
// every step is from that one's.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
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

// One model's encoders, each loaded when it is first used.
class Encoders {
 public:
  Encoders(const char* model, ThreadPool& pool) : pool_(pool), file_(Checkpoint::Load(model)) {}

  // `item` is a side such as "768" or a length such as "30s". The observer sees every step.
  void Encode(const std::string& item,
              const std::function<void(const std::string&, const Tensor&)>& observer) {
    std::mt19937 generator(1);
    const int64_t number = std::atoll(item.c_str());
    if (item.back() == 's') {
      if (audio_ == nullptr) audio_ = AudioEncoder::Load(*file_, pool_);
      std::vector<float> samples(static_cast<size_t>(number * audio_->sampling_rate_hz()));
      std::uniform_real_distribution<float> noise(-0.3f, 0.3f);
      for (float& sample : samples) sample = noise(generator);
      audio_->Encode(samples, pool_, observer);
      return;
    }
    const int64_t tokens = file_->config()["vision_soft_tokens_per_image"].IntOr(256);
    if (vision_ == nullptr) vision_ = VisionEncoder::Load(*file_, tokens);
    std::vector<uint8_t> rgb(static_cast<size_t>(number * number * 3));
    for (uint8_t& value : rgb) value = static_cast<uint8_t>(generator());
    vision_->Encode({number, number, rgb}, number, pool_, observer);
  }

 private:
  ThreadPool& pool_;
  std::unique_ptr<Checkpoint> file_;
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
      encoders.Encode(item, [&](const std::string& name, const Tensor&) { times.Step(name); });
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
