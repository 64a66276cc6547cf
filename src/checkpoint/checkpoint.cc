// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "base/thread_pool.h"
#include "checkpoint/blocks_to_tiles.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/packed_file.h"
#include "checkpoint/safetensors.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";

struct Place {
  TensorView view;
  const MappedFile* file;
};

// A shard's name must be that of a file beside the index: no way out of the directory.
std::string PlainFileName(const JsonValue& value) {
  const std::string name = value.String();
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos ||
      name == "." || name == "..") {
    value.Fail("the name of a file in the same directory");
  }
  return name;
}

bool Begins(const std::string& name, std::string_view with) {
  return name.compare(0, with.size(), with) == 0;
}

std::string FormsText(Checkpoint::Forms forms) {
  switch (forms) {
    case Checkpoint::Forms::kFloatOrTiles:
      return "BF16, F16, F32, Q4T or Q8T";
    case Checkpoint::Forms::kRows:
      return "Q4R or Q8R";
    case Checkpoint::Forms::kFloatOrBlocks:
      return "BF16, F16, F32 or blocks as in GGUF";
    default:
      return "BF16, F16 or F32";
  }
}

bool IsIn(DType dtype, Checkpoint::Forms forms) {
  switch (forms) {
    case Checkpoint::Forms::kRows:
      return packed::IsRows(dtype);
    case Checkpoint::Forms::kFloatOrTiles:
      return IsFloat(dtype) || packed::IsTiled(dtype);
    case Checkpoint::Forms::kFloatOrBlocks:
      return IsFloat(dtype) || IsBlocks(dtype);
    default:
      return IsFloat(dtype);
  }
}

// The name that Gemma3nForConditionalGeneration gives a tensor which older files, and files saved
// from the model without its head, call otherwise.
std::string CanonicalName(const std::string& name) {
  constexpr std::string_view kOld = "language_model.", kOldModel = "language_model.model.";
  if (Begins(name, kOldModel)) return "model.language_model." + name.substr(kOldModel.size());
  if (Begins(name, "language_model.lm_head.")) return name.substr(kOld.size());
  for (const char* part :
       {"language_model.", "vision_tower.", "audio_tower.", "embed_vision.", "embed_audio."}) {
    if (Begins(name, part)) return "model." + name;
  }
  return name;
}

}  // namespace

struct Checkpoint::State {
  std::filesystem::path directory;
  JsonValue config;
  std::vector<std::unique_ptr<Safetensors>> shards;
  std::unique_ptr<PackedFile> packed;  // instead of shards
  std::unique_ptr<GgufModel> gguf;     // the same
  std::vector<const MappedFile*> files;
  std::map<std::string, Place, std::less<>> tensors;
  // Tensors of blocks in other forms, by form and name.
  std::mutex converting;
  std::map<std::pair<Forms, std::string>, ConvertedTensor> converted;
  int threads = 0;
  std::unique_ptr<ThreadPool> pool;

  const Safetensors& Open(const std::string& file_name) {
    shards.push_back(std::make_unique<Safetensors>(directory / file_name));
    files.push_back(&shards.back()->file());
    return *shards.back();
  }

  void Add(const std::string& name, const TensorView& view, const MappedFile& file) {
    const auto [place, added] = tensors.emplace(CanonicalName(name), Place{view, &file});
    if (!added) {
      throw Error(ErrorKind::kModel, file.path().string() + ": tensor '" + name + "' is also in " +
                                         place->second.file->path().filename().string());
    }
  }

  void OpenPacked() {
    packed = std::make_unique<PackedFile>(directory);
    files.push_back(&packed->file());
    for (const auto& [name, view] : packed->tensors()) Add(name, view, packed->file());
  }

  void OpenGguf(const std::filesystem::path& projector) {
    gguf = std::make_unique<GgufModel>(directory, projector);
    files = gguf->files();
    for (const GgufModel::Tensor& tensor : gguf->tensors()) {
      Add(tensor.name, tensor.view, *tensor.file);
    }
  }

