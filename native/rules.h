// The constants of each optimizer's rule, which updates.h applies. To add an optimizer: a line of RETROGRAD_RULES and a
// struct of constants here, a functor in updates.h.
#pragma once

namespace retrograd {

// X(name of the rule, its type in updates.h)
#define RETROGRAD_RULES(X)                                                                                             \
    X(sgd, Sgd) X(adam, Adam) X(adamax, Adamax) X(nadam, Nadam) X(radam, Radam) X(rmsprop, Rmsprop)                    \
    X(adagrad, Adagrad) X(adadelta, Adadelta) X(asgd, Asgd) X(rprop, Rprop)

enum class Rule : int {
#define X(name, type) name,
    RETROGRAD_RULES(X)
#undef X
    count
};
constexpr int kRules = static_cast<int>(Rule::count);

// A rule's constants: doubles only, so that they can be set by name. All rules begin with the first three: the gradient's
// sign, and weight decay, which is added to it or (shrink, else 1) taken from the parameter.
#define RETROGRAD_CONSTANTS(type, ...)                                                                                 \
    struct type##Step {                                                                                                \
        static constexpr const char *names = "weight_decay, shrink, maximize, " #__VA_ARGS__;                         \
        double weight_decay, shrink, maximize, __VA_ARGS__;                                                            \
    }
RETROGRAD_CONSTANTS(Sgd, lr, momentum, dampening, nesterov, first);  // first: the momentum buffer is new
RETROGRAD_CONSTANTS(Adam, beta1, beta2, eps, rate, root);            // rate: lr / (1 - beta1^t); root: of 1 - beta2^t
RETROGRAD_CONSTANTS(Adamax, beta1, beta2, eps, rate);
RETROGRAD_CONSTANTS(Nadam, beta1, beta2, eps, correction, of_gradient, of_mean);  // correction: 1 - beta2^t
RETROGRAD_CONSTANTS(Radam, beta1, beta2, eps, rate, rectification);               // 0 where it cannot be told yet
RETROGRAD_CONSTANTS(Rmsprop, lr, alpha, eps, momentum, centered);
RETROGRAD_CONSTANTS(Adagrad, rate, eps);
RETROGRAD_CONSTANTS(Adadelta, lr, rho, eps);
RETROGRAD_CONSTANTS(Asgd, eta, mu);
RETROGRAD_CONSTANTS(Rprop, shorter, longer, smallest, largest);
#undef RETROGRAD_CONSTANTS

constexpr int kMostStates = 3;  // of a rule
constexpr int kMostConstants = 9;

}  // namespace retrograd
