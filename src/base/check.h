// SPDX-License-Identifier: Apache-2.0
// CHECK stops the process when our own code is wrong, showing both values. For a wrong world
// (files, requests) throw Error instead.
#pragma once

#include <sstream>
#include <string>

namespace gemma3n {

// Prints "file:line: check failed: text" and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const std::string& text);

namespace check_internal {
template <class A, class B>
std::string Describe(const char* expression, const A& a, const B& b) {
  std::ostringstream out;
  out << expression << " (" << a << " against " << b << ")";
  return out.str();
}
}  // namespace check_internal

}  // namespace gemma3n

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) ::gemma3n::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#define GEMMA3N_CHECK_OP(a, op, b)                                                   \
  do {                                                                               \
    const auto& check_a = (a);                                                       \
    const auto& check_b = (b);                                                       \
    if (!(check_a op check_b))                                                       \
      ::gemma3n::CheckFailed(                                                        \
          __FILE__, __LINE__,                                                        \
          ::gemma3n::check_internal::Describe(#a " " #op " " #b, check_a, check_b)); \
  } while (false)

#define CHECK_EQ(a, b) GEMMA3N_CHECK_OP(a, ==, b)
#define CHECK_LE(a, b) GEMMA3N_CHECK_OP(a, <=, b)
#define CHECK_LT(a, b) GEMMA3N_CHECK_OP(a, <, b)
#define CHECK_GE(a, b) GEMMA3N_CHECK_OP(a, >=, b)
