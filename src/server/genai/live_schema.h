// SPDX-License-Identifier: Apache-2.0
// Functions as GenAI's clients declare them -> functions as all dialects have them.
#pragma once

#include "server/json.h"
#include "server/tools.h"

namespace gemma3n::server {

// {"name", "description", "parameters" or "parametersJsonSchema"}, in either spelling. Throws what
// ReadTool throws.
Tool ReadDeclaration(const Field& function);

// A Schema of OpenAPI ("type": "OBJECT", "nullable", counts as text) as a JSON schema.
Json JsonSchemaOf(const Json& schema);

}  // namespace gemma3n::server
