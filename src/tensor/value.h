// What a graph computes with: tensors that own (or share) host memory, sequences, maps.
// A Tensor is a handle: copies share the elements. Whoever writes elements must be their only owner (see writable()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/strided_floats.h"
#include "tensor/tensor.h"

namespace hearth {

// Sizes of a tensor, outermost first. At most HEARTH_MAX_RANK of them; a value, no heap.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> sizes) : Dims(std::span(sizes.begin(), sizes.size())) {}
  explicit Dims(std::span<const int64_t> sizes);  // more than HEARTH_MAX_RANK sizes are a CHECK: ask fits() first
  static bool fits(size_t rank) { return rank <= HEARTH_MAX_RANK; }

  int rank() const { return rank_; }
  size_t size() const { return static_cast<size_t>(rank_); }
  bool empty() const { return rank_ == 0; }
  int64_t operator[](size_t i) const { return sizes_[i]; }
  int64_t& operator[](size_t i) { return sizes_[i]; }
  int64_t back() const { return sizes_[rank_ - 1]; }
  const int64_t* begin() const { return sizes_; }
  const int64_t* end() const { return sizes_ + rank_; }
  operator std::span<const int64_t>() const { return {sizes_, size()}; }
  void push_back(int64_t size);
  void insert(int at, int64_t size);
  void erase(int at);
  friend bool operator==(const Dims& a, const Dims& b) {
    return std::ranges::equal(std::span<const int64_t>(a), std::span<const int64_t>(b));
  }

 private:
  int64_t sizes_[HEARTH_MAX_RANK] = {};
  int rank_ = 0;
};

// "[2, 3]"; a scalar is "[]".
std::string to_string(const Dims& dims);
// The product, 1 for a scalar. Limit when negative sizes or more than kMaxTensorElements elements are asked for.
inline constexpr int64_t kMaxTensorElements = int64_t{1} << 40;
Result<int64_t> count_elements(std::span<const int64_t> dims);

// Where tensors get their bytes: a session's budget, a plan's arena, or the heap.
class TensorMemory {
 public:
  virtual ~TensorMemory() = default;
  // At least 64-byte aligned, uninitialised. Limit when the budget does not allow it or the system has no more.
  virtual Result<std::shared_ptr<std::byte>> allocate(size_t bytes) = 0;
};
TensorMemory& heap_memory();  // thread-safe

class Tensor {
 public:
  Tensor() = default;  // no tensor
  // Dense, row-major, uninitialised (strings: empty).
  static Result<Tensor> allocate(DType dtype, const Dims& dims, TensorMemory& memory = heap_memory());
  // Elements owned by somebody else: `owner` keeps them alive (null: the caller promises to). Not writable.
  // `mapped`: they are bytes of a MappedFile.
  static Tensor borrow(const void* data, DType dtype, const Dims& dims, std::shared_ptr<const void> owner,
                       bool mapped = false);
  // Float32 elements that are written out, in memory of the heap, when somebody looks at them for the first time.
  // Whoever can do with deferred() instead spares that. Not writable. As many numbers as the sizes say (CHECK).
  static Tensor defer(StridedFloats elements, const Dims& dims);
  // Small tensors from values; CHECKs that the count matches. For constants and tests.
  template <class T>
  static Tensor of(DType dtype, const Dims& dims, std::span<const T> values);

  explicit operator bool() const { return data_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int rank() const { return dims_.rank(); }
  int64_t dim(int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t size() const { return size_; }  // elements
  size_t bytes() const { return static_cast<size_t>(bytes_of(dtype_, size_)); }

  const void* raw() const { return deferred_ ? written_out() : data_; }
  // What the elements are made of; nullptr when they were never put off.
  const StridedFloats* deferred() const;
  // Writes deferred elements out now; Limit when there is no memory, which the first look could not tell. Thread-safe.
  Result<> write_out() const;
  bool mapped() const { return mapped_; }
  // Gives the pages of a file that hold nothing but these elements back to the system; reading finds them again.
  void release() const;
  void* mutable_raw() { return const_cast<void*>(data_); }  // only when writable()
  template <class T>
  const T* data() const {
    return static_cast<const T*>(raw());
  }
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(mutable_raw());
  }
  std::span<const std::string> strings() const { return {data<std::string>(), static_cast<size_t>(size_)}; }

  // Nobody else shares the elements and they may be written.
  bool writable() const { return !borrowed_ && owner_.use_count() == 1; }
  // The same elements under other sizes; the product must be equal (CHECK).
  Tensor reshaped(const Dims& dims) const;
  Result<Tensor> clone(TensorMemory& memory = heap_memory()) const;
  HearthTensor view() const { return hearth::view(raw(), dtype_, dims_); }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  const void* written_out() const;

  const void* data_ = nullptr;         // never null for a tensor that exists, even an empty one
  std::shared_ptr<const void> owner_;  // shared: outputs, views and constants outlive the run that made them
  Dims dims_;
  int64_t size_ = 0;
  DType dtype_ = DType::F32;
  bool borrowed_ = false, mapped_ = false;
  bool deferred_ = false;  // owner_ is what is put off, data_ means nothing
};

struct Sequence;
struct Map;

// One value on an edge: nothing (an absent optional), a tensor, a sequence or a map.
class Value {
 public:
  Value() = default;
  Value(Tensor tensor) : data_(std::move(tensor)) {}                               // NOLINT: a tensor is a value
  Value(std::shared_ptr<const Sequence> sequence) : data_(std::move(sequence)) {}  // NOLINT
  Value(std::shared_ptr<const Map> map) : data_(std::move(map)) {}                 // NOLINT

  bool empty() const { return std::holds_alternative<std::monostate>(data_); }
  const Tensor* tensor() const { return std::get_if<Tensor>(&data_); }
  Tensor* tensor() { return std::get_if<Tensor>(&data_); }
  const Sequence* sequence() const;  // nullptr when it is something else
  const Map* map() const;

 private:
  // shared and const: a sequence that several nodes read is never copied; who changes it makes a new one.
  std::variant<std::monostate, Tensor, std::shared_ptr<const Sequence>, std::shared_ptr<const Map>> data_;
};

struct Sequence {
  DType dtype = DType::F32;  // of the tensors in it, for an empty one
  std::vector<Value> items;
};

// ai.onnx.ml: as many keys as values.
struct Map {
  std::variant<std::vector<int64_t>, std::vector<std::string>> keys;
  Tensor values;  // rank 1
};

template <class T>
Tensor Tensor::of(DType dtype, const Dims& dims, std::span<const T> values) {
  auto made = allocate(dtype, dims);
  CHECK(made && made->size() == static_cast<int64_t>(values.size()) && made->bytes() == values.size_bytes());
  std::copy(values.begin(), values.end(), made->template mutable_data<T>());
  return std::move(*made);
}

}  // namespace hearth
