// What optimizers do with an element, a vector at a time: the formulas of torch.optim, as src/retrograd/optim has them too.
//
// A rule is built from its constants, of which it keeps what it needs in the type of the parameter, rounded once from
// double as PyTorch does. It has between `least` and `most` arrays of state, and is called with the parameter p, the
// gradient g and the state s, which it changes.
#pragma once
#include "loops.h"
#include "rules.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> INLINE Vec<T> square_root(Vec<T> v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_sqrt_ps(v);
    else return _mm512_sqrt_pd(v);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) return _mm256_sqrt_ps(v);
    else return _mm256_sqrt_pd(v);
#else
    for (int i = 0; i < kLanes<T>; i++) v[i] = sizeof(T) == 4 ? __builtin_sqrtf(v[i]) : __builtin_sqrt(v[i]);
    return v;
#endif
}

// The larger one; NaN if either is.
template <class T> INLINE Vec<T> larger(Vec<T> x, Vec<T> y) { return (x > y) | (x != x) ? x : y; }
template <class T> INLINE Vec<T> smaller(Vec<T> x, Vec<T> y) { return (x < y) | (x != x) ? x : y; }

// From `start` some of the way to `end`, exact at both.
template <class T> struct Towards {
    T weight, rest;
    bool near;

    explicit Towards(double weight) : weight(weight), rest(1 - weight), near(weight < 0.5 && weight > -0.5) {}
    INLINE Vec<T> operator()(Vec<T> start, Vec<T> end) const {
        return near ? start + (end - start) * weight : end - (end - start) * rest;
    }
};

// keep v + (1 - keep) g g
template <class T> struct MeanSquare {
    T keep, share;

    explicit MeanSquare(double keep) : keep(keep), share(1 - keep) {}
    INLINE Vec<T> operator()(Vec<T> v, Vec<T> g) const { return rounded(v * keep) + g * g * share; }
};

template <class T> struct Sgd {
    static constexpr int least = 0, most = 1;
    T lr, mu, keep;
    bool nesterov, first;

    explicit Sgd(const SgdStep &c) : lr(c.lr), mu(c.momentum), keep(1 - c.dampening), nesterov(c.nesterov), first(c.first) {}
    template <int N> INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[N]) const {
        s[0] = first ? g : rounded(mu * s[0]) + keep * g;
        p -= lr * (nesterov ? g + mu * s[0] : s[0]);
    }
    INLINE void move(Vec<T> &p, Vec<T> g) const { p -= lr * g; }
};

template <class T> struct Adam {
    static constexpr int least = 2, most = 3;
    Towards<T> mean;
    MeanSquare<T> square;
    T eps, rate, root;

    explicit Adam(const AdamStep &c) : mean(1 - c.beta1), square(c.beta2), eps(c.eps), rate(c.rate), root(c.root) {}
    template <int N> INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[N]) const {
        s[0] = mean(s[0], g);
        s[1] = square(s[1], g);
        Vec<T> top = s[1];
        if constexpr (N == 3) top = s[2] = larger<T>(s[1], s[2]);
        p -= rate * (s[0] / (square_root<T>(top) / root + eps));
    }
};

template <class T> struct Adamax {
    static constexpr int least = 2, most = 2;
    Towards<T> mean;
    T beta2, eps, rate;

    explicit Adamax(const AdamaxStep &c) : mean(1 - c.beta1), beta2(c.beta2), eps(c.eps), rate(c.rate) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[2]) const {
        s[0] = mean(s[0], g);
        const Vec<T> size = (g < T(0) ? -g : g) + eps;
        s[1] = larger<T>(s[1] * beta2, size);
        p -= rate * (s[0] / s[1]);
    }
};

template <class T> struct Nadam {
    static constexpr int least = 2, most = 2;
    Towards<T> mean;
    MeanSquare<T> square;
    T eps, correction, of_gradient, of_mean;

    explicit Nadam(const NadamStep &c)
        : mean(1 - c.beta1), square(c.beta2), eps(c.eps), correction(c.correction), of_gradient(c.of_gradient),
          of_mean(c.of_mean) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[2]) const {
        s[0] = mean(s[0], g);
        s[1] = square(s[1], g);
        const Vec<T> root = square_root<T>(s[1] / correction) + eps;
        p -= of_gradient * g / root;
        p -= of_mean * s[0] / root;
    }
};

template <class T> struct Radam {
    static constexpr int least = 2, most = 2;
    Towards<T> mean;
    MeanSquare<T> square;
    T eps, rate, rectification;

    explicit Radam(const RadamStep &c)
        : mean(1 - c.beta1), square(c.beta2), eps(c.eps), rate(c.rate), rectification(c.rectification) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[2]) const {
        s[0] = mean(s[0], g);
        s[1] = square(s[1], g);
        Vec<T> step = rate * s[0];
        if (rectification) step *= rectification / (square_root<T>(s[1]) + eps);
        p -= step;
    }
};

