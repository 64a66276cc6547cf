// SPDX-License-Identifier: Apache-2.0
// The web page and what it asks beyond OpenAI's dialect: its files, facts of the model, a result of
// `gemma3n lab`, tokens counted before they are sent. web/ is the other half.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/http.h"

namespace gemma3n::server {

class Page {
 public:
  // Reads the result of `gemma3n lab`, where the options name one. Throws Error (kUsage) for what
  // is none, or of another model.
  explicit Page(const Service& service);

  // "/" for browsers, what lies below "/page/", "/tokenize" and "/detokenize".
  std::vector<Route> Routes() const;

 private:
  Response File(const Request& request) const;
  Response Home(const Request& request) const;
  Response LabResult() const;
  Response Certificate() const;
  Response QrPicture() const;
  // How many tokens a conversation is, in the body of chat completions, by what they stand for.
  Response Count(const Request& request) const;

  const Service& service_;
  const std::string info_, lab_;   // JSON; `lab_` is empty where there is none
  const std::string certificate_;  // PEM; empty where it is not the server's own
};

}  // namespace gemma3n::server
