// SPDX-License-Identifier: Apache-2.0
// Who answers the questions of a long work. Such a work has sessions of its own; in a service that
// has others to answer as well it puts its questions to whoever shares the engine among them.
#pragma once

#include <cstddef>

#include "gemma3n/batch.h"

namespace gemma3n {

// One thread at a time. What is under way when it is destroyed ends untold.
class Answerer {
 public:
  virtual ~Answerer() = default;

  virtual size_t most() const = 0;  // requests that may be under way at once, at least 1
  virtual size_t size() const = 0;  // that are

  // Begins a request, of which none may depend on another; callbacks may, too. Throws as Batch::Add
  // does.
  virtual void Add(BatchRequest request) = 0;
  // Waits until some of those under way have come further, or for a moment; their callbacks are
  // called from here.
  virtual void Advance() = 0;
};

}  // namespace gemma3n
