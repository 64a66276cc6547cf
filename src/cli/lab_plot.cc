// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gemma3n::cli {
namespace {

struct Axis {
  double low = 0, high = 1;  // what the plot shows; of a logarithmic one, their logarithms
  double step = 1;           // between marks
  bool logarithmic = false;
  // A value that a logarithmic axis does not reach, such as 0, stands at its end.
  double Share(double value) const {
    const double at = !logarithmic ? value : value > 0 ? std::max(low, std::log10(value)) : low;
    return (at - low) / (high - low);
  }
};

// Marks at 1, 2 or 5 times a power of ten.
Axis AxisOver(double low, double high, int marks) {
  const double least = std::max(std::abs(high) * 1e-6, 1e-12);
  if (high - low < least) high = low + least;
  const double margin = (high - low) * 0.04;
  Axis axis{low - margin, high + margin};
  const double raw = (axis.high - axis.low) / marks;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0, 10.0}) {
    axis.step = factor * power;
    if (axis.step >= raw) break;
  }
  return axis;
}

Axis LogarithmicAxis(double low, double high) {
  const double margin = 0.04 * std::log10(high / low);
  return {std::log10(low) - margin, std::log10(high) + margin, 1, true};
}

std::vector<double> MarksOf(const Axis& axis) {
  std::vector<double> marks;
  if (axis.logarithmic) {
    for (double power = std::floor(axis.low); power <= axis.high; ++power) {
      for (double factor : {1, 2, 5}) {
        const double at = power + std::log10(factor);
        if (at >= axis.low && at <= axis.high) marks.push_back(factor * std::pow(10, power));
      }
    }
    return marks;
  }
  for (double i = std::ceil(axis.low / axis.step); i * axis.step <= axis.high; ++i) {
    marks.push_back(i * axis.step);
  }
  return marks;
}

// As many digits as tell neighbours apart.
std::string Number(double value, const Axis& axis) {
  const double step = axis.logarithmic ? value : axis.step;
  const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 9);
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, std::abs(value) < step / 2 ? 0.0 : value);
  return text;
}

struct Unit {
  double scale;
  std::string name;
};
Unit UnitOf(CostKind kind, double most) {
  if (kind == CostKind::kSeconds) return {1e-3, "milliseconds"};
  const bool bytes = kind == CostKind::kBytes;
  if (most >= 1e9) return {1e9, bytes ? "GB" : "billions"};
  if (most >= 1e6) return {1e6, bytes ? "MB" : "millions"};
  return {1e3, bytes ? "KB" : "thousands"};
}

// What is shown, where, and how much had to be left off.
struct Layout {
  Layout(const Plot& plot, int x_marks, int y_marks) {
    double left = 0, right = 0;
    for (size_t i = 0; i < plot.points.size(); ++i) {
      const double cost = plot.points[i].cost;
      left = i == 0 ? cost : std::min(left, cost);
      right = i == 0 ? cost : std::max(right, cost);
    }
    unit = UnitOf(plot.kind, right);
    x = AxisOver(left / unit.scale, right / unit.scale, x_marks);
    y = LossAxis(plot, y_marks);
    top = y.logarithmic ? std::pow(10, y.high) : y.high;
    std::vector<ScoredSize> sizes;
    for (const PlotPoint& point : plot.points) {
      sizes.push_back({{}, point.loss, point.cost});
      left_off += !Shows(point);
    }
    for (size_t i : ParetoFront(sizes)) {
      if (Shows(plot.points[i])) front.push_back(i);
    }
  }

  // Sizes that are broken would press all others to the ground: the worst that have a name decide
  // how much is shown, on a logarithmic scale where they are far apart.
  static Axis LossAxis(const Plot& plot, int marks) {
    double low = 0, high = 0, least = 0;  // of all, of the named, of the named above 0
    for (size_t i = 0; i < plot.points.size(); ++i) {
      const PlotPoint& point = plot.points[i];
      low = i == 0 ? point.loss : std::min(low, point.loss);
      if (point.mark == Mark::kTried) continue;
      high = std::max(high, point.loss);
      if (point.loss > 0 && (least == 0 || point.loss < least)) least = point.loss;
    }
    constexpr double kFarApart = 20;
    if (least > 0 && high > kFarApart * least) return LogarithmicAxis(least, high);
    return AxisOver(low, std::max(low, high), marks);
  }