template <class T> struct Rmsprop {
    static constexpr int least = 1, most = 3;  // the mean square; if centred, the mean; with momentum its buffer
    Towards<T> mean;
    MeanSquare<T> square;
    T lr, eps, mu;
    bool centered;

    explicit Rmsprop(const RmspropStep &c)
        : mean(1 - c.alpha), square(c.alpha), lr(c.lr), eps(c.eps), mu(c.momentum), centered(c.centered) {}
    template <int N> INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[N]) const {
        Vec<T> spread = s[0] = square(s[0], g);
        if (N > 1 && centered) {
            constexpr int i = N > 1 ? 1 : 0;
            s[i] = mean(s[i], g);
            spread -= s[i] * s[i];
        }
        Vec<T> step = g / (square_root<T>(spread) + eps);
        if (N == 3 || (N == 2 && !centered)) {
            s[N - 1] = mu * s[N - 1] + step;
            step = s[N - 1];
        }
        p -= lr * step;
    }
};

template <class T> struct Adagrad {
    static constexpr int least = 1, most = 1;
    T rate, eps;

    explicit Adagrad(const AdagradStep &c) : rate(c.rate), eps(c.eps) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[1]) const {
        s[0] += g * g;
        p -= rate * (g / (square_root<T>(s[0]) + eps));
    }
};

template <class T> struct Adadelta {
    static constexpr int least = 2, most = 2;
    MeanSquare<T> square;
    T lr, eps;

    explicit Adadelta(const AdadeltaStep &c) : square(c.rho), lr(c.lr), eps(c.eps) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[2]) const {
        s[0] = square(s[0], g);
        const Vec<T> delta = square_root<T>(s[1] + eps) / square_root<T>(s[0] + eps) * g;
        s[1] = square(s[1], delta);
        p -= lr * delta;
    }
};

template <class T> struct Asgd {
    static constexpr int least = 1, most = 1;
    T eta, mu;

    explicit Asgd(const AsgdStep &c) : eta(c.eta), mu(c.mu) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[1]) const {
        p -= eta * g;
        s[0] = mu == 1 ? p : s[0] + (p - s[0]) * mu;
    }
};

template <class T> struct Rprop {
    static constexpr int least = 2, most = 2;  // the gradient before, and the step sizes
    T shorter, longer, smallest, largest;

    explicit Rprop(const RpropStep &c)
        : shorter(c.shorter), longer(c.longer), smallest(c.smallest), largest(c.largest) {}
    INLINE void move(Vec<T> &p, Vec<T> g, Vec<T> (&s)[2]) const {
        const Vec<T> none = {}, one = broadcast(T(1)), agreement = g * s[0];
        const Vec<T> factor = agreement < none ? broadcast(shorter) : agreement > none ? broadcast(longer) : one;
        s[1] = smaller<T>(larger<T>(s[1] * factor, broadcast(smallest)), broadcast(largest));
        s[0] = agreement < none ? none : g;
        const Vec<T> sign = s[0] > none ? one : s[0] < none ? -one : none;  // of NaN: 0, as PyTorch's
        p -= sign * s[1];
    }
};

// A rule with N arrays of state at element i of a run, whose gradient is g: after the gradient's sign and weight decay.
template <class T, template <class> class R, int N> struct Update {
    R<T> rule;
    T *param, *state[N ? N : 1];
    T decay, shrink;
    bool decays, shrinks, maximize;

    template <class Step> Update(const Step &c, T *const *at) : rule(c), param(at[0]), decay(c.weight_decay),
          shrink(c.shrink), decays(c.weight_decay != 0), shrinks(c.shrink != 1), maximize(c.maximize) {
        for (int j = 0; j < N; j++) state[j] = at[1 + j];
    }

    template <class Get, class Put> INLINE void operator()(int64_t i, Vec<T> g, Get get, Put put) const {
        Vec<T> p = get(param + i);
        g = rounded(maximize ? -g : g);
        if (decays) g += decay * p;
        if (shrinks) p = rounded(p * shrink);
        if constexpr (N == 0) rule.move(p, g);
        else {
            Vec<T> s[N];
            UNROLL
            for (int j = 0; j < N; j++) s[j] = get(state[j] + i);
            rule.move(p, g, s);
            UNROLL
            for (int j = 0; j < N; j++) put(state[j] + i, s[j]);
        }
        put(param + i, p);
    }
};

// One step over n elements: at[0] the parameter, at[1] on its state.
template <class T, template <class> class R, class Step, int N = R<T>::least>
void update(const void *constants, int states, const T *grad, T *const *at, int64_t n) {
    if constexpr (N < R<T>::most)
        if (states > N) return update<T, R, Step, N + 1>(constants, states, grad, at, n);
    const Update<T, R, N> move(*static_cast<const Step *>(constants), at);
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { move(i, get(grad + i), get, put); });
}

}  // namespace retrograd::RETROGRAD_ISA
