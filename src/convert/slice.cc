// SPDX-License-Identifier: Apache-2.0
// A size of a model as a model of its own: bytes of the source, in another order and fewer of them.
#include <algorithm>
#include <map>
#include <system_error>

#include "checkpoint/packed_file.h"
#include "convert/cut.h"
#include "convert/cut_config.h"
#include "convert/cut_gguf.h"
#include "convert/gguf_metadata.h"
#include "convert/model_directory.h"
#include "convert/output_file.h"
#include "convert/packed_writer.h"
#include "convert/report.h"
#include "convert/tensor_list.h"
#include "gemma3n/convert.h"
#include "model/size_name.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kGiveBackBytes = 64 << 20;
constexpr uint64_t kMostConfigBytes = 64 << 20;
constexpr char kConfig[] = "config.json";

// Says that pages which were read of a tensor, called as its file does, are not needed any more.
using GiveBack = std::function<void(const std::string& source)>;

// Hands the bytes of tensors on; counts what is done. Pages of the source do not stay.
class Copier {
 public:
  Copier(uint64_t total_bytes, GiveBack give_back, const ProgressCallback& on_progress)
      : total_(total_bytes), give_back_(std::move(give_back)), on_progress_(on_progress) {}

  // False when the callback cancelled.
  template <class Writer>
  bool Write(const CutTensor& tensor, Writer& writer) {
    uint64_t held = 0;
    const bool whole = tensor.selection.ForEachPiece([&](std::span<const std::byte> piece) {
      writer.Write(piece);
      done_ += piece.size();
      held += piece.size();
      if (held >= kGiveBackBytes) {
        give_back_(tensor.source);
        held = 0;
      }
      return !on_progress_ || on_progress_({"writing weights", static_cast<int64_t>(done_),
                                            static_cast<int64_t>(total_)});
    });
    give_back_(tensor.source);
    return whole;
  }

 private:
  uint64_t total_, done_ = 0;
  GiveBack give_back_;
  const ProgressCallback& on_progress_;
};

uint64_t BytesOf(const std::vector<CutTensor>& tensors) {
  uint64_t bytes = 0;
  for (const CutTensor& tensor : tensors) bytes += tensor.selection.bytes();
  return bytes;
}

// The job as all forms have it.
struct Job {
  const SliceOptions& options;
  const Checkpoint& checkpoint;
  const ModelConfig& config;
  const SubmodelShape& shape;
  CutParts parts;
  std::string config_text;  // of the cut model
  fs::path out;
  const ProgressCallback& on_progress;

  Cutter MakeCutter() const { return {checkpoint.directory().string(), config.text, shape, parts}; }
  GiveBack GiveBackPages() const {
    return [this](const std::string& source) { checkpoint.GiveBack(source); };
  }
  // Of a directory or a packed file, in the order of their names.
  std::vector<CutTensor> Tensors() const {
    const Cutter cutter = MakeCutter();
    std::vector<CutTensor> tensors;
    for (const std::string& name : checkpoint.Names()) {
      if (auto cut = cutter.Cut(name, name, checkpoint.Find(name))) {
        tensors.push_back(std::move(*cut));
      }
    }
    return tensors;
  }
};

bool WritePacked(const Job& job) {
  std::vector<CutTensor> tensors = job.Tensors();
  std::sort(tensors.begin(), tensors.end(), [](const CutTensor& a, const CutTensor& b) {
    return a.selection.data < b.selection.data;  // the source's order
  });
  std::map<const char*, std::pair<std::string, std::string>> texts;  // in the source's order
  for (const auto& [name, text] : job.checkpoint.packed()->texts()) {
    texts[text.data()] = {name, name == kConfig ? job.config_text : std::string(text)};
  }
  std::vector<PackedWriter::Piece> pieces;
  for (const auto& [place, text] : texts) {
    pieces.push_back({text.first, true, DType::kF32, {}, text.second.size()});
  }
  for (const CutTensor& tensor : tensors) {
    pieces.push_back({tensor.name, false, tensor.dtype, tensor.shape, tensor.selection.bytes()});
  }
  CheckFreeSpace(job.out, BytesOf(tensors));
  PackedWriter writer(job.out, pieces);
  Copier copier(BytesOf(tensors), job.GiveBackPages(), job.on_progress);
  for (const auto& [place, text] : texts) {
    writer.Write(std::as_bytes(std::span(text.second)));
  }
  for (const CutTensor& tensor : tensors) {
    if (!copier.Write(tensor, writer)) return false;
  }
  job.checkpoint.CheckUnchanged();
  writer.Finish();
  return true;
}

