// Elementwise functions of rows, as core/elementwise.py records them, run with NumPy's own loops: the same bits,
// without Python and without NumPy's machinery for each step; large arrays block by block, by all threads.
#pragma once
#include "python.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace retrograd {

struct Program;

// A function with the programs it was recorded as, one for each combination of argument kinds.
class Elementwise {
  public:
    explicit Elementwise(PyObject *function, bool is_forward = false);  // is_forward: it takes NumPy as first argument
    ~Elementwise();
    Elementwise(Elementwise &&) noexcept;

    PyObject *function() const { return function_; }
    // function(*args); empty where it is no elementwise function of these, and has to be called. `spare`: an argument
    // that nobody needs any more, where its memory may take the result.
    Ref operator()(PyObject *const *args, size_t count, PyObject *spare = nullptr);

  private:
    struct Known {
        uint64_t kinds;
        std::vector<double> numbers;  // those that the program holds for, if it depends on them
        std::unique_ptr<Program> program;
    };
    PyObject *function_;  // kept for good
    bool is_forward_;
    std::vector<Known> known_;

    const Program *find(uint64_t kinds, PyObject *const *args, size_t count, const double *numbers);
};

// x += y for C-ordered float32 or float64 arrays of one shape and dtype; gives false for others.
bool add_in_place(PyObject *x, PyObject *y);

// Adds functions that NumPy lacks to the module, as ufuncs of float32 and float64: elementwise functions may use them.
void add_ufuncs(PyObject *module);

}  // namespace retrograd
