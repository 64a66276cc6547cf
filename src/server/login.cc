// SPDX-License-Identifier: Apache-2.0
#include "server/login.h"

#include <nlohmann/json.hpp>

#include "server/json.h"

namespace gemma3n::server {

std::vector<Route> LoginRoutes(Access& access) {
  const auto cookie = [](const std::string& text) {
    return Response{.status = 204, .headers = {{"Set-Cookie", text}}, .content_type = ""};
  };
  return {{.method = "POST",
           .pattern = "/page/login",
           .handle =
               [&access, cookie](const Request& request, const std::string&, Exchange& exchange) {
                 const Json body = ParseJson(request.body);
                 const std::string key = Field(body, "")["key"].Text();
                 exchange.Send(cookie(access.LogIn(request, key)));
               },
           .open = true},
          {.method = "POST",
           .pattern = "/page/logout",
           .handle = [&access, cookie](
                         const Request& request, const std::string&,
                         Exchange& exchange) { exchange.Send(cookie(access.LogOut(request))); },
           .open = true}};
}

}  // namespace gemma3n::server
