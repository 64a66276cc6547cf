// SPDX-License-Identifier: Apache-2.0
// An answer that is sent as it comes, whatever the dialect.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/http.h"
#include "server/refusal.h"

namespace gemma3n::server {

// Writes the frames of one stream. What a function gives is sent as it is; empty: nothing is.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  virtual std::string ContentType() const = 0;
  virtual std::string Begin() = 0;  // sent as soon as the request is known to be good
  virtual std::string Text(size_t choice, const std::string& text) = 0;
  virtual std::string End(size_t choice, const GenerateResult& result) = 0;
  // After the last choice; `results` are theirs.
  virtual std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) = 0;
  virtual std::string Failure(const Refusal& refusal) = 0;  // what ends a stream that has begun
  virtual std::string Ping() { return ""; }                 // every 15 s of silence
};

// "data: TEXT\n\n".
std::string EventFrame(const std::string& text);

// Sends `choices` answers through the writer. Throws what the request failed with, as Refusal,
// where nothing has been sent yet. Returns false when the client left.
bool StreamAnswers(StreamWriter& writer, const Headers& headers, size_t choices,
                   Answering& answering, Exchange& exchange);

}  // namespace gemma3n::server
