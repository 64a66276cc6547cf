// SPDX-License-Identifier: Apache-2.0
// Who answers which path, and the order in which a request is admitted: what may be refused without
// its body is refused before that is read.
#include "gemma3n/server.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "server/acceptor.h"
#include "server/access.h"
#include "server/answer_json.h"
#include "server/chat.h"
#include "server/dialect.h"
#include "server/entrance.h"
#include "server/genai/genai.h"
#include "server/genai/live.h"
#include "server/login.h"
#include "server/metrics.h"
#include "server/multipart.h"
#include "server/ollama/ollama.h"
#include "server/openai/openai.h"
#include "server/page.h"
#include "server/qr.h"

namespace gemma3n {
namespace server {
namespace {

// Whether more than one client can be told apart: by its key or, without keys, by its address,
// which all of this machine share.
bool HasSeveralClients(const ServerOptions& options, const Entrance& entrance) {
  return options.api_keys.empty() ? !entrance.is_loopback_only() : options.api_keys.size() > 1;
}

class HttpServer : public Server, public Handler {
 public:
  HttpServer(std::shared_ptr<Engine> engine, const ServerOptions& options, Entrance entrance)
      : options_(options),
        engine_(std::move(engine)),
        media_(engine_->facts(), options_.limits),
        files_({.bytes = options_.limits.files_bytes,
                .files = options_.limits.files,
                .seconds = options_.limits.file_seconds}),
        worker_(engine_, {.context = options_.context,
                          .sessions = options_.sessions,
                          .waiting = options_.waiting,
                          .several_clients = HasSeveralClients(options_, entrance),
                          .answer_seconds = options_.answer_seconds,
                          .cache = {.most_bytes = options_.cache_bytes,
                                    .most_media_bytes = options_.media_cache_bytes}}),
        service_{*engine_,
                 worker_,
                 media_,
                 options_,
                 worker_.context(),
                 static_cast<int64_t>(std::time(nullptr)),
                 access_,
                 reach_,
                 std::make_shared<DiskBudget>(options_.limits.all_uploads_bytes),
                 files_,
                 std::make_shared<const ModelCard>(CardOf(options_))},
        access_(options_, entrance.is_loopback_only()),
        reach_(std::move(entrance.reach)) {
    dialects_.push_back(std::make_unique<Ollama>(service_));
    dialects_.push_back(std::make_unique<GenAi>(service_));
    dialects_.push_back(std::make_unique<GenAiLive>(service_));
    dialects_.push_back(std::make_unique<OpenAi>(service_));
    for (const auto& dialect : dialects_) routes_[dialect.get()] = dialect->Routes();
    page_ = std::make_unique<const Page>(service_);
    AddOwn(routes_[dialects_.back().get()]);
    acceptor_ = std::make_unique<Acceptor>(std::move(entrance.listeners), options_.limits, *this,
                                           std::move(entrance.tls));
    acceptor_->Start();
    NotifyService("READY=1");
  }

  const ServerReach& reach() const override { return reach_; }

  void Drain(std::chrono::milliseconds grace) override {
    NotifyService("STOPPING=1");
    worker_.StopTaking();
    draining_ = true;
    acceptor_->Drain(grace);
    if (!acceptor_->WaitUntilIdle(grace)) {
      worker_.EndAll();
      // What they have is sent; a client that does not take it is not waited for.
      acceptor_->WaitUntilIdle(std::chrono::seconds(5));
    }
    acceptor_->Close();
  }

  void Admit(Request& request) override {
    access_.CheckHost(request);
    access_.CheckOrigin(request);
    if (request.method == "OPTIONS") return;
    const Found found = Find(request);
    if (found.route == nullptr || !found.route->open) request.owner = OwnerOf(request, found);
    if (found.route == nullptr) {
      if (!found.method.empty()) {
        throw Refusal(Reason::kMethodNotAllowed,
                      "expected " + found.method + ", found " + Shown(request.method));
      }
      throw Refusal(Reason::kNotFound, "nothing is served at '" + Shown(request.path) +
                                           "'; docs/server.md lists the paths");
    }
    if (!found.route->is_upload) Access::CheckContentType(request);
    const std::string* const coding = request.Find("Content-Encoding");
    if (coding != nullptr && *coding != "identity") {
      throw Refusal(
          Reason::kMediaType,
          "compressed bodies are not taken; found Content-Encoding '" + Shown(*coding) + "'");
    }
    if (found.route->is_upload) request.sink = SinkFor(request);
  }

  void Handle(const Request& request, Exchange& exchange) override {
    if (request.method == "OPTIONS") {
      if (request.Find("Origin") == nullptr) {
        throw Refusal(Reason::kMethodNotAllowed, "OPTIONS is for pages of an allowed origin");
      }
      return exchange.Send(access_.Preflight(request));
    }
    const Found found = Find(request);
    found.route->handle(request, found.name, exchange);
  }

  Response Refused(const Request& request, const Refusal& refusal) override {
    metrics_.CountRefusal(refusal.reason);
    Response response = Speaking(request).Refused(refusal);
    // Clients ask again after any 429 and 5xx unless they are told not to.
    const bool again = refusal.reason == Reason::kBusy || refusal.reason == Reason::kTooManyGuesses;
    response.headers.emplace_back("x-should-retry", again ? "true" : "false");
    if (again) response.headers.emplace_back("Retry-After", "1");
    if (refusal.reason == Reason::kInvalidKey) {
      response.headers.emplace_back("WWW-Authenticate", "Bearer");
    }
    return response;
  }

