// SPDX-License-Identifier: Apache-2.0
// An address -> its bytes, by a gemma3n-media of its own that does nothing else.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gemma3n/error.h"
#include "gemma3n/media.h"
#include "media/child_process.h"

namespace gemma3n {

// Starts fetching `url`; the bytes come out of the process's TakeAnswer. Throws Error: kMedia for
// an address that is not of http, https, tcp or udp, kResources when gemma3n-media is missing.
std::unique_ptr<ChildProcess> StartFetch(const std::string& url, const MediaOptions& options);

// What there is to say after the last of its bytes was read, where `reading` went wrong or did not:
// an address that gave nothing is not to blame on its bytes. Waits for its end.
std::optional<Error> FetchFailure(const std::string& url, ChildProcess& fetch,
                                  std::optional<Error> reading);

}  // namespace gemma3n
