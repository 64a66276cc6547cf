// SPDX-License-Identifier: Apache-2.0
#include "server/answer_stream.h"

namespace gemma3n::server {
namespace {

constexpr std::chrono::milliseconds kSoon(100);  // by when a stream begins, whatever comes

// A stream that begins with its first frame.
class Frames {
 public:
  Frames(Exchange& exchange, StreamWriter& writer, Headers headers)
      : exchange_(exchange), writer_(writer), headers_(std::move(headers)) {
    headers_.emplace_back("Cache-Control", "no-store");
    headers_.emplace_back("X-Accel-Buffering", "no");
  }

  bool begun() const { return begun_; }
  // False when the client has left, which sending tells; so does a look where text is held back.
  bool Put(const std::string& frames) {
    if (!Begin()) return false;
    return frames.empty() ? !exchange_.ClientIsGone() : exchange_.Write(frames);
  }
  bool Begin() {
    if (begun_) return true;
    begun_ = true;
    if (!exchange_.BeginStream({.headers = headers_, .content_type = writer_.ContentType()})) {
      return false;
    }
    const std::string first = writer_.Begin();
    return first.empty() || exchange_.Write(first);
  }

 private:
  Exchange& exchange_;
  StreamWriter& writer_;
  Headers headers_;
  bool begun_ = false;
};

}  // namespace

std::string EventFrame(const std::string& text) {
  return "data: " + text + "\n\n";
}

bool StreamAnswers(StreamWriter& writer, const Headers& headers, size_t choices,
                   Answering& answering, Exchange& exchange) {
  Frames frames(exchange, writer, headers);
  std::vector<GenerateResult> results(choices);
  const auto take = [&](AnswerEvent& event) {
    if (!frames.Begin()) return false;  // what begins a stream is written first
    if (!event.text.empty() && !frames.Put(writer.Text(event.choice, event.text))) return false;
    if (!event.result) return true;
    results[event.choice] = std::move(*event.result);
    return frames.Put(writer.End(event.choice, results[event.choice]));
  };
  // What is wrong is told with its own status where it is known soon; else the stream begins.
  std::optional<AnswerEvent> first = answering.Next(kSoon);
  try {
    if (first && first->error != nullptr) throw AsRefusal(first->error);
    size_t ended = 0;
    if (first) ended += first->result.has_value();
    bool there = first ? take(*first) : frames.Begin();
    if (there) {
      there = Follow(answering, exchange,
                     {.choices = choices - ended, .on_event = take, .on_silence = [&] {
                        return frames.Put(writer.Ping());
                      }});
    }
    return there && frames.Put(writer.Finish(results, answering.waited_ms()));
  } catch (const Refusal& refusal) {
    if (!frames.begun()) throw;
    frames.Put(writer.Failure(refusal));
    return true;
  }
}

}  // namespace gemma3n::server
