// SPDX-License-Identifier: Apache-2.0
// What gemma3n/lab.h promises.
#pragma once

#include <memory>

#include "engine/loaded_model.h"
#include "gemma3n/lab.h"

namespace gemma3n {

// `engine` keeps the model alive.
std::unique_ptr<Lab> NewLab(std::shared_ptr<Engine> engine, LoadedModel& model);

}  // namespace gemma3n
