// SPDX-License-Identifier: Apache-2.0
// Beast parses from a buffer of ours, so that every wait, limit and byte is in our hands. What it
// lets pass is refused here: a missing or second Host, transfer codings other than chunked, second
// lengths, lengths that are lists.
#include "server/http.h"

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <cctype>
#include <ctime>
#include <random>

#include "server/frames.h"

namespace gemma3n::server {
namespace {

namespace http = boost::beast::http;
using std::chrono::milliseconds;

constexpr size_t kPieceBytes = 64 << 10;       // read at a time; also the longest line of a chunk
constexpr uint64_t kLingerBytes = 128u << 20;  // dropped of what a refused client still sends
constexpr milliseconds kLinger(5000), kGlance(250);

// What has come of a body and was not taken away yet. Unlike Beast's own string, memory is not
// reserved for what a client merely says will come.
struct PieceBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool is_request, class Fields>
    reader(http::header<is_request, Fields>&, std::string& body) : body_(body) {}
    void init(const boost::optional<uint64_t>&, boost::system::error_code& error) { error = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      const size_t before = body_.size();
      for (const boost::asio::const_buffer piece : boost::beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(piece.data()), piece.size());
      }
      return body_.size() - before;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    std::string& body_;
  };
};
using Parser = http::request_parser<PieceBody>;

milliseconds Milliseconds(double seconds) {
  return milliseconds(static_cast<int64_t>(seconds * 1000));
}

bool EqualWithoutCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

std::string NewId() {
  static thread_local std::mt19937_64 random(std::random_device{}());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  for (uint64_t number = random(), i = 0; i < 16; ++i, number >>= 4) id += kDigits[number & 15];
  return id;
}

std::string DateLine() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  std::strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  return text;
}

// A refusal that this file makes: its status may be one that no dialect knows.
struct BadRequest {
  int status;
  std::string message;
  Headers headers = {};
};

class Connection : public Exchange {
 public:
  Connection(Socket& socket, std::string peer, Connections& shared)
      : socket_(socket),
        peer_(std::move(peer)),
        shared_(shared),
        limits_(shared.limits),
        pace_{std::chrono::duration<double>(limits_.stalled_seconds),
              limits_.body_bytes_per_second} {}
  ~Connection() override { shared_.body_bytes -= held_bytes_; }

  // Reads a request and answers it; false when it was the last one.
  bool ServeOne() {
    if (!AwaitRequest()) return false;
    began_ = Clock::now();
    request_ = {.id = NewId(), .peer = peer_};
    status_ = 0;
    sent_bytes_ = 0;
    pace_.left = pace_.most;
    streams_ = keep_alive_ = complete_ = is_websocket_ = false;
    try {
      if (ReadRequest()) {
        shared_.handler.Handle(request_, *this);
        if (streams_ && chunked_) Put("0\r\n\r\n");
      }
    } catch (const BadRequest& bad) {
      Refuse(bad.status, Refusal(Reason::kBadFraming, bad.message), bad.headers);
    } catch (const Refusal& refusal) {
      Refuse(StatusOf(refusal.reason), refusal);
    } catch (const std::exception&) {
      const Refusal refusal = AsRefusal(std::current_exception());
      Refuse(StatusOf(refusal.reason), refusal);
    }
    ForgetBody(0);
    if (is_websocket_) --shared_.websockets;
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    if (status_ != 0 || !request_.method.empty()) {
      shared_.handler.Finished(request_, status_, sent_bytes_, seconds);
    }
    return keep_alive_ && !failed_ && !shared_.closing.begun;
  }

  void Send(const Response& response) override {
    std::string text = Head(response);
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
    if (request_.method != "HEAD") text += response.body;
    Put(text);
  }

