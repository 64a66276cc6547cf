// SPDX-License-Identifier: Apache-2.0
// Forms that ask for a transcription or a translation.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/multipart.h"
#include "server/transcription.h"

namespace gemma3n::server {

enum class AudioFormat { kJson, kText, kSrt, kVtt, kVerboseJson };

struct AudioCall {
  TranscriptionRequest work;
  AudioFormat format = AudioFormat::kJson;
  bool logprobs = false, stream = false;
  std::vector<std::string> ignored;  // fields that we do not know
};

// Throws Refusal for what is wrong and for what would change the text and cannot be done.
AudioCall ReadAudioCall(const MultipartForm& form, bool translates, const Service& service);

}  // namespace gemma3n::server
