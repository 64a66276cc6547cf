// SPDX-License-Identifier: Apache-2.0
// Google's Schema, a part of OpenAPI's with types in capitals -> JSON schema.
#pragma once

#include <string>

#include "server/genai/proto_field.h"

namespace gemma3n::server {

// The text of a JSON schema. Objects have the members that are declared, in the order of
// propertyOrdering where there is one, and no others. Throws Refusal (kInvalidJsonSchema,
// kInvalidValue) for what is not known here.
std::string JsonSchemaOf(const ProtoField& schema);

}  // namespace gemma3n::server
