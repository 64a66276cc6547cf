// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace gemma3n::server {

// Who listens on this port of TCP, such as "process 1234 (ollama)"; "" when that is not to be seen:
// processes of other users keep it to themselves.
std::string HolderOfPort(int port);

}  // namespace gemma3n::server
