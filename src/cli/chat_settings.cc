// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_settings.h"

#include <sstream>

#include "cli/schema_file.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

// A setting's name and value, for the messages.
struct Request {
  const std::string& name;
  const std::string& value;

  [[noreturn]] void Refuse(const std::string& expected) const {
    throw Error(ErrorKind::kUsage,
                "/set " + name + ": expected " + expected + ", found '" + value + "'");
  }
  double Number(double least, double most) const {
    const std::optional<double> number = ParseNumber(value);
    if (!number || *number < least || *number > most) Refuse("a number in range");
    return *number;
  }
  int64_t Count() const {
    const std::optional<uint64_t> number = ParseSeed(value);
    if (!number || *number > 1'000'000'000) Refuse("a number in range");
    return static_cast<int64_t>(*number);
  }
  bool Switch() const {
    if (value != "on" && value != "off") Refuse("on or off");
    return value == "on";
  }
};

template <class T>
std::string Shown(const std::optional<T>& value, const char* unset) {
  if (!value) return unset;
  std::ostringstream text;
  text << *value;
  return text.str();
}

}  // namespace

void ChatSettings::Set(const std::string& name, const std::string& value) {
  const Request request{name, value};
  SamplingOptions& sampling = options.sampling;
  if (name == "temp") {
    sampling.temperature = request.Number(0, 100);
  } else if (name == "top-k") {
    sampling.top_k = request.Count();
  } else if (name == "top-p") {
    sampling.top_p = request.Number(1e-9, 1);
  } else if (name == "min-p") {
    sampling.min_p = request.Number(0, 1);
  } else if (name == "repeat-penalty") {
    sampling.repetition_penalty = request.Number(0.001, 1000);
  } else if (name == "seed") {
    sampling.seed = ParseSeed(value);
    if (!sampling.seed && value != "random") request.Refuse("a number, or random");
  } else if (name == "max-tokens") {
    options.max_tokens = request.Count();
  } else if (name == "stop") {
    options.stop.clear();
    if (!value.empty()) options.stop.push_back(value);
  } else if (name == "schema") {
    options.constraint = value == "off"      ? nullptr
                         : value == "object" ? Constraint::JsonObject()
                                             : ReadSchema(value);
    schema = value == "off" ? "" : value;
  } else if (name == "stats") {
    output.stats = request.Switch();
  } else if (name == "ask") {
    ask = value;
  } else if (name == "history") {
    history = request.Switch();
  } else {
    throw Error(ErrorKind::kUsage, "/set " + name + ": no such setting; /set alone lists them");
  }
}

std::string ChatSettings::List() const {
  const SamplingOptions& sampling = options.sampling;
  std::ostringstream text;
  text << "temp " << Shown(sampling.temperature, "the model's") << "  top-k "
       << Shown(sampling.top_k, "the model's") << "  top-p " << Shown(sampling.top_p, "the model's")
       << "  min-p " << sampling.min_p << "  repeat-penalty " << sampling.repetition_penalty
       << "\nseed " << Shown(sampling.seed, "random") << "  max-tokens " << options.max_tokens
       << "  stats " << (output.stats ? "on" : "off") << "  history " << (history ? "on" : "off")
       << "\nstop";
  if (options.stop.empty()) text << " (none)";
  for (const std::string& stop : options.stop) text << " '" << OneLine(stop) << "'";
  text << "\nschema "
       << (options.constraint == nullptr ? "off"
           : schema.empty()              ? "as given"
                                         : OneLine(schema));
  text << "\nask " << (ask.empty() ? "(none)" : OneLine(ask));
  return text.str();
}

}  // namespace gemma3n::cli