  bool BeginStream(const Response& head) override {
    streams_ = true;
    chunked_ = version_ == 11;
    if (!chunked_) keep_alive_ = false;
    return Put(Head(head) + (chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
  }

  bool Write(std::string_view piece) override {
    if (piece.empty()) return !failed_;
    if (!chunked_) return Put(piece);
    char size[24];
    std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
    return Put(size + std::string(piece) + "\r\n");
  }

  bool ClientIsGone() const override { return failed_ || socket_.IsLeft(); }

  void ForgetBody(uint64_t kept_bytes) override {
    std::string().swap(request_.body);
    request_.sink = nullptr;
    shared_.body_bytes += kept_bytes - std::exchange(held_bytes_, kept_bytes);
  }

  std::unique_ptr<WebSocket> Upgrade(const std::string& subprotocol) override {
    const std::string accept = CheckUpgrade();
    if (++shared_.websockets > limits_.websockets) {
      --shared_.websockets;
      throw Refusal(Reason::kBusy, "there are " + std::to_string(limits_.websockets) +
                                       " WebSockets, the most this server has");
    }
    is_websocket_ = true;
    keep_alive_ = false;
    Response head{.status = 101,
                  .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", accept}},
                  .content_type = ""};
    if (!subprotocol.empty()) head.headers.emplace_back("Sec-WebSocket-Protocol", subprotocol);
    Put(Head(head) + "\r\n");
    return MakeWebSocket(socket_, std::exchange(pending_, {}), limits_, shared_.closing,
                         sent_bytes_);
  }

 private:
  // Waits for the first byte of a request; in glances, since the service may close meanwhile. One
  // that closes still takes the first request of whoever comes.
  bool AwaitRequest() {
    const auto end = Clock::now() + Milliseconds(limits_.idle_seconds);
    while (pending_.empty()) {
      if (socket_.Read(pending_, kPieceBytes, Clock::now() + kGlance) == Socket::Outcome::kEnd) {
        return false;
      }
      if (pending_.empty() && (shared_.closing.begun || Clock::now() >= end)) return false;
    }
    return true;
  }

  // False when the client has gone.
  bool ReadRequest() {
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(limits_.header_bytes));
    parser.body_limit(UINT64_MAX);  // the real one is known once it is admitted
    if (!ReadHead(parser)) return false;
    TakeHead(parser);
    shared_.handler.Admit(request_);
    // The handler is asked first: whoever may not speak learns nothing of our limits.
    most_body_bytes_ = request_.sink == nullptr ? limits_.body_bytes : limits_.upload_bytes;
    if (parser.content_length().value_or(0) > most_body_bytes_) throw TooLarge();
    parser.body_limit(most_body_bytes_);
    if (!ReadBody(parser)) return false;
    request_.body = std::move(parser.get().body());
    if (request_.sink != nullptr) request_.sink->End();
    keep_alive_ = version_ == 11 && parser.keep_alive();
    complete_ = true;
    return true;
  }

  Refusal TooLarge() const {
    return {Reason::kTooLarge, "the body is larger than " + std::to_string(most_body_bytes_) +
                                   " bytes, the most this server takes"};
  }

  // Gives the parser what is pending. True when it wants more.
  bool Parse(Parser& parser) {
    boost::system::error_code error;
    const size_t used = parser.put(boost::asio::buffer(pending_), error);
    pending_.erase(0, used);
    if (error == http::error::need_more) return true;
    if (error == http::error::body_limit) {
      throw TooLarge();
    } else if (error == http::error::header_limit) {
      throw BadRequest{431, "the headers are larger than " + std::to_string(limits_.header_bytes) +
                                " bytes, the most this server takes"};
    } else if (error) {
      throw BadRequest{400, "not a request of HTTP/1.1 or HTTP/1.0: " + error.message()};
    }
    return false;
  }

  bool ReadHead(Parser& parser) {
    const auto deadline = began_ + Milliseconds(limits_.header_seconds);
    while (true) {
      if (!pending_.empty()) {
        const bool more = Parse(parser);
        if (parser.is_header_done()) return true;
        if (!more && !pending_.empty()) continue;
      }
      switch (socket_.Read(pending_, kPieceBytes, deadline)) {
        case Socket::Outcome::kEnd:
          return false;
        case Socket::Outcome::kLate:
          throw BadRequest{408, "the headers did not come in time"};
        case Socket::Outcome::kDone:
          break;
      }
    }
  }

  void TakeHead(const Parser& parser) {
    const auto& message = parser.get();
    version_ = static_cast<int>(message.version());
    request_.method = std::string(message.method_string());
    const std::string target(message.target());
    if (target.size() > limits_.line_bytes) throw BadRequest{414, "the target is too long"};
    const size_t question = target.find('?');
    request_.path = target.substr(0, question);
    if (question != std::string::npos) request_.query = target.substr(question + 1);
    // Google's JavaScript client doubles the slash that begins the path of a WebSocket.
    if (request_.path.starts_with("//ws/")) request_.path.erase(0, 1);
    for (const auto& field : message) {
      request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    CheckHead();
  }

  size_t Count(std::string_view name) const {
    return static_cast<size_t>(
        std::count_if(request_.headers.begin(), request_.headers.end(),
                      [&](const auto& field) { return EqualWithoutCase(field.first, name); }));
  }

  void CheckHead() const {
    if (request_.headers.size() > limits_.header_fields) {
      throw BadRequest{431, "more than " + std::to_string(limits_.header_fields) +
                                " header fields, the most this server takes"};
    }
    for (const auto& [name, value] : request_.headers) {
      if (name.size() + value.size() > limits_.line_bytes) {
        throw BadRequest{431, "a header field is larger than " +
                                  std::to_string(limits_.line_bytes) +
                                  " bytes, the most this server takes"};
      }
    }
    if (request_.path.empty() || request_.path[0] != '/') {
      throw BadRequest{400, "expected a target that begins with '/'"};
    }
    const std::string* const host = request_.Find("Host");
    if (Count("Host") != 1 || host->empty()) {
      throw BadRequest{400, "expected one Host field, found " + std::to_string(Count("Host")) +
                                (host != nullptr && host->empty() ? " that is empty" : "")};
    }
    const std::string* const coding = request_.Find("Transfer-Encoding");
    if (Count("Content-Length") + Count("Transfer-Encoding") > 1) {
      throw BadRequest{400, "more than one Content-Length or Transfer-Encoding"};
    }
    if (coding != nullptr && (!EqualWithoutCase(*coding, "chunked") || version_ == 10)) {
      throw BadRequest{400, "expected Transfer-Encoding: chunked, the only one served"};
    }
    const std::string* const length = request_.Find("Content-Length");
    if (length != nullptr && length->find_first_not_of("0123456789") != std::string::npos) {
      throw BadRequest{400, "expected one number as Content-Length"};  // Beast takes "5,5"
    }
    const std::string* const expect = request_.Find("Expect");
    if (expect != nullptr && !EqualWithoutCase(*expect, "100-continue")) {
      throw BadRequest{417, "expected Expect: 100-continue or none"};
    }
  }

  bool Lists(std::string_view name, std::string_view element) const {
    const std::vector<std::string> list = request_.List(name);
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& one) { return EqualWithoutCase(one, element); });
  }

