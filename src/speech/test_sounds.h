// SPDX-License-Identifier: Apache-2.0
// Made-up sounds for the tests of this room, at 16 kHz.
#pragma once

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

namespace gemma3n::test_sounds {

inline std::vector<float> Silence(double seconds) {
  return std::vector<float>(static_cast<size_t>(seconds * 16000));
}

inline std::vector<float> Noise(double seconds, float level, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, level);
  std::vector<float> sound = Silence(seconds);
  for (float& sample : sound) sample = normal(random);
  return sound;
}

// A chord that stays.
inline std::vector<float> Tones(double seconds, float level) {
  std::vector<float> sound = Silence(seconds);
  for (size_t i = 0; i < sound.size(); ++i) {
    const double t = static_cast<double>(i) / 16000, turn = 2 * std::numbers::pi;
    sound[i] = level * static_cast<float>(std::sin(turn * 220 * t) + std::sin(turn * 330 * t));
  }
  return sound;
}

// Something with the marks of speech: syllables of a buzz that glides from 140 to 100 Hz, each
// begun with a hiss, `rate` of them a second.
inline std::vector<float> Babble(double seconds, float level = 0.2f, double rate = 4) {
  std::vector<float> sound = Silence(seconds);
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.3f);
  double phase = 0;
  for (size_t i = 0; i < sound.size(); ++i) {
    const double at = std::fmod(static_cast<double>(i) / 16000 * rate, 1.0);
    phase += (140 - 40 * at) / 16000;
    const float buzz = static_cast<float>(2 * std::fmod(phase, 1.0) - 1);
    const float swell = static_cast<float>(std::sin(std::numbers::pi * at));
    sound[i] = level * (at < 0.15 ? 0.3f * normal(random) : buzz * swell);
  }
  return sound;
}

inline std::vector<float> Joined(std::initializer_list<std::vector<float>> parts) {
  std::vector<float> sound;
  for (const std::vector<float>& part : parts) sound.insert(sound.end(), part.begin(), part.end());
  return sound;
}

}  // namespace gemma3n::test_sounds
