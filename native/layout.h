// Arrays as flat runs of memory.
#pragma once
#include "array.h"
#include "memory.h"

namespace retrograd {

// Whether the elements fill one run of memory without gaps, in some order of the dimensions.
bool is_dense(const Array &array);

// Whether a and b have the same shape and, wherever a dimension has more than one element, the same strides.
bool same_layout(const Array &a, const Array &b);

// An array as a run in the memory order of `like`, which is dense and has the same shape: the array's own memory where
// it is laid out so, else a copy, which `write_back` copies to the array.
template <class T> class Flat {
  public:
    Flat(const Array &array, const Array &like);
    T *get() const { return data_; }
    void write_back() const;

  private:
    const Array &array_, &like_;
    Scratch<T> copy_;
    T *data_;
};

// The dimensions of `array` from the largest stride to the smallest; those of one element first.
void memory_order(const Array &array, int *order);

}  // namespace retrograd
