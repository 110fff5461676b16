// Resampling along one axis: which positions of the input an output position is made of, and in which parts.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

enum class Interpolation { Nearest, Linear, Cubic };

// How a position of the output becomes one of the input (the operator's coordinate_transformation_mode).
enum class Coordinates {
  HalfPixel,
  HalfPixelSymmetric,
  PytorchHalfPixel,
  AlignCorners,
  Asymmetric,
  TfHalfPixelForNn,  // opset 11 and 12
  TfCropAndResize,
};

enum class NearestMode {
  RoundPreferFloor,
  RoundPreferCeil,
  Floor,
  Ceil,
  CeilWhenShrinking,  // Resize of opset 10: up where the axis shrinks, down where it grows
};

struct ResampleRules {
  Interpolation interpolation = Interpolation::Nearest;
  Coordinates coordinates = Coordinates::HalfPixel;
  NearestMode nearest = NearestMode::RoundPreferFloor;
  double cubic_a = -0.75;
  bool antialias = false;        // not with Nearest
  bool exclude_outside = false;  // weights beyond the ends are dropped and the rest scaled to a sum of 1
};

struct ResampleAxis {
  int64_t input = 0, output = 0;        // sizes; both at least 1
  double scale = 1;                     // output / input, but where the scale was given and the output rounded
  double exact_output = 0;              // the output's size before it was rounded; 0: the output's size
  double crop_begin = 0, crop_end = 1;  // TfCropAndResize: the part of the input, in units of its size

  // The output is the input: nothing has to be done.
  bool is_identity(const ResampleRules& rules) const;
};

// A row for each output position.
struct Taps {
  int64_t count = 0;  // numbers in a row
  Tensor positions;   // I64 [output, count], within the input; all -1: outside of the input, to be extrapolated
  Tensor weights;     // F64 [output, count]; none for Nearest, where count is 1
};

Result<Taps> make_taps(Call& call, const ResampleRules& rules, const ResampleAxis& axis);

}  // namespace hearth::operators
