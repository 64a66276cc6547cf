// SPDX-License-Identifier: Apache-2.0
// One of the languages that clients speak to the service: its paths, and how it says no.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"
#include "server/refusal.h"

namespace gemma3n::server {

struct Route {
  std::string method;   // "GET" also answers HEAD
  std::string pattern;  // a path, in which one '*' stands for at least one character
  // `name` is what the star stands for, percent-decoded once.
  std::function<void(const Request&, const std::string& name, Exchange&)> handle;
  bool open = false;  // to everybody, without a key
  // Its body may be larger than JSON may: it comes as Request::sink, a MultipartForm where the
  // content type says so, else a Spool.
  bool is_upload = false;
  // Whose a request without a key is, where its address alone is a permission; null or nothing: it
  // needs a key.
  std::function<std::optional<std::string>(const Request&)> owner_of = nullptr;
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  // The first that matches counts, over all dialects in their order.
  virtual std::vector<Route> Routes() = 0;
  // Whether a request that no route matches, or that speaks to a path of several dialects, is
  // this one's.
  virtual bool Speaks(const Request& request) const = 0;
  virtual Response Refused(const Refusal& refusal) const = 0;
};

// What the star of `pattern` stands for in `path`; empty for a pattern without one. Nothing where
// they do not match, or the name is not percent-encoded as it should be.
std::optional<std::string> Match(std::string_view pattern, std::string_view path);

}  // namespace gemma3n::server
