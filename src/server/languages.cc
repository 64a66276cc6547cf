// SPDX-License-Identifier: Apache-2.0
#include "server/languages.h"

#include <algorithm>
#include <cctype>

namespace gemma3n::server {
namespace {

struct Language {
  std::string_view code, name;
};
constexpr Language kLanguages[] = {{"af", "Afrikaans"},
                                   {"am", "Amharic"},
                                   {"ar", "Arabic"},
                                   {"as", "Assamese"},
                                   {"az", "Azerbaijani"},
                                   {"ba", "Bashkir"},
                                   {"be", "Belarusian"},
                                   {"bg", "Bulgarian"},
                                   {"bn", "Bengali"},
                                   {"bo", "Tibetan"},
                                   {"br", "Breton"},
                                   {"bs", "Bosnian"},
                                   {"ca", "Catalan"},
                                   {"cs", "Czech"},
                                   {"cy", "Welsh"},
                                   {"da", "Danish"},
                                   {"de", "German"},
                                   {"el", "Greek"},
                                   {"en", "English"},
                                   {"eo", "Esperanto"},
                                   {"es", "Spanish"},
                                   {"et", "Estonian"},
                                   {"eu", "Basque"},
                                   {"fa", "Persian"},
                                   {"fi", "Finnish"},
                                   {"fil", "Filipino"},
                                   {"fo", "Faroese"},
                                   {"fr", "French"},
                                   {"ga", "Irish"},
                                   {"gl", "Galician"},
                                   {"gu", "Gujarati"},
                                   {"ha", "Hausa"},
                                   {"haw", "Hawaiian"},
                                   {"he", "Hebrew"},
                                   {"hi", "Hindi"},
                                   {"hr", "Croatian"},
                                   {"ht", "Haitian Creole"},
                                   {"hu", "Hungarian"},
                                   {"hy", "Armenian"},
                                   {"id", "Indonesian"},
                                   {"ig", "Igbo"},
                                   {"is", "Icelandic"},
                                   {"it", "Italian"},
                                   {"ja", "Japanese"},
                                   {"jv", "Javanese"},
                                   {"ka", "Georgian"},
                                   {"kk", "Kazakh"},
                                   {"km", "Khmer"},
                                   {"kn", "Kannada"},
                                   {"ko", "Korean"},
                                   {"ku", "Kurdish"},
                                   {"ky", "Kyrgyz"},
                                   {"la", "Latin"},
                                   {"lb", "Luxembourgish"},
                                   {"ln", "Lingala"},
                                   {"lo", "Lao"},
                                   {"lt", "Lithuanian"},
                                   {"lv", "Latvian"},
                                   {"mg", "Malagasy"},
                                   {"mi", "Maori"},
                                   {"mk", "Macedonian"},
                                   {"ml", "Malayalam"},
                                   {"mn", "Mongolian"},
                                   {"mr", "Marathi"},
                                   {"ms", "Malay"},
                                   {"mt", "Maltese"},
                                   {"my", "Burmese"},
                                   {"nb", "Norwegian"},
                                   {"ne", "Nepali"},
                                   {"nl", "Dutch"},
                                   {"nn", "Norwegian Nynorsk"},
                                   {"no", "Norwegian"},
                                   {"ny", "Chichewa"},
                                   {"oc", "Occitan"},
                                   {"or", "Odia"},
                                   {"pa", "Punjabi"},
                                   {"pl", "Polish"},
                                   {"ps", "Pashto"},
                                   {"pt", "Portuguese"},
                                   {"ro", "Romanian"},
                                   {"ru", "Russian"},
                                   {"rw", "Kinyarwanda"},
                                   {"sa", "Sanskrit"},
                                   {"sd", "Sindhi"},
                                   {"si", "Sinhala"},
                                   {"sk", "Slovak"},
                                   {"sl", "Slovenian"},
                                   {"sm", "Samoan"},
                                   {"sn", "Shona"},
                                   {"so", "Somali"},
                                   {"sq", "Albanian"},
                                   {"sr", "Serbian"},
                                   {"st", "Sesotho"},
                                   {"su", "Sundanese"},
                                   {"sv", "Swedish"},
                                   {"sw", "Swahili"},
                                   {"ta", "Tamil"},
                                   {"te", "Telugu"},
                                   {"tg", "Tajik"},
                                   {"th", "Thai"},
                                   {"tk", "Turkmen"},
                                   {"tl", "Tagalog"},
                                   {"tr", "Turkish"},
                                   {"tt", "Tatar"},
                                   {"ug", "Uyghur"},
                                   {"uk", "Ukrainian"},
                                   {"ur", "Urdu"},
                                   {"uz", "Uzbek"},
                                   {"vi", "Vietnamese"},
                                   {"wo", "Wolof"},
                                   {"xh", "Xhosa"},
                                   {"yi", "Yiddish"},
                                   {"yo", "Yoruba"},
                                   {"yue", "Cantonese"},
                                   {"zh", "Chinese"},
                                   {"zu", "Zulu"}};

bool EqualWithoutCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

}  // namespace

std::optional<std::string> LanguageNamed(std::string_view code_or_name) {
  const std::string_view code = code_or_name.substr(0, code_or_name.find_first_of("-_"));
  for (const Language& language : kLanguages) {
    if (EqualWithoutCase(language.code, code) || EqualWithoutCase(language.name, code_or_name)) {
      return std::string(language.name);
    }
  }
  return std::nullopt;
}

}  // namespace gemma3n::server
