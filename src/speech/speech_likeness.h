// SPDX-License-Identifier: Apache-2.0
// How much a stretch of sound is like speech, by what steady noise and music lack: syllables that
// swell and fade, voiced parts between unvoiced ones, and a pitch that glides.
#pragma once

#include <span>

#include "speech/voice_activity.h"

namespace gemma3n {

// From 0, surely none, to 1. About 0.5 and above for speech; of less than half a second little can
// be told, and it is given the benefit of the doubt.
double SpeechLikeness(std::span<const VoiceFrame> frames);

}  // namespace gemma3n
