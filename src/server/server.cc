// SPDX-License-Identifier: Apache-2.0
// Who answers which path, and the order in which a request is admitted: what may be refused without
// its body is refused before that is read.
#include "gemma3n/server.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>

#include "gemma3n/error.h"
#include "server/acceptor.h"
#include "server/access.h"
#include "server/chat.h"
#include "server/metrics.h"
#include "server/openai.h"

namespace gemma3n {
namespace server {
namespace {

constexpr std::string_view kModelPath = "/v1/models/";

// Percent-decoded, once; nothing for half an escape and for what no name holds.
std::optional<std::string> Decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// "All addresses" is none that a client can call.
std::string Reachable(const std::string& address) {
  if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + address.substr(7);
  if (address.starts_with("[::]:")) return "[::1]" + address.substr(4);
  return address;
}

class HttpServer : public Server, public Handler {
 public:
  HttpServer(std::shared_ptr<Engine> engine, const ServerOptions& options,
             std::vector<Listener> listeners)
      : options_(options),
        engine_(std::move(engine)),
        media_(engine_->facts(), options_.limits.media),
        worker_(engine_, {.context = options_.context,
                          .sessions = options_.sessions,
                          .waiting = options_.waiting,
                          .answer_seconds = options_.answer_seconds}),
        service_{*engine_, worker_,           media_,
                 options_, worker_.context(), static_cast<int64_t>(std::time(nullptr))},
        access_(options_, std::all_of(listeners.begin(), listeners.end(),
                                      [](const Listener& one) { return one.is_loopback; })) {
    for (const Listener& one : listeners) urls_.push_back("http://" + Reachable(one.address));
    acceptor_ = std::make_unique<Acceptor>(std::move(listeners), options_.limits, *this);
    acceptor_->Start();
    NotifyService("READY=1");
  }

  std::vector<std::string> urls() const override { return urls_; }

  void Drain(std::chrono::milliseconds grace) override {
    NotifyService("STOPPING=1");
    worker_.StopTaking();
    draining_ = true;
    acceptor_->Close();
    if (acceptor_->WaitUntilIdle(grace)) return;
    worker_.EndAll();
    // What they have is sent; a client that does not take it is not waited for.
    acceptor_->WaitUntilIdle(std::chrono::seconds(5));
  }

  void Admit(Request& request) override {
    access_.CheckHost(request);
    access_.CheckOrigin(request);
    if (request.method == "OPTIONS") return;
    const Route* const route = Find(request);
    if (route == nullptr || !route->open) request.owner = access_.CheckKey(request);
    if (route == nullptr) {
      throw Refusal(Reason::kNotFound,
                    "nothing is served at '" + Shown(request.path) +
                        "'; /v1/chat/completions, /v1/completions, /v1/models, /health and "
                        "/metrics are");
    }
    if (request.method != route->method && !(request.method == "HEAD" && IsGet(*route))) {
      throw Refusal(Reason::kMethodNotAllowed,
                    std::string("expected ") + route->method + ", found " + Shown(request.method));
    }
    const std::string* const coding = request.Find("Content-Encoding");
    if (coding != nullptr && *coding != "identity") {
      throw Refusal(
          Reason::kMediaType,
          "compressed bodies are not taken; found Content-Encoding '" + Shown(*coding) + "'");
    }
  }

  void Handle(const Request& request, Exchange& exchange) override {
    if (request.method == "OPTIONS") {
      if (request.Find("Origin") == nullptr) {
        throw Refusal(Reason::kMethodNotAllowed, "OPTIONS is for pages of an allowed origin");
      }
      return exchange.Send(access_.Preflight(request));
    }
    Find(request)->handle(request, exchange);
  }

  Response Refused(const Request&, const Refusal& refusal) override {
    return OpenAi::Refused(refusal);
  }

  Headers Common(const Request& request) override {
    Headers headers = access_.CrossOrigin(request);
    headers.emplace_back("x-request-id", request.id);
    headers.emplace_back("X-Content-Type-Options", "nosniff");
    return headers;
  }