  TensorView Converted(const std::string& name, const Place& place, Forms forms);
  void OpenShards(const JsonValue& index);
};

TensorView Checkpoint::State::Converted(const std::string& name, const Place& place, Forms forms) {
  const std::lock_guard lock(converting);
  const auto key = std::make_pair(forms, name);
  const auto known = converted.find(key);
  if (known != converted.end()) return known->second.view;
  if (!pool) pool = std::make_unique<ThreadPool>(threads);
  const bool tiles = forms == Forms::kFloatOrTiles && place.view.shape.rank() == 2;
  ConvertedTensor result =
      tiles ? BlocksToTiles(place.view, *pool) : BlocksToHalves(place.view, *pool);
  if (!result.finite) {
    throw Error(ErrorKind::kModel, place.file->path().string() + ": tensor '" + name +
                                       "': expected finite weights, found NaN or an infinity; is " +
                                       "the download complete?");
  }
  place.file->Advise({place.view.data, place.view.bytes()}, MappedFile::Advice::kDontNeed);
  return converted.emplace(key, std::move(result)).first->second.view;
}

void Checkpoint::State::OpenShards(const JsonValue& index) {
  const JsonValue weight_map = index["weight_map"];
  std::map<std::string, std::set<std::string>> by_file;
  for (const auto& [name, file] : weight_map.Members()) {
    by_file[PlainFileName(file)].emplace(name);
  }
  for (const auto& [file_name, names] : by_file) {
    const Safetensors& shard = Open(file_name);
    for (const std::string& name : names) {
      if (!shard.tensors().count(name)) {
        throw Error(ErrorKind::kModel, (directory / file_name).string() + ": tensor '" + name +
                                           "' should be here by " + kIndexFile + ", but is not");
      }
    }
    for (const auto& [name, view] : shard.tensors()) {
      if (!names.count(name)) {
        throw Error(ErrorKind::kModel, (directory / file_name).string() + ": tensor '" + name +
                                           "' is not listed here by " + kIndexFile);
      }
      Add(name, view, shard.file());
    }
  }
}

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::~Checkpoint() = default;

std::unique_ptr<Checkpoint> Checkpoint::Load(const std::filesystem::path& path,
                                             const Options& options) {
  auto state = std::make_unique<State>();
  state->directory = path;
  state->threads = options.threads;
  const bool gguf = Gguf::Recognizes(path);
  if (!options.projector.empty() && !gguf) {
    throw Error(ErrorKind::kUsage, path.string() + ": expected a GGUF file beside the projector " +
                                       options.projector.string() + ", found none");
  }
  if (gguf || PackedFile::Recognizes(path)) {
    if (gguf) {
      state->OpenGguf(options.projector);
    } else {
      state->OpenPacked();
    }
    auto checkpoint = std::unique_ptr<Checkpoint>(new Checkpoint(std::move(state)));
    checkpoint->state_->config = checkpoint->Json("config.json");
    return checkpoint;
  }
  if (!std::filesystem::is_directory(path)) {
    throw Error(ErrorKind::kModel,
                path.string() +
                    ": expected a model directory with config.json and "
                    "model.safetensors, a packed model or a GGUF file, found " +
                    (std::filesystem::exists(path) ? "another file" : "nothing"));
  }
  state->config = JsonValue::Load(path / "config.json");
  if (std::filesystem::exists(path / kIndexFile)) {
    state->OpenShards(JsonValue::Load(path / kIndexFile));
  } else if (std::filesystem::exists(path / kSingleFile)) {
    const Safetensors& shard = state->Open(kSingleFile);
    for (const auto& [name, view] : shard.tensors()) state->Add(name, view, shard.file());
  } else {
    throw Error(ErrorKind::kModel, path.string() + ": expected " + kSingleFile + " or " +
                                       kIndexFile + ", found neither");
  }
  return std::unique_ptr<Checkpoint>(new Checkpoint(std::move(state)));
}