  bool Shows(const PlotPoint& point) const { return point.loss <= top; }
  double X(const PlotPoint& point) const { return x.Share(point.cost / unit.scale); }
  double Y(const PlotPoint& point) const { return y.Share(point.loss); }

  Unit unit;
  Axis x, y;
  double top = 0;  // the largest loss that is shown
  std::vector<size_t> front;
  int left_off = 0;
};

std::string LossName(const Plot& plot, const Axis& axis) {
  return plot.loss_name + (axis.logarithmic ? " (logarithmic; less at the bottom)" : "");
}

std::string LeftOff(int count) {
  if (count == 0) return "";
  return std::to_string(count) + (count == 1 ? " worse size lies" : " worse sizes lie") +
         " above what is shown";
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (unsigned char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        if (c >= 0x20) escaped += static_cast<char>(c);
    }
  }
  return escaped;
}

struct Look {
  Mark mark;
  const char* name;
  const char* colour;
  char letter;  // in the terminal
};
// In the order of drawing.
constexpr Look kLooks[] = {{Mark::kTried, "tried by the search", "#b8b8b8", '.'},
                           {Mark::kUniform, "uniform width", "#0072b2", 'u'},
                           {Mark::kPublished, "published", "#009e73", 'p'},
                           {Mark::kFull, "the full model", "#000000", 'F'},
                           {Mark::kChosen, "chosen", "#d55e00", '*'}};
constexpr char kFrontColour[] = "#cc79a7";

class Svg {
 public:
  explicit Svg(const Plot& plot) : plot_(plot), layout_(plot, 8, 6) {}

  std::string Draw() {
    Put("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
        "%d\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n",
        kWidth, kHeight, kWidth, kHeight);
    Put("<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", kWidth, kHeight);
    Text(kLeft, 24, "start", plot_.title, " font-size=\"15\"");
    Axes();
    Front();
    Tried();
    for (const Look& look : kLooks) {
      for (const PlotPoint& point : plot_.points) {
        if (point.mark == look.mark && look.mark != Mark::kTried && layout_.Shows(point)) {
          Point(look, X(layout_.X(point)), Y(layout_.Y(point)), Tip(point));
        }
      }
    }
    Names();
    Legend();
    return out_ + "</svg>\n";
  }

 private:
  static constexpr int kWidth = 800, kHeight = 520, kLeft = 80, kRight = 780, kTop = 44;
  static constexpr int kBottom = 420;

