// SPDX-License-Identifier: Apache-2.0
// Why a request is not served: one set of reasons for all dialects, each of which gives them its
// own dress.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gemma3n::server {

enum class Reason {
  kBadFraming,   // not HTTP as it should be
  kInvalidJson,  // 400 from here
  kInvalidValue,
  kUnsupportedValue,  // we know what it means and cannot do it
  kMissing,
  kInvalidJsonSchema,  // what is asked of the answer cannot be held to
  kPreviousNotFound,   // the response to go on from
  kInvalidImage,
  kInvalidAudio,
  kInvalidVideo,
  kContextLength,
  kInvalidKey,     // 401
  kNotAllowed,     // 403: host or origin
  kModelNotFound,  // 404
  kNotFound,
  kMethodNotAllowed,  // 405
  kTooLarge,          // 413
  kMediaType,         // 415
  kTooManyGuesses,    // 429
  kBusy,
  kFull,      // what the client keeps here leaves no room: asking again is of no use
  kDraining,  // 503
  kOutOfMemory,
  kInternal,   // 500
  kNotServed,  // 501: a part of a dialect that we leave out
};

struct Refusal : std::runtime_error {
  // `param` is the path of the field that is wrong, such as "messages[0].content"; may be empty.
  Refusal(Reason why, const std::string& message, std::string path = "")
      : std::runtime_error(message), reason(why), param(std::move(path)) {}
  Reason reason;
  std::string param;
};

// The status of HTTP that tells it.
int StatusOf(Reason reason);
// As metrics call it: "invalid_json".
const char* NameOf(Reason reason);

// What was thrown, as a refusal: what the engine says about a request is told, what it says about
// the machine and its files goes to standard error alone.
Refusal AsRefusal(std::exception_ptr error);

// A piece of a request as it may stand in a message: at most 60 bytes, controls made visible.
std::string Shown(std::string_view text);

}  // namespace gemma3n::server