  Headers Common(const Request& request) override {
    Headers headers = access_.CrossOrigin(request);
    headers.emplace_back("x-request-id", request.id);
    headers.emplace_back("X-Content-Type-Options", "nosniff");
    return headers;
  }

  void Finished(const Request& request, int status, uint64_t bytes, double seconds) override {
    const Found found = Find(request);
    metrics_.Count(found.route == nullptr ? "other" : found.route->pattern, status, seconds);
    if (!options_.access_log) return;
    // The path without its query, which may hold a key.
    std::fprintf(stderr, "%s %s %s %s %d %llu bytes %.0f ms%s%s\n", request.id.c_str(),
                 request.peer.c_str(), Shown(request.method).c_str(), Shown(request.path).c_str(),
                 status, static_cast<unsigned long long>(bytes), seconds * 1000,
                 request.owner.empty() ? "" : " key ", request.owner.c_str());
  }

 private:
  struct Found {
    const Route* route = nullptr;
    std::string name = "";    // what the star of its pattern stands for
    std::string method = "";  // without a route: what another method of this path would be
  };

  std::string OwnerOf(const Request& request, const Found& found) {
    const bool asks = found.route != nullptr && found.route->owner_of != nullptr;
    const auto permitted = asks ? found.route->owner_of(request) : std::nullopt;
    return permitted ? *permitted : access_.CheckKey(request);
  }

  Found Find(const Request& request) const {
    Found found;
    for (const Dialect* const dialect : InOrder(request)) {
      for (const Route& route : routes_.at(dialect)) {
        const std::optional<std::string> name = Match(route.pattern, request.path);
        if (!name) continue;
        if (request.method == route.method || (request.method == "HEAD" && route.method == "GET")) {
          return {&route, *name};
        }
        if (found.method.empty()) found.method = route.method;
      }
    }
    return found;
  }

  std::shared_ptr<BodySink> SinkFor(const Request& request) const {
    const std::string* const type = request.Find("Content-Type");
    if (type == nullptr || !IsMultipart(*type)) return std::make_shared<Spool>(service_.disk);
    return std::make_shared<MultipartForm>(BoundaryOf(*type), options_.limits.form, service_.disk);
  }

  const Dialect& Speaking(const Request& request) const {
    for (const auto& dialect : dialects_) {
      if (dialect->Speaks(request)) return *dialect;
    }
    return *dialects_.back();
  }

  // Who speaks the request's dialect is asked first about its path.
  std::vector<const Dialect*> InOrder(const Request& request) const {
    std::vector<const Dialect*> order = {&Speaking(request)};
    for (const auto& dialect : dialects_) {
      if (dialect.get() != order.front()) order.push_back(dialect.get());
    }
    return order;
  }

  // What belongs to no dialect.
  void AddOwn(std::vector<Route>& routes) {
    for (Route& route : LoginRoutes(access_)) routes.push_back(std::move(route));
    routes.push_back({.method = "GET",
                      .pattern = "/health",
                      .handle = [this](const Request&, const std::string&,
                                       Exchange& exchange) { exchange.Send(Health()); },
                      .open = true});
    routes.push_back(
        {"GET", "/metrics", [this](const Request&, const std::string&, Exchange& exchange) {
           exchange.Send({.body = metrics_.Text(worker_.counts(), acceptor_->connections(),
                                                acceptor_->websockets(), acceptor_->body_bytes()),
                          .content_type = "text/plain; version=0.0.4; charset=utf-8"});
         }});
    for (Route& route : page_->Routes()) routes.push_back(std::move(route));
  }

  Response Health() {
    const WorkerCounts counts = worker_.counts();
    return {.status = draining_ ? 503 : 200,
            .body = JsonLine({{"status", draining_ ? "draining" : "ok"},
                              {"version", GEMMA3N_VERSION},
                              {"model", options_.model_name},
                              {"queue", counts.waiting},
                              {"active", counts.active}})};
  }

  const ServerOptions options_;
  const std::shared_ptr<Engine> engine_;
  MediaReader media_;
  FileStore files_;
  Worker worker_;
  Service service_;
  Access access_;
  Metrics metrics_;
  const ServerReach reach_;
  std::atomic<bool> draining_ = false;
  std::vector<std::unique_ptr<Dialect>> dialects_;  // the last one is for whoever speaks none
  std::map<const Dialect*, std::vector<Route>> routes_;
  std::unique_ptr<const Page> page_;
  std::unique_ptr<Acceptor> acceptor_;  // last: its threads use all of the above
};

}  // namespace
}  // namespace server

std::unique_ptr<Server> Server::Start(std::shared_ptr<Engine> engine,
                                      const ServerOptions& options) {
  ServerOptions completed = options;
  server::Entrance entrance = server::OpenEntrance(completed);
  return std::make_unique<server::HttpServer>(std::move(engine), completed, std::move(entrance));
}

std::string QrCodeForTerminal(const std::string& text) {
  return server::QrBlocks(text);
}

}  // namespace gemma3n
