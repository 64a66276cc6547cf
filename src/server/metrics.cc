// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "gemma3n/media.h"
#include "server/call.h"

namespace gemma3n::server {
namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

void Family(std::string& text, const char* name, const char* type, const char* help) {
  text += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void One(std::string& text, const char* name, const char* type, const char* help, double value) {
  Family(text, name, type, help);
  text += std::string(name) + " " + Number(value) + "\n";
}

// The memory of this process; 0 where /proc does not tell.
size_t ResidentBytes() {
  size_t total = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void Metrics::Count(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  Times& times = requests_[{route, status}];
  ++times.count;
  times.seconds += seconds;
}

void Metrics::CountRefusal(Reason reason) {
  const std::lock_guard lock(mutex_);
  ++refusals_[reason];
}

std::string Metrics::Text(const WorkerCounts& worker, size_t connections, size_t websockets,
                          uint64_t body_bytes) const {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    const auto each = [&](const char* name, const char* help, auto value) {
      Family(text, name, "counter", help);
      for (const auto& [key, times] : requests_) {
        text += std::string(name) + "{route=\"" + key.first + "\",status=\"" +
                std::to_string(key.second) + "\"} " + Number(value(times)) + "\n";
      }
    };
    each("gemma3n_requests_total", "Requests; status 0: the client left before an answer.",
         [](const Times& times) { return static_cast<double>(times.count); });
    each("gemma3n_request_seconds_total", "Time from a request's first byte to its answer's last.",
         [](const Times& times) { return times.seconds; });
    Family(text, "gemma3n_refused_total", "counter", "Requests that were refused, and why.");
    for (const auto& [reason, count] : refusals_) {
      text += std::string("gemma3n_refused_total{reason=\"") + NameOf(reason) + "\"} " +
              std::to_string(count) + "\n";
    }
  }
  const auto counter = [&](const char* name, const char* help, double value) {
    One(text, name, "counter", help, value);
  };
  const auto gauge = [&](const char* name, const char* help, size_t value) {
    One(text, name, "gauge", help, static_cast<double>(value));
  };
  counter("gemma3n_answers_total", "Answers that ended.", static_cast<double>(worker.answers));
  counter("gemma3n_cancelled_total", "Requests whose client left.",
          static_cast<double>(worker.cancelled));
  counter("gemma3n_prompt_tokens_total", "Tokens of prompts, those that were kept included.",
          static_cast<double>(worker.prompt_tokens));
  counter("gemma3n_cached_tokens_total", "Tokens of prompts that were kept from before.",
          static_cast<double>(worker.cached_tokens));
  counter("gemma3n_answer_tokens_total", "Tokens of answers.",
          static_cast<double>(worker.answer_tokens));
  counter("gemma3n_prefill_seconds_total", "Time for prompts, pictures and sound.",
          worker.prefill_seconds);
  counter("gemma3n_decode_seconds_total", "Time for answers; those that step together count each.",
          worker.decode_seconds);
  counter("gemma3n_waiting_seconds_total", "Time that requests waited for a session.",
          worker.waiting_seconds);
  counter("gemma3n_forbidden_decoder_calls_total",
          "Decoder processes that were ended for a call their sandbox forbids.",
          static_cast<double>(ForbiddenDecoderCalls()));
  counter("gemma3n_unknown_fields_total", "Fields of requests that were left alone as unknown.",
          static_cast<double>(CountUnknownFields()));
  gauge("gemma3n_sessions", "Answers that can be under way at one time.", worker.sessions);
  gauge("gemma3n_active_requests", "Requests that hold a session.", worker.active);
  gauge("gemma3n_waiting_requests", "Requests that wait for a session.", worker.waiting);
  gauge("gemma3n_cache_bytes", "Keys and values that are kept for later prompts.",
        static_cast<size_t>(worker.cache.bytes));
  gauge("gemma3n_cache_media_bytes", "Soft tokens of pictures and sound that are kept.",
        static_cast<size_t>(worker.cache.media_bytes));
  gauge("gemma3n_connections", "Open connections.", connections);
  gauge("gemma3n_websockets", "Connections that are WebSockets.", websockets);
  gauge("gemma3n_body_bytes", "Bytes of requests that are held.", body_bytes);
  gauge("process_resident_memory_bytes", "Memory of this process, mapped weights included.",
        ResidentBytes());
  return text;
}

}  // namespace gemma3n::server