  // What the answer to a request for a WebSocket has to say (RFC 6455, 4.2).
  std::string CheckUpgrade() const {
    const Headers ours = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}};
    if (!Lists("Upgrade", "websocket") || !Lists("Connection", "Upgrade")) {
      throw BadRequest{426, "this is a WebSocket: expected Upgrade: websocket", ours};
    }
    const std::string* const version = request_.Find("Sec-WebSocket-Version");
    if (version == nullptr || *version != "13") {
      throw BadRequest{426, "expected Sec-WebSocket-Version: 13", ours};
    }
    if (request_.method != "GET" || version_ != 11) {
      throw BadRequest{400, "expected GET and HTTP/1.1 for a WebSocket"};
    }
    if (!request_.body.empty()) throw BadRequest{400, "a body with the request for a WebSocket"};
    const std::string* const key = request_.Find("Sec-WebSocket-Key");
    const auto accept = key == nullptr ? std::nullopt : AcceptKey(*key);
    if (!accept || Count("Sec-WebSocket-Key") != 1) {
      throw BadRequest{400, "expected one Sec-WebSocket-Key of 16 bytes in base64"};
    }
    return *accept;
  }

  bool ReadBody(Parser& parser) {
    parser.eager(true);
    const auto begin = Clock::now();
    uint64_t received = pending_.size();
    bool continued = request_.Find("Expect") == nullptr;
    while (!parser.is_done()) {
      const bool more = pending_.empty() || Parse(parser);
      TakeBody(parser.get().body());
      if (parser.is_done()) break;
      if (!more && !pending_.empty()) continue;
      if (pending_.size() >= kPieceBytes) throw BadRequest{400, "a chunk's line is too long"};
      if (!continued) Put("HTTP/1.1 100 Continue\r\n\r\n");
      continued = true;
      const double patience = limits_.body_grace_seconds +
                              static_cast<double>(received) / limits_.body_bytes_per_second;
      const size_t before = pending_.size();
      switch (socket_.Read(pending_, kPieceBytes - before, begin + Milliseconds(patience))) {
        case Socket::Outcome::kEnd:
          return false;
        case Socket::Outcome::kLate:
          throw BadRequest{408, "the body comes too slowly"};
        case Socket::Outcome::kDone:
          received += pending_.size() - before;
      }
    }
    return true;
  }

  void TakeBody(std::string& body) {
    if (request_.sink == nullptr) return Hold(body.size());
    if (!body.empty()) request_.sink->Take(body);
    body.clear();
  }

  // Counts what this body holds towards what all of them may.
  void Hold(uint64_t bytes) {
    shared_.body_bytes += bytes - held_bytes_;
    held_bytes_ = bytes;
    if (shared_.body_bytes > limits_.all_bodies_bytes) {
      throw Refusal(Reason::kBusy, "other requests fill the memory that this server has for them");
    }
  }

  // Tells why. Where the request did not come to its end, the connection does: what the client
  // still sends could not be told from a request. It is read and dropped for a while, else the
  // client would see a reset instead of the answer.
  void Refuse(int status, const Refusal& refusal, const Headers& headers = {}) {
    ForgetBody(0);
    Response response = shared_.handler.Refused(request_, refusal);
    response.status = status;
    response.headers.insert(response.headers.end(), headers.begin(), headers.end());
    if (status_ != 0) {  // something went wrong behind the answer's beginning: it is cut short
      failed_ = true;
      return;
    }
    Send(response);
    if (complete_) return;
    socket_.ShutDownWriting();
    const auto end = Clock::now() + kLinger;
    std::string dropped;
    for (uint64_t bytes = 0; bytes < kLingerBytes; bytes += dropped.size()) {
      dropped.clear();
      if (socket_.Read(dropped, kPieceBytes, end) != Socket::Outcome::kDone) break;
    }
  }

  std::string Head(const Response& response) {
    status_ = response.status;
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       std::string(http::obsolete_reason(
                           http::int_to_status(static_cast<unsigned>(response.status)))) +
                       "\r\n" + DateLine();
    if (!response.content_type.empty()) text += "Content-Type: " + response.content_type + "\r\n";
    for (const Headers& headers : {shared_.handler.Common(request_), response.headers}) {
      for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    }
    if (shared_.closing.begun) keep_alive_ = false;
    text += is_websocket_ ? "Connection: Upgrade\r\n"
            : keep_alive_ ? "Connection: keep-alive\r\n"
                          : "Connection: close\r\n";
    return text;
  }

  bool Put(std::string_view text) {
    if (failed_) return false;
    failed_ = socket_.Write(text, pace_) != Socket::Outcome::kDone;
    if (!failed_) sent_bytes_ += text.size();
    return !failed_;
  }

  Socket& socket_;
  const std::string peer_;
  Connections& shared_;
  const ServerLimits& limits_;
  std::string pending_;  // came and is not parsed yet
  bool failed_ = false;  // the client takes nothing any more, or too little
  Pace pace_;            // of the answer under way

  Request request_;  // the one under way, and what becomes of it
  Clock::time_point began_;
  int version_ = 11;
  int status_ = 0;
  std::atomic<uint64_t> sent_bytes_ = 0;
  uint64_t held_bytes_ = 0;
  uint64_t most_body_bytes_ = 0;
  bool complete_ = false, keep_alive_ = false, streams_ = false, chunked_ = false,
       is_websocket_ = false;
};

}  // namespace

const std::string* Request::Find(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualWithoutCase(key, name)) return &value;
  }
  return nullptr;
}

std::vector<std::string> Request::List(std::string_view name) const {
  std::vector<std::string> elements;
  for (const auto& [key, value] : headers) {
    if (!EqualWithoutCase(key, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view element = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), element.size() + 1));
      const size_t begin = std::min(element.find_first_not_of(" \t"), element.size());
      element.remove_prefix(begin);
      const size_t end = element.find_last_not_of(" \t");
      if (end != std::string_view::npos) elements.emplace_back(element.substr(0, end + 1));
    }
  }
  return elements;
}

void ServeConnection(Socket& socket, const std::string& peer, Connections& shared) {
  Connection connection(socket, peer, shared);
  while (connection.ServeOne()) {
  }
}

}  // namespace gemma3n::server