const std::filesystem::path& Checkpoint::directory() const {
  return state_->directory;
}
const JsonValue& Checkpoint::config() const {
  return state_->config;
}

bool Checkpoint::Has(std::string_view name) const {
  return state_->tensors.find(name) != state_->tensors.end();
}

TensorView Checkpoint::Find(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  return found == state_->tensors.end() ? TensorView{} : found->second.view;
}

TensorView Checkpoint::Get(std::string_view name, const Shape& expected, Forms forms) const {
  const auto found = state_->tensors.find(name);
  if (found == state_->tensors.end()) {
    throw Error(ErrorKind::kModel, state_->directory.string() + ": tensor '" + std::string(name) +
                                       "': expected " + expected.ToString() + ", found nothing");
  }
  const TensorView& view = found->second.view;
  const bool blocks = IsBlocks(view.dtype) && forms != Forms::kRows;
  const std::string where = FileOf(name) + ": tensor '" + std::string(name) + "': expected ";
  if (!IsIn(view.dtype, forms) && !blocks) {
    throw Error(ErrorKind::kModel, where + FormsText(forms) + ", found " + DTypeName(view.dtype));
  }
  if (!(view.shape == expected)) {
    throw Error(ErrorKind::kModel,
                where + expected.ToString() + ", found " + view.shape.ToString());
  }
  return IsIn(view.dtype, forms) ? view : state_->Converted(found->first, found->second, forms);
}

std::string Checkpoint::FileOf(std::string_view name) const {
  const auto found = state_->tensors.find(name);
  if (found == state_->tensors.end()) return state_->directory.string();
  return found->second.file->path().string();
}

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : state_->tensors) names.push_back(name);
  return names;
}

void Checkpoint::CheckUnchanged() const {
  for (const MappedFile* file : state_->files) file->CheckUnchanged();
}

namespace {

void Advise(const std::vector<const MappedFile*>& files, std::span<const std::byte> part,
            MappedFile::Advice advice) {
  for (const MappedFile* file : files) {
    const std::span<const std::byte> bytes = file->bytes();
    if (part.data() < bytes.data() || part.data() >= bytes.data() + bytes.size()) continue;
    file->Advise(part, advice);
  }
}

std::span<const std::byte> BytesOf(const TensorView& view) {
  return {view.data, view.bytes()};
}

}  // namespace

void Checkpoint::AdviseRandom(const TensorView& view) const {
  Advise(state_->files, BytesOf(view), MappedFile::Advice::kRandom);
}
void Checkpoint::AdviseScattered(std::string_view prefix, bool scattered) const {
  for (auto at = state_->tensors.lower_bound(prefix);
       at != state_->tensors.end() && at->first.compare(0, prefix.size(), prefix) == 0; ++at) {
    Advise(state_->files, BytesOf(at->second.view),
           scattered ? MappedFile::Advice::kRandom : MappedFile::Advice::kInOrder);
  }
}

void Checkpoint::AdviseFirstRows(const std::string& name, int64_t rows) const {
  const TensorView view = Find(name);
  const int64_t all = view.shape.rank() == 0 ? 1 : view.shape[0];
  if (view.empty() || rows >= all) return;
  const std::span<const std::byte> bytes = BytesOf(view);
  const uint64_t read = rows == 0 ? 0 : view.Rows(0, rows).bytes();
  Advise(state_->files, bytes.subspan(read), MappedFile::Advice::kRandom);
  Advise(state_->files, bytes.first(read), MappedFile::Advice::kNoFurther);
}
void Checkpoint::AdviseWillNeed(const TensorView& view) const {
  Advise(state_->files, BytesOf(view), MappedFile::Advice::kWillNeed);
}

void Checkpoint::GiveBack(std::string_view prefix) const {
  for (auto at = state_->tensors.lower_bound(prefix);
       at != state_->tensors.end() && at->first.compare(0, prefix.size(), prefix) == 0; ++at) {
    Advise(state_->files, BytesOf(at->second.view), MappedFile::Advice::kDontNeed);
  }
}