  void Finished(const Request& request, int status, uint64_t bytes, double seconds) override {
    const Route* const route = Find(request);
    metrics_.Count(route == nullptr ? "other" : route->path, status, seconds);
    if (!options_.access_log) return;
    // The path without its query, which may hold a key.
    std::fprintf(stderr, "%s %s %s %s %d %llu bytes %.0f ms%s%s\n", request.id.c_str(),
                 request.peer.c_str(), Shown(request.method).c_str(), Shown(request.path).c_str(),
                 status, static_cast<unsigned long long>(bytes), seconds * 1000,
                 request.owner.empty() ? "" : " key ", request.owner.c_str());
  }

 private:
  struct Route {
    const char* method;
    const char* path;  // a whole path, or one that ends with '/' and a name follows
    bool open;         // to everybody, without a key
    std::function<void(const Request&, Exchange&)> handle;
  };

  static bool IsGet(const Route& route) { return std::string_view(route.method) == "GET"; }

  const Route* Find(const Request& request) const {
    for (const Route& route : routes_) {
      const std::string_view path = route.path;
      const bool named = path.ends_with('/');
      if (named ? request.path.starts_with(path) && request.path.size() > path.size()
                : request.path == path) {
        return &route;
      }
    }
    return nullptr;
  }

  Response Health() {
    const WorkerCounts counts = worker_.counts();
    return {.status = draining_ ? 503 : 200,
            .body = std::string("{\"status\":\"") + (draining_ ? "draining" : "ok") +
                    "\",\"queue\":" + std::to_string(counts.waiting) +
                    ",\"active\":" + std::to_string(counts.active) + "}"};
  }

  const ServerOptions options_;
  const std::shared_ptr<Engine> engine_;
  MediaReader media_;
  Worker worker_;
  Service service_;
  const OpenAi openai_{service_};
  Access access_;
  Metrics metrics_;
  std::vector<std::string> urls_;
  std::atomic<bool> draining_ = false;
  const std::vector<Route> routes_ = {
      {"POST", "/v1/chat/completions", false,
       [this](const Request& request, Exchange& exchange) {
         openai_.ChatCompletions(request, exchange);
       }},
      {"POST", "/v1/completions", false,
       [this](const Request& request, Exchange& exchange) {
         openai_.Completions(request, exchange);
       }},
      {"GET", "/v1/models", false,
       [this](const Request&, Exchange& exchange) { exchange.Send(openai_.Models()); }},
      {"GET", kModelPath.data(), false,
       [this](const Request& request, Exchange& exchange) {
         const auto name = Decoded(std::string_view(request.path).substr(kModelPath.size()));
         exchange.Send(openai_.Model(name.value_or("")));
       }},
      {"GET", "/health", true,
       [this](const Request&, Exchange& exchange) { exchange.Send(Health()); }},
      {"GET", "/metrics", false, [this](const Request&, Exchange& exchange) {
         exchange.Send({.body = metrics_.Text(worker_.counts(), acceptor_->connections(),
                                              acceptor_->body_bytes()),
                        .content_type = "text/plain; version=0.0.4; charset=utf-8"});
       }}};
  std::unique_ptr<Acceptor> acceptor_;  // last: its threads use all of the above
};

void CheckOptions(const ServerOptions& options, const std::vector<Listener>& listeners) {
  for (const Listener& one : listeners) {
    if (one.is_loopback || !options.api_keys.empty() || options.no_key_needed) continue;
    throw Error(ErrorKind::kUsage,
                "host: " + one.address +
                    " can be reached from other machines; add --api-key-file FILE, or "
                    "--insecure-no-auth to let everybody in");
  }
  for (const std::string& key : options.api_keys) {
    if (key.empty()) throw Error(ErrorKind::kUsage, "api key: expected one, found an empty line");
  }
}

}  // namespace
}  // namespace server

std::unique_ptr<Server> Server::Start(std::shared_ptr<Engine> engine,
                                      const ServerOptions& options) {
  std::vector<server::Listener> listeners;
  if (options.take_inherited_sockets) listeners = server::InheritedListeners();
  if (listeners.empty()) listeners = server::ListenOn(options.host, options.port);
  server::CheckOptions(options, listeners);
  return std::make_unique<server::HttpServer>(std::move(engine), options, std::move(listeners));
}

}  // namespace gemma3n
