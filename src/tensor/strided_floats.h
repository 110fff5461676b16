// Float32 numbers that lie somewhere at any address, seen in another order and times a number for each channel: what a
// weight of a model is before anybody packs it or writes it out (Tensor::defer()). A value; it changes no number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hearth {

class Tensor;

struct StridedFloats {
  struct Axis {
    int64_t size = 1, stride = 1;  // from one index to the next, in numbers
    bool scaled = false;           // number i along it is times scale[i]; at most one axis is
  };

  const std::byte* from = nullptr;    // need not be aligned
  std::shared_ptr<const void> owner;  // shared: many weights come from one file. Keeps `source` alive
  std::span<const std::byte> source;  // all that may be read
  bool mapped = false;                // `source` are pages of a file, which can be had again (release())
  std::vector<Axis> axes;             // outermost first, row-major; none has size 1, no two could be one
  std::vector<float> scale;           // empty: no axis is scaled

  // What the tensor, float32 with at least one element, is made of; of one that is written out, its elements.
  static StridedFloats of(const Tensor& tensor);

  int64_t size() const;

  // Each leaves everything as it was when it returns false: the numbers cannot be seen so without being written out.

  // Elements seen as [outer, channels, inner]: each times scale[channel].
  bool scale_channels(int64_t channels, int64_t inner, std::span<const double> numbers);
  // Elements seen as [outer, sizes…, inner]: axis i of the sizes becomes what axis order[i] was.
  bool permute(int64_t inner, std::span<const int64_t> sizes, std::span<const int64_t> order);

  // As a matrix of `columns` columns whose rows lie in at most two nested steps: row i * inner_rows + j begins at
  // i * outer_stride + j * row_stride. Only columns are scaled.
  struct Matrix {
    const float* at = nullptr;  // need not be aligned
    int64_t rows = 0, inner_rows = 0, outer_stride = 0, row_stride = 0, column_stride = 0;
    const float* scale = nullptr;  // [columns] or nullptr; lives as long as these StridedFloats
  };
  bool as_matrix(int64_t columns, Matrix& matrix) const;
  // As [rows, size / rows], dense and in order; only rows are scaled. `at` and `scale` as in Matrix.
  bool as_rows(int64_t rows, const float*& at, const float*& row_scale) const;

  // Where they lie when that is in order, without gaps and factors, at any address; else nullptr.
  const std::byte* dense() const;

  // Writes them out in order.
  void write(float* to) const;
  // Gives the pages that hold nothing but these numbers of `source` back to the system, where they are a file's;
  // reading them again finds what the file has.
  void release() const { release(reinterpret_cast<const float*>(source.data()), source.size() / sizeof(float)); }
  void release(const float* first, size_t count) const;

 private:
  // There is a boundary between axes with `inner` elements behind it; its place in `axes`, -1: it cannot be made.
  int split(int64_t inner);
  void merge();
};

}  // namespace hearth
