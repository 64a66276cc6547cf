// SPDX-License-Identifier: Apache-2.0
// From the end of a spoken message to the first word of the answer: with the clip encoded and read
// when it is whole, and with both done while it is being said, at the speed of speech.
//
//   listening_bench MODEL [threads=0] [size of the model=full] [seconds=2,5,10,30] [pause=0.7]
//                   [rounds=3]
//
// "told": the end is known with the last sample. "paused": it is known by a pause of that many
// seconds, in which nothing but noise came; they are not counted, since any assistant waits for
// them. The sound is noise: what it costs does not depend on what is said.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gemma3n/engine.h"
#include "gemma3n/listening.h"
#include "run_main.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kRate = 16000, kPiece = 0.1;  // seconds that come together
constexpr char kQuestion[] = "Answer what was asked.";

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<float> Noise(double seconds) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> between(-0.1f, 0.1f);
  std::vector<float> samples(static_cast<size_t>(seconds * kRate));
  for (float& sample : samples) sample = between(random);
  return samples;
}

std::vector<Turn> Asked(AudioClip clip) {
  return {{Role::kUser, {Part(std::move(clip)), Part(kQuestion)}}};
}

GenerateOptions Options() {
  GenerateOptions options;
  options.sampling.temperature = 0;
  return options;
}

// Seconds until the first token is there.
double Answer(Session& session, const std::vector<Turn>& turns) {
  const Clock::time_point begin = Clock::now();
  double seconds = 0;
  session.Generate(turns, Options(), [&](const std::string&) {
    seconds = SecondsSince(begin);
    return false;
  });
  return seconds;
}

struct Streamed {
  double behind_s;  // of the clock, most, when a piece had been taken
  double first_token_s;
};

Streamed Listen(Session& session, const std::vector<float>& samples, double pause_s) {
  const auto listening = session.Listen(Asked({}), Options());
  const size_t piece = static_cast<size_t>(kPiece * kRate);
  const Clock::time_point begin = Clock::now();
  const auto at = [&](double seconds) {
    return begin +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  Streamed result{};
  for (size_t from = 0; from < samples.size(); from += piece) {
    const size_t count = std::min(piece, samples.size() - from);
    const double due = static_cast<double>(from + count) / kRate;
    std::this_thread::sleep_until(at(due));
    listening->Push(std::span(samples).subspan(from, count));
    result.behind_s = std::max(result.behind_s, SecondsSince(begin) - due);
  }
  const double told = static_cast<double>(samples.size()) / kRate + pause_s;
  while (SecondsSince(begin) < told && listening->ReadOn()) {
  }
  std::this_thread::sleep_until(at(told));
  const std::vector<Turn>& turns = listening->Conversation();
  const double late = SecondsSince(begin) - told;
  result.first_token_s = late + Answer(session, turns);
  return result;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Run(Engine& engine, const std::vector<double>& lengths, double pause_s, int rounds) {
  std::printf(
      "seconds said  whole when it ends, s  read meanwhile: told, s  paused, s  behind, s\n");
  for (double seconds : lengths) {
    if (seconds > engine.facts().max_clip_seconds) continue;
    const AudioClip clip{Noise(seconds)};
    std::vector<double> whole, told, paused, behind;
    for (int round = 0; round < rounds; ++round) {
      // What stands before the clip has been read in every case, as in a conversation.
      const auto session = engine.NewSession(1024);
      Answer(*session, Asked({{0.0f}}));
      whole.push_back(Answer(*session, Asked(clip)));
      const Streamed ended = Listen(*session, clip.samples, 0);
      told.push_back(ended.first_token_s);
      behind.push_back(ended.behind_s);
      paused.push_back(Listen(*session, clip.samples, pause_s).first_token_s);
    }
    std::printf("%12.1f  %21.3f  %23.3f  %9.3f  %9.3f\n", seconds, Median(whole), Median(told),
                Median(paused), Median(behind));
    std::fflush(stdout);
  }
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: listening_bench MODEL [threads] [size] [seconds] [pause] [rounds]\n");
    return 2;
  }
  const auto engine = Engine::Load({.model = argv[1],
                                    .threads = argc > 2 ? std::atoi(argv[2]) : 0,
                                    .size = argc > 3 ? argv[3] : ""});
  std::vector<double> lengths;
  std::stringstream list(argc > 4 ? argv[4] : "2,5,10,30");
  for (std::string word; std::getline(list, word, ',');) lengths.push_back(std::atof(word.c_str()));
  Run(*engine, lengths, argc > 5 ? std::atof(argv[5]) : 0.7,
      argc > 6 ? std::max(1, std::atoi(argv[6])) : 3);
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  return gemma3n::RunMain(gemma3n::Main, argc, argv);
}
