#include "array.h"

#include <stdexcept>

namespace retrograd {
namespace {

std::string text_of(const int64_t *shape, size_t n) {
    std::string text = "(";
    for (size_t i = 0; i < n; i++) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (n == 1 ? ",)" : ")");
}

}  // namespace

std::string Array::shape_text() const { return text_of(shape, ndim); }

void refuse(const std::string &message) { throw std::invalid_argument(message); }

void expect_shape(const Array &array, std::initializer_list<int64_t> shape) {
    bool same = static_cast<size_t>(array.ndim) == shape.size();
    for (size_t i = 0; same && i < shape.size(); i++) same = array.shape[i] == shape.begin()[i];
    if (!same)
        refuse(std::string(array.name) + " has shape " + array.shape_text() + ", expected " +
               text_of(shape.begin(), shape.size()));
}

void expect_same_type(const Array &array, const Array &other) {
    if (array.type != other.type)
        refuse(std::string(array.name) + " and " + other.name + " must have the same dtype");
}

}  // namespace retrograd
