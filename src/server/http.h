// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on one connection: strict framing, limits and deadlines, answers in one piece or as a
// stream. The library that parses (Boost.Beast) is known to http.cc alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3n/server.h"
#include "server/refusal.h"
#include "server/socket.h"
#include "server/websocket.h"

namespace gemma3n::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Takes a body piece by piece while it comes.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Both throw Refusal, which ends the request.
  virtual void Take(std::string_view piece) = 0;
  virtual void End() = 0;  // all of it has come
};

struct Request {
  std::string id;      // ours, of 16 hex digits
  std::string method;  // "GET"
  std::string path;    // as it came, without the query
  std::string query;   // without its question mark
  Headers headers;
  std::string body;
  std::string peer;   // the client's address, without its port
  std::string owner;  // whose key it came with; set by the one who checks keys
  // Where a body of at most ServerLimits::upload_bytes goes instead of into `body`; set by the one
  // who admits the request, null where it is to be held in memory.
  std::shared_ptr<BodySink> sink = nullptr;

  // Names compare without regard to case; nullptr when there is none.
  const std::string* Find(std::string_view name) const;
  // The elements of a field that is a list ("a, b"), of all the fields of that name.
  std::vector<std::string> List(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = "";
  std::string content_type = "application/json";
};

// The way back to the client. The one who handles a request answers exactly once.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void Send(const Response& response) = 0;
  // An answer that comes in pieces: its status and headers, then the pieces. False when the client
  // is gone or reads nothing any more.
  virtual bool BeginStream(const Response& head) = 0;
  virtual bool Write(std::string_view piece) = 0;
  virtual bool ClientIsGone() const = 0;
  // The request's body is read and not needed any more, though its answer may take long: it is
  // freed, and counts only for what is kept of it elsewhere until the answer has ended.
  virtual void ForgetBody(uint64_t kept_bytes) = 0;
  // Makes the connection a WebSocket, which is to end before the request's handling does. The
  // answer names `subprotocol`, one of those that the request lists (Sec-WebSocket-Protocol), or
  // none if it is "". Throws what makes a refusal: the request asks for no WebSocket or not as RFC
  // 6455 has it, or there are too many.
  virtual std::unique_ptr<WebSocket> Upgrade(const std::string& subprotocol) = 0;
};

// What a connection asks of the service. Called from the connections' threads.
class Handler {
 public:
  virtual ~Handler() = default;
  // Once the headers are known and before the body is read; throws Refusal. May set the owner
  // and the sink.
  virtual void Admit(Request& request) = 0;
  virtual void Handle(const Request& request, Exchange& exchange) = 0;
  // A refusal in the dress of the dialect that the request speaks.
  virtual Response Refused(const Request& request, const Refusal& refusal) = 0;
  // Headers that go with every answer to this request.
  virtual Headers Common(const Request& request) = 0;
  // After the answer; status 0 when the client went away before one.
  virtual void Finished(const Request& request, int status, uint64_t bytes, double seconds) = 0;
};

// What the connections of a service share.
struct Connections {
  const ServerLimits& limits;
  Handler& handler;
  Closing closing = {};                  // since it has begun, a connection has one request
  std::atomic<uint64_t> body_bytes = 0;  // of all bodies that are held
  std::atomic<size_t> websockets = 0;
};

// Serves the connection until one side ends it.
void ServeConnection(Socket& socket, const std::string& peer, Connections& shared);

}  // namespace gemma3n::server