  template <class... Values>
  void Put(const char* format, Values... values) {
    char text[512];
    std::snprintf(text, sizeof(text), format, values...);
    out_ += text;
  }
  void Text(double x, double y, const char* anchor, const std::string& text,
            const std::string& more = "") {
    Put("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"", x, y, anchor);
    out_ += more + ">" + Escaped(text) + "</text>\n";
  }
  void Line(double x1, double y1, double x2, double y2, const char* colour) {
    Put("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2,
        colour);
  }
  static double X(double share) { return kLeft + share * (kRight - kLeft); }
  static double Y(double share) { return kBottom - share * (kBottom - kTop); }

  void Axes() {
    for (double value : MarksOf(layout_.x)) {
      const double x = X(layout_.x.Share(value));
      Line(x, kTop, x, kBottom, "#e6e6e6");
      Text(x, kBottom + 18, "middle", Number(value, layout_.x));
    }
    for (double value : MarksOf(layout_.y)) {
      const double y = Y(layout_.y.Share(value));
      Line(kLeft, y, kRight, y, "#e6e6e6");
      Text(kLeft - 8, y + 4, "end", Number(value, layout_.y));
    }
    Line(kLeft, kBottom, kRight, kBottom, "#000000");
    Line(kLeft, kTop, kLeft, kBottom, "#000000");
    Text((kLeft + kRight) / 2.0, kBottom + 38, "middle",
         std::string(CostName(plot_.kind)) + ", " + layout_.unit.name);
    Text(18, (kTop + kBottom) / 2.0, "middle", LossName(plot_, layout_.y),
         " font-size=\"11\" transform=\"rotate(-90 18 " + std::to_string((kTop + kBottom) / 2) +
             ")\"");
  }

  // Steps: what a budget buys at least.
  void Front() {
    std::string points;
    double last = 0;
    for (size_t i = 0; i < layout_.front.size(); ++i) {
      const PlotPoint& point = plot_.points[layout_.front[i]];
      char text[96];
      const double x = X(layout_.X(point)), y = Y(layout_.Y(point));
      if (i > 0) {
        std::snprintf(text, sizeof(text), "%.1f,%.1f ", x, last);
        points += text;
      }
      std::snprintf(text, sizeof(text), "%.1f,%.1f ", x, y);
      points += text;
      last = y;
    }
    out_ += "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"" + std::string(kFrontColour) +
            "\" points=\"" + points + "\"/>\n";
  }

  // Hundreds of them, in one path of dots.
  void Tried() {
    out_ += "<path fill=\"none\" stroke-linecap=\"round\" stroke-width=\"4.4\" stroke=\"" +
            std::string(kLooks[0].colour) + "\" d=\"";
    for (const PlotPoint& point : plot_.points) {
      if (point.mark != Mark::kTried || !layout_.Shows(point)) continue;
      Put("M%.1f %.1fh0", X(layout_.X(point)), Y(layout_.Y(point)));
    }
    out_ += "\"/>\n";
  }

  // Of what was chosen, and of the full model where nothing chosen stands there.
  void Names() {
    for (const PlotPoint& point : plot_.points) {
      const bool hidden =
          point.mark == Mark::kFull &&
          std::any_of(plot_.points.begin(), plot_.points.end(), [&](const PlotPoint& other) {
            return other.mark == Mark::kChosen && other.cost == point.cost;
          });
      if (hidden || !layout_.Shows(point)) continue;
      if (point.mark != Mark::kChosen && point.mark != Mark::kFull) continue;
      const bool right = layout_.X(point) > 0.75;
      Text(X(layout_.X(point)) + (right ? -9 : 9), Y(layout_.Y(point)) - 8, right ? "end" : "start",
           point.name, " font-size=\"10\"");
    }
  }

  std::string Tip(const PlotPoint& point) const {
    char loss[48];
    std::snprintf(loss, sizeof(loss), "%.5f", point.loss);
    return (point.name.empty() ? "" : point.name + ": ") + CostAsText(plot_.kind, point.cost) +
           ", " + loss;
  }

  void Point(const Look& look, double x, double y, const std::string& tip) {
    const char* c = look.colour;
    const std::string title = tip.empty() ? "" : "<title>" + Escaped(tip) + "</title>";
    out_ += "<g>" + title;
    switch (look.mark) {
      case Mark::kTried:
        Put("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\" fill=\"%s\"/>", x, y, c);
        break;
      case Mark::kUniform:
        Put("<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\" fill=\"%s\"/>", x - 4, y - 4, c);
        break;
      case Mark::kPublished:
        Put("<path d=\"M%.1f %.1fl5 5l-5 5l-5 -5z\" fill=\"%s\"/>", x, y - 5, c);
        break;
      case Mark::kFull:
        Put("<path d=\"M%.1f %.1fl6 10h-12z\" fill=\"%s\"/>", x, y - 6, c);
        break;
      case Mark::kChosen:
        Put("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"6\" fill=\"none\" stroke-width=\"2.5\" "
            "stroke=\"%s\"/>",
            x, y, c);
    }
    out_ += "</g>\n";
  }

  void Legend() {
    double x = kLeft;
    const double y = kHeight - 34;
    for (const Look& look : kLooks) {
      const bool there = std::any_of(plot_.points.begin(), plot_.points.end(),
                                     [&](const PlotPoint& p) { return p.mark == look.mark; });
      if (!there) continue;
      Point(look, x + 6, y - 4, "");
      Text(x + 18, y, "start", look.name);
      x += 40 + 6.6 * static_cast<double>(std::string(look.name).size());
    }
    Line(x, y - 4, x + 16, y - 4, kFrontColour);
    Text(x + 22, y, "start", "Pareto front of all");
    if (layout_.left_off > 0) {
      Text(kLeft, y + 20, "start", LeftOff(layout_.left_off), " fill=\"#666666\"");
    }
  }

  const Plot& plot_;
  Layout layout_;
  std::string out_;
};

}  // namespace

