// SPDX-License-Identifier: Apache-2.0
#include "server/refusal.h"

#include <cstdio>
#include <new>

#include "gemma3n/error.h"

namespace gemma3n::server {
namespace {

// What no client is told, whoever runs the service should read.
void Log(const std::string& message) {
  std::fprintf(stderr, "gemma3n: %s\n", message.c_str());
}

}  // namespace

int StatusOf(Reason reason) {
  switch (reason) {
    case Reason::kBadFraming:
    case Reason::kInvalidJson:
    case Reason::kInvalidValue:
    case Reason::kUnsupportedValue:
    case Reason::kMissing:
    case Reason::kInvalidJsonSchema:
    case Reason::kPreviousNotFound:
    case Reason::kInvalidImage:
    case Reason::kInvalidAudio:
    case Reason::kInvalidVideo:
    case Reason::kContextLength:
      return 400;
    case Reason::kInvalidKey:
      return 401;
    case Reason::kNotAllowed:
      return 403;
    case Reason::kModelNotFound:
    case Reason::kNotFound:
      return 404;
    case Reason::kMethodNotAllowed:
      return 405;
    case Reason::kTooLarge:
      return 413;
    case Reason::kMediaType:
      return 415;
    case Reason::kTooManyGuesses:
    case Reason::kBusy:
    case Reason::kFull:
      return 429;
    case Reason::kDraining:
    case Reason::kOutOfMemory:
      return 503;
    case Reason::kInternal:
      return 500;
    case Reason::kNotServed:
      return 501;
  }
  return 500;
}

const char* NameOf(Reason reason) {
  switch (reason) {
    case Reason::kBadFraming:
      return "bad_framing";
    case Reason::kInvalidJson:
      return "invalid_json";
    case Reason::kInvalidValue:
      return "invalid_value";
    case Reason::kUnsupportedValue:
      return "unsupported_value";
    case Reason::kMissing:
      return "missing";
    case Reason::kInvalidJsonSchema:
      return "invalid_json_schema";
    case Reason::kPreviousNotFound:
      return "previous_not_found";
    case Reason::kInvalidImage:
      return "invalid_image";
    case Reason::kInvalidAudio:
      return "invalid_audio";
    case Reason::kInvalidVideo:
      return "invalid_video";
    case Reason::kContextLength:
      return "context_length";
    case Reason::kInvalidKey:
      return "invalid_key";
    case Reason::kNotAllowed:
      return "not_allowed";
    case Reason::kModelNotFound:
      return "model_not_found";
    case Reason::kNotFound:
      return "not_found";
    case Reason::kMethodNotAllowed:
      return "method_not_allowed";
    case Reason::kTooLarge:
      return "too_large";
    case Reason::kMediaType:
      return "media_type";
    case Reason::kTooManyGuesses:
      return "too_many_guesses";
    case Reason::kBusy:
      return "busy";
    case Reason::kFull:
      return "full";
    case Reason::kDraining:
      return "draining";
    case Reason::kOutOfMemory:
      return "out_of_memory";
    case Reason::kInternal:
      return "internal";
    case Reason::kNotServed:
      return "not_served";
  }
  return "internal";
}

Refusal AsRefusal(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Refusal& refusal) {
    return refusal;
  } catch (const Error& ours) {
    switch (ours.kind()) {
      case ErrorKind::kUsage:
      case ErrorKind::kRequest:
        return {Reason::kInvalidValue, ours.what()};
      case ErrorKind::kMedia:
        return {Reason::kInvalidImage, ours.what()};
      case ErrorKind::kResources:
        Log(ours.what());
        return {Reason::kOutOfMemory, "not enough memory for this request"};
      case ErrorKind::kModel:
      case ErrorKind::kInternal:
        Log(ours.what());
        break;
    }
  } catch (const std::bad_alloc&) {
    Log("not enough memory");
    return {Reason::kOutOfMemory, "not enough memory for this request"};
  } catch (const std::exception& other) {
    Log(Shown(other.what()));
  }
  return {Reason::kInternal, "internal error; the server's log says more"};
}

std::string Shown(std::string_view text) {
  constexpr size_t kMostBytes = 60;
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (shown.size() >= kMostBytes && (byte & 0xC0) != 0x80) return shown + "...";
    constexpr char kDigits[] = "0123456789abcdef";
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {  // controls beyond ASCII
      shown += std::string("\\u00") + kDigits[next >> 4] + kDigits[next & 15];
      ++i;
    } else if (byte < 0x20 || byte == 0x7f) {
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    } else {
      shown += text[i];
    }
  }
  return shown;
}

}  // namespace gemma3n::server
