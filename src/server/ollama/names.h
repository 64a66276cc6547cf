// SPDX-License-Identifier: Apache-2.0
// The names by which Ollama's clients call the model: those it is served under, with their tags,
// and those that clients have made of it.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "server/chat.h"
#include "server/json.h"

namespace gemma3n::server {

// What a name stands for: always the one model, asked in a certain way.
struct OllamaName {
  std::string name;    // with its tag
  std::string parent;  // the name that it was made from; empty for those it is served under
  std::string system = "";
  std::string options = "{}";  // JSON; a request's own come before them
  std::chrono::system_clock::time_point modified_at = {};
};

// Safe to use from several threads.
class OllamaNames {
 public:
  // Names that were made before are read from the options' state directory, where one is given.
  // Throws Error (kResources) for a file that is not as Save left it.
  explicit OllamaNames(const Service& service);

  // Throws Refusal (kModelNotFound).
  OllamaName Find(const std::string& name) const;
  std::vector<OllamaName> All() const;

  // Both throw Refusal (kInvalidValue) for what is no name, for one that the model is served under,
  // and past 64 of them.
  void Make(OllamaName made);
  // Throws also Refusal (kModelNotFound).
  void Copy(const std::string& source, const std::string& destination);
  // Of the files nothing goes. Throws Refusal (kModelNotFound, kInvalidValue).
  void Delete(const std::string& name);

 private:
  std::vector<std::string> Served() const;
  void Read();
  void Save(const std::map<std::string, OllamaName>& made) const;

  const Service& service_;
  mutable std::mutex mutex_;
  std::map<std::string, OllamaName> made_;
};

}  // namespace gemma3n::server
