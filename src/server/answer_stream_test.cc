// SPDX-License-Identifier: Apache-2.0
#include "server/answer_stream.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

// Holds everything back, as inside a tool call.
class Silent : public StreamWriter {
 public:
  std::string ContentType() const override { return "text/plain"; }
  std::string Begin() override { return ""; }
  std::string Text(size_t, const std::string&) override {
    ++texts;
    return "";
  }
  std::string End(size_t, const GenerateResult&) override { return ""; }
  std::string Finish(const std::vector<GenerateResult>&, double) override { return ""; }
  std::string Failure(const Refusal&) override { return ""; }
  int texts = 0;
};

// A client that leaves while the third text is held back.
class Leaving : public Exchange {
 public:
  explicit Leaving(const Silent& writer) : writer_(writer) {}
  void Send(const Response&) override {}
  bool BeginStream(const Response&) override { return true; }
  bool Write(std::string_view) override { return true; }
  bool ClientIsGone() const override { return writer_.texts >= 3; }
  void ForgetBody(uint64_t) override {}
  std::unique_ptr<WebSocket> Upgrade(const std::string&) override { return nullptr; }

 private:
  const Silent& writer_;
};

TEST(AnswerStream, H18_NoticesWhoLeavesWhileTextIsHeldBack) {
  Worker worker(Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"}), {});
  Ask ask{.turns = {{Role::kUser, {Part("Repeat: boat white Hugo and bag book snow")}}}};
  ask.options.sampling.temperature = 0;
  const auto answering = worker.Submit({ask}, {});
  Silent writer;
  Leaving exchange(writer);
  EXPECT_FALSE(StreamAnswers(writer, {}, 1, *answering, exchange));
  EXPECT_EQ(writer.texts, 3);
}

}  // namespace
}  // namespace gemma3n::server
