// SPDX-License-Identifier: Apache-2.0
// What a client may send on one connection, until it ends.
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/http.h"

namespace {

using namespace gemma3n::server;

// Nothing reaches it that is not a request of HTTP within the limits.
class Checker : public Handler {
 public:
  explicit Checker(const gemma3n::ServerLimits& limits) : limits_(limits) {}
  void Admit(Request& request) override {
    size_t hosts = 0;
    for (const auto& [name, value] : request.headers) {
      for (const char c : name + value) Expect(c != '\n' && c != '\r' && c != '\0');
      hosts +=
          name.size() == 4 && (name[0] == 'H' || name[0] == 'h') && request.Find(name) != nullptr;
    }
    Expect(hosts >= 1 && request.headers.size() <= limits_.header_fields);
    Expect(request.path.starts_with("/") && !request.method.empty());
  }
  void Handle(const Request& request, Exchange& exchange) override {
    Expect(request.body.size() <= limits_.body_bytes);
    if (request.path.starts_with("/ws")) return Listen(*exchange.Upgrade(""));
    if (request.path.size() % 2 == 0) return exchange.Send({.body = request.body});
    if (exchange.BeginStream({})) exchange.Write(request.body);
  }
  Response Refused(const Request&, const Refusal& refusal) override {
    return {.body = refusal.what()};
  }
  Headers Common(const Request&) override { return {}; }
  void Finished(const Request&, int, uint64_t, double) override {}

 private:
  // Until the bytes are at their end.
  static void Listen(WebSocket& socket) {
    for (WebSocket::Message message;
         socket.Read(message, Clock::time_point::max()) == WebSocket::Outcome::kMessage;) {
      socket.Send(message.data.substr(0, 1000));
    }
  }
  static void Expect(bool holds) {
    if (!holds) std::abort();
  }
  const gemma3n::ServerLimits& limits_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Answers that fill the socket, which nobody reads, end the connection at once.
  static const gemma3n::ServerLimits limits{
      .header_bytes = 4096, .header_fields = 20, .body_bytes = 10000, .stalled_seconds = 0.001};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 0;
  Socket client(ends[0]), server(ends[1]);
  client.Write(std::string_view(reinterpret_cast<const char*>(data), size),
               std::chrono::milliseconds(1));
  client.ShutDownWriting();
  Checker checker(limits);
  Connections shared{limits, checker};
  ServeConnection(server, "", shared);
  if (shared.body_bytes != 0) std::abort();
  return 0;
}
