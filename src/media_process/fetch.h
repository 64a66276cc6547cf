// SPDX-License-Identifier: Apache-2.0
// The one job that goes to the network, and it decodes nothing: what an address gives is copied to
// a descriptor, byte by byte, and read there by a process that has no network.
#pragma once

#include <string>

#include "media/decoder_protocol.h"

namespace gemma3n {

// http, https, tcp and udp, redirections to these among them; the certificate of https must hold.
FetchEnd Fetch(const std::string& url, int to);

}  // namespace gemma3n
