// SPDX-License-Identifier: Apache-2.0
// What speech tasks ask the model, and what of its answer is transcript and what translation.
#pragma once

#include <string>

#include "gemma3n/transcribe.h"

namespace gemma3n {

struct SpeechTexts {
  std::string text, translation;
};

// The answer to SpeechPrompt. A transcript and its translation stand on lines of their own, the
// second after the language's name and a colon, as the prompt asks for it; also a direct
// translation may come so. Line breaks inside either become spaces.
SpeechTexts ReadAnswer(const std::string& answer, const TranscribeOptions& options);

}  // namespace gemma3n
