#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

template <class T>
void choose(const Broadcast<3>& walk, const uint8_t* condition, const T* x, const T* y, T* to, int64_t begin,
            int64_t end) {
  const bool c_moves = walk.moves(0);
  const int64_t x_step = walk.moves(1) ? 1 : 0, y_step = walk.moves(2) ? 1 : 0;
  walk.visit(begin, end, [&](int64_t at, int64_t count, const auto& offsets) {
    const uint8_t* c = condition + offsets[0];
    const T *u = x + offsets[1], *v = y + offsets[2];
    T* z = to + at;
    if (!c_moves) {  // one side for the whole run
      const T* from = *c != 0 ? u : v;
      const int64_t step = *c != 0 ? x_step : y_step;
      if (step != 0)
        std::copy_n(from, count, z);
      else
        std::fill_n(z, count, *from);
    } else if (x_step != 0 && y_step != 0) {
      for (int64_t i = 0; i < count; ++i) z[i] = c[i] != 0 ? u[i] : v[i];
    } else {
      for (int64_t i = 0; i < count; ++i) z[i] = c[i] != 0 ? u[i * x_step] : v[i * y_step];
    }
  });
}

}  // namespace

Result<> where(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* condition, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* y, call.tensor(2));
  if (condition->dtype() != DType::Bool)
    return call.invalid("condition; got {}, need bool", to_string(condition->dtype()));
  if (x->dtype() != y->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(y->dtype()));
  ASSIGN_OR_RETURN(const Dims dims, broadcast_dims(call, {&condition->dims(), &x->dims(), &y->dims()}));
  ASSIGN_OR_RETURN(Tensor * made, call.output(0, x->dtype(), dims));
  const Broadcast<3> walk(dims, {&condition->dims(), &x->dims(), &y->dims()});
  const auto run = [&]<class T>() {
    call.parallel(walk.size(), kCheapGrain, [&](int64_t begin, int64_t end) {
      choose<T>(walk, condition->data<uint8_t>(), x->data<T>(), y->data<T>(), made->mutable_data<T>(), begin, end);
    });
  };
  if (x->dtype() == DType::String)
    run.operator()<std::string>();
  else
    CHECK(with_width(bytes_of(x->dtype(), 1), run));
  return {};
}

}  // namespace hearth::operators::elementwise