void TellDepartures(const Job& job) {
  std::string departures;
  const JsonValue config = JsonValue::Parse(job.config_text, kConfig);
  for (const std::string& departure : DeparturesFromLlamaCpp(ModelConfig::Parse(config).text)) {
    departures += (departures.empty() ? "" : ", ") + departure;
  }
  if (departures.empty() || !job.options.on_note) return;
  job.options.on_note(
      "llama.cpp has sizes of Gemma 3n built in and will not run this one, which has " +
      departures);
}

bool WriteGguf(const Job& job) {
  const Gguf source(job.options.model);
  const std::vector<CutTensor> tensors = CutGgufTensors(source, job.MakeCutter());
  std::vector<GgufWriter::Tensor> planned;
  for (const CutTensor& tensor : tensors) {
    planned.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.selection.bytes()});
  }
  TellDepartures(job);
  CheckFreeSpace(job.out, BytesOf(tensors));
  GgufWriter writer(job.out, CutGgufMetadata(source, job.config.text, job.shape), planned);
  const GiveBack give_back = [&](const std::string& name) {
    const TensorView& view = source.tensors().at(name);
    source.file().Advise({view.data, view.bytes()}, MappedFile::Advice::kDontNeed);
  };
  Copier copier(BytesOf(tensors), give_back, job.on_progress);
  for (const CutTensor& tensor : tensors) {
    if (!copier.Write(tensor, writer)) return false;
  }
  source.file().CheckUnchanged();
  writer.Finish();
  return true;
}

// A directory under a temporary name, which goes with all that is in it unless it is finished.
class PartDirectory {
 public:
  explicit PartDirectory(const fs::path& out) : out_(out), path_(out.string() + ".part") {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path_, error)) {
      if (entry.is_directory(error)) {
        throw Error(ErrorKind::kUsage, path_.string() +
                                           ": expected nothing, or what a cut that "
                                           "was killed left, found a directory in it");
      }
    }
    fs::remove_all(path_, error);
    if (!error) fs::create_directory(path_, error);
    if (error) throw Error(ErrorKind::kResources, path_.string() + ": " + error.message());
  }
  ~PartDirectory() {
    std::error_code ignored;
    if (!finished_) fs::remove_all(path_, ignored);
  }
  PartDirectory(const PartDirectory&) = delete;
  PartDirectory& operator=(const PartDirectory&) = delete;

  const fs::path& path() const { return path_; }

  // A model that is there is replaced; files that belong to none stay. The configuration goes first
  // and comes last: a directory without it is no model.
  void Finish() {
    try {
      if (fs::exists(out_)) {
        fs::remove(out_ / kConfig);
        RemoveOldWeights(out_);
        for (const auto& entry : fs::directory_iterator(path_)) {
          const fs::path name = entry.path().filename();
          if (name != kConfig) fs::rename(entry.path(), out_ / name);
        }
        fs::rename(path_ / kConfig, out_ / kConfig);
        fs::remove(path_);
      } else {
        fs::rename(path_, out_);
      }
    } catch (const fs::filesystem_error& error) {
      throw Error(ErrorKind::kResources, out_.string() + ": " + error.what());
    }
    finished_ = true;
  }

 private:
  fs::path out_, path_;
  bool finished_ = false;
};

// What belongs to the model besides its weights, as it is.
void CopySideFiles(const fs::path& from, const fs::path& to) {
  constexpr char kSynthMark[] = "synth.json";  // says what the weights were made of
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (!entry.is_regular_file() || IsOfWeights(name) || name == kConfig || name == kSynthMark ||
        name.string().front() == '.') {
      continue;
    }
    CopyFile(entry.path(), to / name);
  }
}

bool WriteDirectory(const Job& job) {
  std::map<std::string, CutTensor> tensors;
  std::vector<PlannedTensor> planned;
  uint64_t bytes = 0;
  for (CutTensor& tensor : job.Tensors()) {
    bytes += tensor.selection.bytes();
    planned.push_back({tensor.name, tensor.dtype, tensor.shape});
    tensors.emplace(tensor.name, std::move(tensor));
  }
  CheckFreeSpace(job.out, bytes);
  PartDirectory part(job.out);
  Copier copier(bytes, job.GiveBackPages(), job.on_progress);
  const TensorWriter write = [&](const PlannedTensor& tensor, SafetensorsWriter& writer) {
    return copier.Write(tensors.at(tensor.name), writer);
  };
  if (!WriteShards(part.path(), planned, job.options.shard_bytes, write)) return false;
  CopySideFiles(job.options.model, part.path());
  WriteText(part.path() / kConfig, job.config_text);
  job.checkpoint.CheckUnchanged();
  part.Finish();
  return true;
}

