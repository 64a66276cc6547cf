// SPDX-License-Identifier: Apache-2.0
// A WebSocket whose client sends the lines of a text, one message each, and leaves.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "server/websocket.h"

namespace gemma3n::server {

class LinesSocket : public WebSocket {
 public:
  explicit LinesSocket(std::string_view text) : text_(text) {}

  std::optional<Clock::time_point> ends_at() const override { return std::nullopt; }
  // An empty line: nothing comes for a while, so that answers go on.
  Outcome Read(Message& message, Clock::time_point deadline) override {
    if (closed_ || (text_.empty() && !held_)) return Outcome::kClosed;
    if (!held_) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      message = {.data = std::string(text_.substr(0, end))};
      text_.remove_prefix(std::min(end + 1, text_.size()));
      if (end > 0) return Outcome::kMessage;
    }
    std::this_thread::sleep_until(std::min(deadline, Clock::now() + std::chrono::milliseconds(3)));
    return Outcome::kLate;
  }
  void Hold(bool held) override { held_ = held; }
  // What is sent is an event, whatever came, and never that something went wrong in here.
  bool Send(std::string_view text) override {
    const nlohmann::json event = nlohmann::json::parse(text);
    if (!event.is_object()) std::abort();
    if (event.contains("error") && IsFailure(event["error"].value("message", ""))) std::abort();
    return !closed_;
  }
  void Close(int, std::string_view reason) override {
    if (IsFailure(reason)) std::abort();
    closed_ = true;
  }

 private:
  // Behind other words it is what somebody has said.
  static bool IsFailure(std::string_view message) {
    return message.starts_with("internal error; the server's log");
  }

  std::string_view text_;
  bool closed_ = false, held_ = false;
};

}  // namespace gemma3n::server
