// SPDX-License-Identifier: Apache-2.0
// Which form each of the decoder's matrices takes in a packed file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gemma3n {

enum class Bits { kAsStored, kFour, kEight };

// A recipe is one of three names, or a JSON file of rules:
//
//   {"rules": [{"tensors": "*.layers.0.*", "as": "q8"}, {"tensors": "*.mlp.*", "as": "q4"}],
//    "otherwise": "q4"}
//
// The first rule whose pattern fits a tensor's whole name decides ('*': any text, '?': one
// character); "as" is q4, q8 or bf16, which leaves it as it is stored. Without a rule that fits,
// "otherwise" counts as the recipe of that name; it may be left out, for q4.
class Recipe {
 public:
  // `recipe` is q4, q8 or bf16, or the path of a file. Throws Error (kUsage, kModel) naming field,
  // expected and found.
  static Recipe Load(const std::string& recipe);
  // Tensors by name; others as the recipe q4 has them.
  static Recipe Of(std::map<std::string, Bits> bits);

  Bits BitsOf(const std::string& tensor) const;
  // Throws Error (kUsage) for a rule that none of these names fits: a slip of the pen.
  void CheckRules(const std::vector<std::string>& tensors) const;
  // The recipe as a file.
  void Save(const std::filesystem::path& path) const;

 private:
  struct Rule {
    std::string pattern;
    Bits bits;
  };
  std::string name_;  // in messages
  std::vector<Rule> rules_;
  std::map<std::string, Bits> named_;
  std::string otherwise_ = "q4";
};

// Whether the whole of `text` fits: '*' stands for any characters, '?' for one.
bool Fits(const std::string& pattern, const std::string& text);
// Matrices that many values pass through but that are small: they keep 8 bits in the recipe q4.
bool IsTouchy(const std::string& tensor);

}  // namespace gemma3n