std::string FormOf(const Checkpoint& checkpoint) {
  return checkpoint.packed() != nullptr ? "packed" : checkpoint.gguf() != nullptr ? "gguf" : "hf";
}

void CheckForm(const SliceOptions& options, const std::string& form) {
  const std::string& to = options.to;
  if (to.empty() || to == form) return;
  if (to != "hf" && to != "packed" && to != "gguf") {
    throw Error(ErrorKind::kUsage, "to: expected hf, packed or gguf, found " + to);
  }
  const std::string quantize =
      "`gemma3n quantize" + std::string(to == "gguf" ? " --to gguf`" : "`");
  const std::string advice = form == "packed" ? "slice the directory that it was made from"
                             : to == "hf"     ? "slice the directory that it was made from"
                             : form == "hf"   ? "slice to a directory and " + quantize +
                                                  " that, or quantize first and slice the file"
                                            : "slice to GGUF and " + quantize + " that";
  throw Error(ErrorKind::kUsage, "to: expected " + form + ", the form of " +
                                     options.model.string() + ", found " + to +
                                     ": a cut copies weights and rounds none; " + advice);
}

// A directory may be there where it is empty, or may be replaced.
void CheckOutputDirectory(const fs::path& out, bool may_replace) {
  std::error_code error;
  if (!fs::exists(out, error)) return;
  if (!fs::is_directory(out, error)) {
    throw Error(ErrorKind::kUsage, out.string() + ": expected a directory's name, found a file");
  }
  if (!fs::is_empty(out, error) && !may_replace) {
    throw Error(ErrorKind::kUsage,
                out.string() + ": exists and is not empty; replace the model in it with --force");
  }
}

// Without a "/" behind it, so that ".part" can stand there.
fs::path PlainPath(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.has_filename() && plain.filename() != "." && plain.filename() != ".."
             ? plain
             : fs::absolute(plain).lexically_normal().parent_path();
}

void CheckOutput(const SliceOptions& options, const fs::path& out, const std::string& form) {
  std::error_code error;
  if (fs::equivalent(out, options.model, error)) {
    throw Error(ErrorKind::kUsage, out.string() + ": is the model that is to be cut");
  }
  if (form == "hf") {
    CheckOutputDirectory(out, options.force);
  } else {
    CheckOutputFile(out, options.force);
  }
}

// A cut of files that are damaged would be one, too.
void CheckTensors(const Checkpoint& checkpoint) {
  const ModelReport report = ReportOn(checkpoint);
  const std::string where = checkpoint.directory().string() + ": tensor ";
  if (!report.misshapen.empty()) throw Error(ErrorKind::kModel, where + report.misshapen[0]);
  if (!report.missing.empty()) {
    throw Error(ErrorKind::kModel, where + report.missing[0] + ": expected, found nothing");
  }
}

}  // namespace

bool Slice(const SliceOptions& options, const ProgressCallback& on_progress) {
  const auto checkpoint = Checkpoint::Load(options.model);
  const std::string form = FormOf(*checkpoint);
  const fs::path out = PlainPath(options.out);
  CheckForm(options, form);
  CheckOutput(options, out, form);
  CheckTensors(*checkpoint);
  const ModelConfig config = ModelConfig::Load(*checkpoint);
  const NamedShape size = ParseSize(options.size, config.text);
  const ModelParts has = ModelParts::Of(*checkpoint);
  CheckCanBeCut(*checkpoint, has.text_prefix, config.text, size.shape);
  if (options.on_note && size.name != "full" && size.name != options.size) {
    options.on_note("size: " + size.name);
  }
  LeftOut left_out{.vision = has.vision && !options.vision, .audio = has.audio && !options.audio};
  const bool fewer = left_out.vision || left_out.audio;
  const bool none = !(has.vision && options.vision) && !(has.audio && options.audio);
  left_out.text_only = fewer && none && has.text_prefix == "model.language_model.";
  const Job job{.options = options,
                .checkpoint = *checkpoint,
                .config = config,
                .shape = size.shape,
                .parts = {.text_prefix = has.text_prefix,
                          .to_text_prefix = left_out.text_only ? "model." : has.text_prefix,
                          .vision = options.vision,
                          .audio = options.audio},
                .config_text = CutConfig(checkpoint->Text(kConfig, kMostConfigBytes).value_or("{}"),
                                         config.text, size.shape, left_out),
                .out = out,
                .on_progress = on_progress};
  if (form == "packed") return WritePacked(job);
  return form == "gguf" ? WriteGguf(job) : WriteDirectory(job);
}

}  // namespace gemma3n