void Checkpoint::GiveBackRows(const std::string& name, int64_t first) const {
  const TensorView view = Find(name);
  const int64_t rows = view.shape.rank() == 0 ? 1 : view.shape[0];
  if (view.empty() || first >= rows) return;
  const uint64_t kept = first == 0 ? 0 : view.Rows(0, first).bytes();
  Advise(state_->files, BytesOf(view).subspan(kept), MappedFile::Advice::kDontNeed);
}

int64_t Checkpoint::MakeResident(const std::vector<std::string>& names) const {
  std::vector<std::span<const std::byte>> parts;
  for (const std::string& name : names) {
    const TensorView view = Find(name);
    if (!view.empty()) parts.push_back({view.data, view.bytes()});
  }
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.data() < b.data(); });
  int64_t copied = 0;
  for (const MappedFile* file : state_->files) {
    const std::byte* const end = file->bytes().data() + file->bytes().size();
    for (size_t i = 0; i < parts.size();) {
      if (parts[i].data() < file->bytes().data() || parts[i].data() >= end) {
        ++i;
        continue;
      }
      // Neighbours are copied together: what lies between them is padding.
      constexpr ptrdiff_t kMostPadding = 4096;
      std::span<const std::byte> run = parts[i];
      int64_t bytes = static_cast<int64_t>(run.size());
      for (++i; i < parts.size() && parts[i].data() < end &&
                parts[i].data() - (run.data() + run.size()) <= kMostPadding;
           ++i) {
        run = {run.data(), parts[i].data() + parts[i].size()};
        bytes += static_cast<int64_t>(parts[i].size());
      }
      if (!file->MakeResident(run)) return copied;
      copied += bytes;
    }
  }
  return copied;
}

JsonValue Checkpoint::Json(const std::string& file_name) const {
  const std::filesystem::path path = state_->directory / file_name;
  if (state_->gguf) {
    const std::optional<std::string> text = state_->gguf->Text(file_name);
    return text ? JsonValue::Parse(*text, path.string()) : JsonValue();
  }
  if (state_->packed) {
    const auto found = state_->packed->texts().find(file_name);
    if (found == state_->packed->texts().end()) return JsonValue();
    return JsonValue::Parse(found->second, path.string());
  }
  return std::filesystem::exists(path) ? JsonValue::Load(path) : JsonValue();
}

namespace {

std::string ReadFile(const std::filesystem::path& path, uint64_t size) {
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
    throw Error(ErrorKind::kModel, path.string() + ": cannot be read");
  }
  return text;
}

}  // namespace

std::optional<std::string> Checkpoint::Text(const std::string& file_name,
                                            uint64_t max_bytes) const {
  const std::filesystem::path path = state_->directory / file_name;
  const auto check = [&](uint64_t size) {
    if (size <= max_bytes) return;
    throw Error(ErrorKind::kModel, path.string() + ": expected at most " +
                                       std::to_string(max_bytes) + " bytes, found " +
                                       std::to_string(size));
  };
  if (state_->gguf) {
    std::optional<std::string> text = state_->gguf->Text(file_name);
    if (text) check(text->size());
    return text;
  }
  if (state_->packed) {
    const auto found = state_->packed->texts().find(file_name);
    if (found == state_->packed->texts().end()) return std::nullopt;
    check(found->second.size());
    return std::string(found->second);
  }
  if (!std::filesystem::is_regular_file(path)) return std::nullopt;
  const uint64_t size = std::filesystem::file_size(path);
  check(size);
  return ReadFile(path, size);
}

const PackedFile* Checkpoint::packed() const {
  return state_->packed.get();
}

uint64_t Checkpoint::ConvertedBytes() const {
  const std::lock_guard lock(state_->converting);
  uint64_t bytes = 0;
  for (const auto& [key, tensor] : state_->converted) bytes += tensor.bytes->size();
  return bytes;
}

const GgufModel* Checkpoint::gguf() const {
  return state_->gguf.get();
}

}  // namespace gemma3n
