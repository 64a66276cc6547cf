// SPDX-License-Identifier: Apache-2.0
// The sounds we read without help: WAV (RIFF, RIFX, RF64) and FLAC. The only file that knows
// libsndfile.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "gemma3n/media.h"

namespace gemma3n {

// The bytes of a WAV or FLAC file -> 16 kHz mono. Integer samples become floats as n / 2^(bits-1).
// A size in a WAV header that goes past the end of the file is cut to the file. Throws
// Error(kMedia).
AudioClip DecodeSoundFile(std::span<const uint8_t> bytes, const std::string& name,
                          const MediaLimits& limits);

}  // namespace gemma3n
