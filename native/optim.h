// Optimizer steps over many parameters at once, in place, in one parallel pass.
#pragma once
#include <array>
#include <deque>
#include <vector>

#include "array.h"
#include "factors.h"
#include "rules.h"

namespace retrograd {

constexpr int kMostArrays = 2 + kMostStates;  // a parameter, its gradient, its state

// Parameters of any shapes and layouts, float32 or float64, which a rule moves. What it was given must stay until it ran.
class Steps {
  public:
    Steps(Rule rule, int states);

    // arrays: the parameter, its gradient and its state, all of one shape and dtype. A gradient may be given as its factors
    // instead (arrays[1] is then null): parameter and state are then dense, in the order of the factors' product.
    void add(const Array *const *arrays, const Factors *factors);
    // The same, of arrays that are known to be dense and laid out alike.
    void add_run(char type, void *const *at, int64_t size, const Factors *factors);

    int64_t elements() const { return elements_; }
    void run(const double *constants) const;  // the rule's struct in rules.h

  private:
    struct Run {
        void *at[kMostArrays];
        int64_t size;
        const Factors *factors;
    };
    template <class T> void run_of(char type, std::vector<Run> runs, const double *constants) const;

    const Rule rule_;
    const int states_;
    int64_t elements_ = 0;
    std::vector<Run> floats_, doubles_;
    std::deque<std::array<Array, kMostArrays>> odd_;  // those that are not dense or not alike
};

// How many constants a rule has, and which one a name is; -1: none.
int constants_of(Rule rule);
int constant_named(Rule rule, const char *name);
const char *constant_names(Rule rule);
// The rule of this name, and how many arrays of state it takes.
Rule rule_named(const std::string &name);
void expect_states(Rule rule, int states);

}  // namespace retrograd
