// SPDX-License-Identifier: Apache-2.0
// How clients get in: the addresses that are listened on, the certificate, the key.
#pragma once

#include <memory>
#include <vector>

#include "gemma3n/server.h"
#include "server/listener.h"
#include "server/tls.h"

namespace gemma3n::server {

struct Entrance {
  std::vector<Listener> listeners;
  std::shared_ptr<const TlsContext> tls;  // nullptr: connections are plain
  ServerReach reach;

  bool is_loopback_only() const;
};

// Opens it. Adds to the options what they leave to be found: the key that is made, the machine's
// own names. Throws Error (kUsage) for what cannot be listened on, may not be without a key or is
// no certificate, and (kResources) where the state directory cannot be written.
Entrance OpenEntrance(ServerOptions& options);

}  // namespace gemma3n::server