std::string PlotAsSvg(const Plot& plot) {
  return Svg(plot).Draw();
}

std::string PlotAsText(const Plot& plot, int columns, int rows) {
  const int margin = 11, width = std::max(20, columns - margin - 1);
  const Layout layout(plot, width / 14, rows / 4);
  std::vector<std::string> grid(static_cast<size_t>(rows), std::string(width, ' '));
  const auto at = [&](const PlotPoint& point) -> char& {
    const int column = static_cast<int>(std::lround(layout.X(point) * (width - 1)));
    const int row = static_cast<int>(std::lround((1 - layout.Y(point)) * (rows - 1)));
    return grid[static_cast<size_t>(std::clamp(row, 0, rows - 1))]
               [static_cast<size_t>(std::clamp(column, 0, width - 1))];
  };
  std::string legend;
  for (const Look& look : kLooks) {
    bool there = false;
    for (const PlotPoint& point : plot.points) {
      if (point.mark != look.mark) continue;
      there = true;
      if (layout.Shows(point)) at(point) = look.letter;
    }
    if (look.mark == Mark::kTried) {
      for (size_t i : layout.front) at(plot.points[i]) = 'o';
    }
    if (there) legend += std::string(1, look.letter) + " " + look.name + "  ";
  }
  std::vector<std::string> labels(static_cast<size_t>(rows));
  for (double value : MarksOf(layout.y)) {
    const long row = std::lround((1 - layout.y.Share(value)) * (rows - 1));
    labels[static_cast<size_t>(row)] = Number(value, layout.y);
  }
  std::string text = LossName(plot, layout.y) + "\n";
  for (size_t row = 0; row < grid.size(); ++row) {
    const std::string line = grid[row].substr(0, grid[row].find_last_not_of(' ') + 1);
    text += std::string(margin - 2 - std::min<size_t>(labels[row].size(), margin - 2), ' ') +
            labels[row] + (labels[row].empty() ? " |" : " +") + line + "\n";
  }
  std::string below(static_cast<size_t>(columns), ' ');
  std::string rule = std::string(margin, ' ') + std::string(static_cast<size_t>(width), '-');
  for (double value : MarksOf(layout.x)) {
    const std::string number = Number(value, layout.x);
    const long column = margin + std::lround(layout.x.Share(value) * (width - 1));
    const long begin = std::clamp<long>(column - static_cast<long>(number.size()) / 2, 0,
                                        columns - static_cast<long>(number.size()));
    rule[static_cast<size_t>(column)] = '+';
    below.replace(static_cast<size_t>(begin), number.size(), number);
  }
  text += rule + "\n" + below.substr(0, below.find_last_not_of(' ') + 1) + "\n";
  text += std::string(margin, ' ') + CostName(plot.kind) + ", " + layout.unit.name + "\n";
  text += legend + "o Pareto front\n";
  const std::string left_off = LeftOff(layout.left_off);
  return left_off.empty() ? text : text + left_off + "\n";
}

}  // namespace gemma3n::cli
