// SPDX-License-Identifier: Apache-2.0
#include "server/openai.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/openai_answer.h"
#include "server/openai_request.h"

namespace gemma3n::server {
namespace {

constexpr std::chrono::milliseconds kSoon(100);  // by when a stream begins, whatever comes

// Names of fields as a header may carry them; it is the client who wrote them.
std::string HeaderList(const std::vector<std::string>& names) {
  constexpr size_t kMostNames = 20, kMostBytes = 64;
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    if (names[i].size() > kMostBytes || names[i].empty()) continue;
    if (names[i].find_first_not_of(kAllowed) != std::string::npos) continue;
    list += (list.empty() ? "" : ",") + names[i];
  }
  return list;
}

Headers HeadersOf(const OpenAiCall& call) {
  const std::string ignored = HeaderList(call.ignored);
  return ignored.empty() ? Headers() : Headers{{"x-gemma3n-ignored", ignored}};
}

// A stream of server-sent events, begun at its first frame.
class EventStream {
 public:
  EventStream(Exchange& exchange, Headers headers)
      : exchange_(exchange), headers_(std::move(headers)) {
    headers_.emplace_back("Cache-Control", "no-store");
    headers_.emplace_back("X-Accel-Buffering", "no");
  }

  bool begun() const { return begun_; }
  bool Data(const std::string& text) { return Put("data: " + text + "\n\n"); }
  bool Ping() { return Put(": ping\n\n"); }

 private:
  bool Put(const std::string& frame) {
    if (!begun_) {
      begun_ = true;
      if (!exchange_.BeginStream(
              {.headers = headers_, .content_type = "text/event-stream; charset=utf-8"})) {
        return false;
      }
    }
    return exchange_.Write(frame);
  }

  Exchange& exchange_;
  Headers headers_;
  bool begun_ = false;
};

void Stream(const OpenAiCall& call, const OpenAiWriter& writer, Answering& answering,
            Exchange& exchange) {
  EventStream stream(exchange, HeadersOf(call));
  std::vector<GenerateResult> results(call.asks.size());
  // What is wrong is told with its own status where it is known soon; else the stream begins.
  const auto begin = [&] {
    if (stream.begun()) return true;
    for (const std::string& chunk : writer.FirstChunks()) {
      if (!stream.Data(chunk)) return false;
    }
    return true;
  };
  std::optional<AnswerEvent> first = answering.Next(kSoon);
  const auto take = [&](AnswerEvent& event) {
    if (!begin()) return false;
    if (!event.text.empty() && !stream.Data(writer.TextChunk(event.choice, event.text))) {
      return false;
    }
    if (!event.result) return true;
    results[event.choice] = std::move(*event.result);
    return stream.Data(writer.EndChunk(event.choice, results[event.choice]));
  };
  try {
    size_t ended = 0;
    if (first && first->error != nullptr) throw AsRefusal(first->error);
    if (first) ended += first->result.has_value();
    bool there = first ? take(*first) : begin();
    if (there) {
      there = Follow(answering, exchange,
                     {.choices = call.asks.size() - ended, .on_event = take, .on_silence = [&] {
                        return stream.Ping();
                      }});
    }
    if (!there) return;  // the client left
    if (call.include_usage) stream.Data(writer.UsageChunk(results, answering.waited_ms()));
    stream.Data("[DONE]");
  } catch (const Refusal& refusal) {
    if (!stream.begun()) throw;
    stream.Data(OpenAi::Refused(refusal).body);
  }
}

void Answer(const OpenAiCall& call, OpenAiKind kind, const Service& service,
            const std::string& owner, Exchange& exchange) {
  const OpenAiWriter writer(kind, call, service);
  const std::shared_ptr<Answering> answering = service.worker.Submit(call.asks, owner);
  if (call.stream) return Stream(call, writer, *answering, exchange);
  const std::vector<GenerateResult> results = Collect(*answering, exchange, call.asks.size());
  if (results.empty()) return;  // the client left
  exchange.Send(
      {.headers = HeadersOf(call), .body = writer.Whole(results, answering->waited_ms())});
}

}  // namespace

void OpenAi::ChatCompletions(const Request& request, Exchange& exchange) const {
  const nlohmann::json body = ParseJson(request.body);
  const OpenAiCall call = ReadChatCall(Field(body, ""), service_, request.owner);
  Answer(call, OpenAiKind::kChat, service_, request.owner, exchange);
}

void OpenAi::Completions(const Request& request, Exchange& exchange) const {
  const nlohmann::json body = ParseJson(request.body);
  const OpenAiCall call = ReadCompletionCall(Field(body, ""), service_);
  Answer(call, OpenAiKind::kCompletion, service_, request.owner, exchange);
}

Response OpenAi::Models() const {
  return {.body = ModelListText(service_)};
}

Response OpenAi::Model(const std::string& name) const {
  service_.CheckModel(name);
  return {.body = ModelText(service_, name)};
}

Response OpenAi::Refused(const Refusal& refusal) {
  Response response{.status = StatusOf(refusal.reason), .body = ErrorText(refusal)};
  // Clients ask again after any 429 and 5xx unless they are told not to.
  const bool again = refusal.reason == Reason::kBusy || refusal.reason == Reason::kTooManyGuesses;
  response.headers.emplace_back("x-should-retry", again ? "true" : "false");
  if (again) response.headers.emplace_back("Retry-After", "1");
  if (refusal.reason == Reason::kInvalidKey) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

}  // namespace gemma3n::server
