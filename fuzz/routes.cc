// SPDX-License-Identifier: Apache-2.0
// A whole request ("METHOD PATH?QUERY", fields, an empty line, a body) to whatever serves its path,
// answered by the model: it is refused, or what is sent is as its type says. Nothing fails.
#include <algorithm>
#include <cstdlib>

#include "gemma3n/error.h"
#include "request_service.h"
#include "server/genai/genai.h"
#include "server/multipart.h"
#include "server/ollama/ollama.h"
#include "server/openai/openai.h"
#include "server/page.h"

using namespace gemma3n::server;

namespace {

constexpr int kMostSteps = 8;  // of an answer, until the client leaves

void Expect(bool holds) {
  if (!holds) std::abort();
}

class Checker : public Exchange {
 public:
  void Send(const Response& response) override {
    CheckHead(response);
    Expect(!response.content_type.starts_with("application/json") || response.body.empty() ||
           Json::accept(response.body));
  }
  bool BeginStream(const Response& head) override {
    CheckHead(head);
    return true;
  }
  bool Write(std::string_view) override { return !ClientIsGone(); }
  bool ClientIsGone() const override { return ++steps_ > kMostSteps; }
  void ForgetBody(uint64_t) override {}
  std::unique_ptr<WebSocket> Upgrade(const std::string&) override {
    throw Refusal(Reason::kBadFraming, "no WebSocket");
  }
  int answers() const { return answers_; }

 private:
  void CheckHead(const Response& response) {
    Expect(++answers_ == 1);
    for (const auto& [name, value] : response.headers) {
      for (const char c : name + value) Expect(static_cast<unsigned char>(c) >= ' ');
    }
  }

  mutable int steps_ = 0;
  int answers_ = 0;
};

// Takes what is in front of `end`, and that.
std::string_view Cut(std::string_view& text, std::string_view end) {
  const size_t found = std::min(text.find(end), text.size());
  const std::string_view front = text.substr(0, found);
  text.remove_prefix(std::min(found + end.size(), text.size()));
  return front;
}

// Nothing for what HTTP lets nobody send.
std::optional<Request> ReadRequest(std::string_view text) {
  Request request{.id = "id", .peer = "peer", .owner = "owner"};
  std::string_view line = Cut(text, "\n");
  const auto visible = [](char c) { return c > ' ' && c < 127; };
  request.method = Cut(line, " ");
  if (!std::all_of(line.begin(), line.end(), visible)) return std::nullopt;
  request.path = Cut(line, "?");
  request.query = line;
  while (!(line = Cut(text, "\n")).empty()) {
    const std::string_view name = Cut(line, ": ");
    for (const char c : line) {
      if (static_cast<unsigned char>(c) < ' ') return std::nullopt;
    }
    request.headers.emplace_back(name, line);
  }
  request.body = text;
  return request;
}

std::vector<Route> AllRoutes() {
  static Ollama ollama(RequestService());
  static GenAi genai(RequestService());
  static OpenAi openai(RequestService());
  static const Page page(RequestService());
  std::vector<Route> all;
  for (auto routes : {ollama.Routes(), genai.Routes(), openai.Routes(), page.Routes()}) {
    all.insert(all.end(), routes.begin(), routes.end());
  }
  return all;
}

void Handle(const Route& route, const std::string& name, Request& request) {
  if (route.is_upload) {
    const std::string* const type = request.Find("Content-Type");
    if (type != nullptr && type->starts_with("multipart/")) {
      request.sink = std::make_shared<MultipartForm>(BoundaryOf(*type), gemma3n::FormLimits(),
                                                     RequestService().disk);
    } else {
      request.sink = std::make_shared<Spool>(RequestService().disk);
    }
    request.sink->Take(request.body);
    request.sink->End();
    request.body.clear();
  }
  Checker checker;
  route.handle(request, name, checker);
  Expect(checker.answers() == 1 || checker.ClientIsGone());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Route> routes = AllRoutes();
  std::optional<Request> request = ReadRequest({reinterpret_cast<const char*>(data), size});
  if (!request) return 0;
  for (const Route& route : routes) {
    const auto name = Match(route.pattern, request->path);
    if (!name || request->method != route.method) continue;
    try {
      Handle(route, *name, *request);
    } catch (...) {
      Expect(AsRefusal(std::current_exception()).reason != Reason::kInternal);
    }
    break;
  }
  return 0;
}
