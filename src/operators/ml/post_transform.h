// What becomes of a model's scores before they are put out.
#pragma once

#include <span>
#include <string_view>

#include "operators/kernel.h"

namespace hearth::operators::ml {

enum class PostTransform { None, Softmax, Logistic, SoftmaxZero, Probit };  // numbered as TreeEnsemble's attribute

// The attribute post_transform by name.
Result<PostTransform> post_transform_of(const graph::Node& node);

// The scores of one row, in place.
void transform_scores(PostTransform transform, std::span<double> scores);

}  // namespace hearth::operators::ml
