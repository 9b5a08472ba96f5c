// e^x, sigmoid, hyperbolic tangent and the normal distribution, of whole vectors and over flat runs.
#pragma once
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// e^x to about one unit in the last place: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2] (its Taylor series). Shrinks: x
// is known not to be above zero.
template <class T, bool Shrinks = false> INLINE Vec<T> exponential(Vec<T> x) {
    constexpr bool F = sizeof(T) == 4;
    constexpr T high = F ? 0.693359375 : 0.693147180369123816490, low = F ? -2.12194440e-4 : 1.90821492927058770002e-10;
    constexpr T least = F ? -104 : -746, most = F ? 88.8 : 709.8;
    Vec<T> v = at_least(x, least);
    if constexpr (!Shrinks) v = at_most(v, most);
    constexpr T round = F ? 12582912.0 : 6755399441055744.0;  // 1.5 * 2^mantissa bits: adding it rounds to whole numbers
    const Vec<T> k = (v * T(1.44269504088896340736) + round) - round;
    const Vec<T> r = (v - k * high) - k * low;
    constexpr int terms = F ? 7 : 13;
    T factorial = 1;
    for (int i = 2; i <= terms; i++) factorial *= i;
    Vec<T> p = broadcast(1 / factorial);
    UNROLL
    for (int i = terms; i > 0; i--) {
        factorial /= i;
        p = p * r + 1 / factorial;
    }
#if defined(__AVX512F__)
    if constexpr (F) return _mm512_scalef_ps(p, k);
    else return _mm512_scalef_pd(p, k);
#else
    // 2^k in two halves, so that results near the ends of the range come out right (subnormal or infinite).
    constexpr int bits = F ? 23 : 52, bias = F ? 127 : 1023;
    using Int = decltype(x < x);
    const Int whole = __builtin_convertvector(k == k ? k : Vec<T>{}, Int), half = whole >> 1;
    const Int first = (half + bias) << bits, second = (whole - half + bias) << bits;
    Vec<T> a, b;
    __builtin_memcpy(&a, &first, sizeof a);
    __builtin_memcpy(&b, &second, sizeof b);
    return p * a * b;
#endif
}
template <class T> INLINE Vec<T> sigmoid_of(Vec<T> x) { return 1 / (1 + exponential<T>(-x)); }

// Near zero Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))), elsewhere by e^(2 |x|).
template <class T> INLINE Vec<T> tanh_of(Vec<T> x) {
    constexpr int levels = sizeof(T) == 4 ? 5 : 9;
    constexpr T middle = T(0.6);
    const Vec<T> size = x < 0 ? -x : x, small = size < middle ? x : Vec<T>{}, z = small * small;
    Vec<T> above = {}, before_above = broadcast(T(1)), below = broadcast(T(1)), before_below = {};
    UNROLL
    for (int i = 1; i <= levels; i++) {  // numerator and denominator of the fraction cut off at each level
        const Vec<T> a = above * T(2 * i - 1) + (i == 1 ? before_above : z * before_above);
        const Vec<T> b = below * T(2 * i - 1) + (i == 1 ? before_below : z * before_below);
        before_above = above, above = a;
        before_below = below, below = b;
    }
    const Vec<T> near = small * above / below, far = 1 - 2 / (exponential<T>(2 * size) + 1);
    return size < middle ? near : x < 0 ? -far : far;  // NaN goes through `far`
}

template <class T, int Count> INLINE Vec<T> polynomial(const double (&coefficients)[Count], Vec<T> t) {
    Vec<T> p = broadcast(static_cast<T>(coefficients[Count - 1]));
    UNROLL
    for (int i = Count - 2; i >= 0; i--) p = p * t + static_cast<T>(coefficients[i]);
    return p;
}

// erf(x) / x in 2 x^2 - 1 for x up to 1, and x e^(x^2) erfc(x) in 1 - 7 / (x + 2.5) beyond: as in ops/special.py.
constexpr double kErfNear32[] = {0.9654687386, -0.140536089, 0.01985249772, -0.002285485657, 0.0002175119898,
                                 -1.753682469e-05, 1.231640173e-06, -7.557492822e-08};
constexpr double kErfFar32[] = {0.551181619, 0.03789187871, -0.04329445235, 0.02730796287, -0.01171480873,
                                0.003234725402, -0.0003335814466, -0.000134893037, 5.177290456e-05, 3.329704322e-06,
                                -3.969745069e-06};
constexpr double kErfNear64[] = {
    0.9654687386698673, -0.1405360890227171, 0.019852496688983708, -0.0022854855611440673, 0.00021751715604160108,
    -1.75371694414921e-05, 1.223382738352401e-06, -7.511569160678138e-08, 4.11580059766496e-09,
    -2.0352493920247854e-10, 9.167606746069445e-12, -3.7910930392717217e-13, 1.454817075960679e-14,
    -5.166061616805981e-16};
constexpr double kErfFar64[] = {
    0.5511816192322864, 0.037891878042285686, -0.04329446654176374, 0.02730797668112057, -0.011714640742239556,
    0.003234643495686367, -0.00033431423153752824, -0.0001346880185715913, 5.323976444780221e-05,
    3.0879267164302695e-06, -5.374879929744022e-06, 1.2994032200993113e-07, 5.802289590033475e-07,
    -2.5488889943415935e-08, -7.1405036068517e-08, 6.348794229303066e-10, 9.509115896453622e-09,
    6.47894770895792e-10, -1.176283376009661e-09, -1.8768496554920337e-10, 9.376258914857805e-11,
    2.2215879877729653e-11};

template <class T> INLINE Vec<T> erf_of(Vec<T> v) {
    constexpr bool F = sizeof(T) == 4;
    const Vec<T> size = v < 0 ? -v : v;
    const Vec<T> small = size < 1 ? v : Vec<T>{}, t = small * small * 2 - 1;
    Vec<T> near;
    if constexpr (F) near = small * polynomial<T>(kErfNear32, t);
    else near = small * polynomial<T>(kErfNear64, t);
    Vec<T> large = size < 1 ? broadcast(T(1)) : size;
    large = large > 30 ? broadcast(T(30)) : large;  // nothing is left of erfc there
    const Vec<T> u = 1 - 7 / (large + T(2.5));
    Vec<T> scaled, rest;
    if constexpr (F) {
        scaled = polynomial<T>(kErfFar32, u);
        rest = exponential<T>(-large * large);
    } else {
        scaled = polynomial<T>(kErfFar64, u);
        // The square in two parts, the first of which is exact: the exponent's error doesn't grow with x.
        typedef float Narrow __attribute__((vector_size(kVectorBytes / 2)));
        const Vec<T> high = __builtin_convertvector(__builtin_convertvector(large, Narrow), Vec<T>);
        rest = exponential<T>(-high * high) * exponential<T>((high - large) * (high + large));
    }
    const Vec<T> tail = scaled / large * rest, far = v < 0 ? tail - 1 : 1 - tail;
    return size < 1 ? near : v != v ? v : far;
}

template <class T> void erf(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, erf_of<T>(get(x + i))); });
}

constexpr double kRootHalf = 0.70710678118654752440, kDensity = 0.39894228040143267794;  // 1 / sqrt(2), 1 / sqrt(2 pi)

// erfcx(a / sqrt(2)) / 2 in 1 - 6 / (a + 3), for a from 0 to 14; beyond, a single's e^(-a^2 / 2) is zero, and this finite.
constexpr double kTail32[] = {0.1215139476, -0.206402619, 0.1232250307, -0.04621329096, 0.006132070671,
                              0.002904556187, -0.0009837584745, -0.0003394849265, 0.0001155437964, 5.367189882e-05};

// The normal distribution's probability of less than v; density becomes e^(-v^2 / 2).
template <class T> INLINE Vec<T> normal_of(Vec<T> v, Vec<T> &density) {
    density = exponential<T, true>(v * v * T(-0.5));
    if constexpr (sizeof(T) == 4) {
        const Vec<T> size = v < 0 ? -v : v;
        const Vec<T> tail = density * polynomial<T>(kTail32, 1 - 6 / (size + 3));
        return v < 0 ? tail : 1 - tail;
    } else {
        return T(0.5) * (1 + erf_of<T>(v * T(kRootHalf)));
    }
}

// x times the normal distribution's probability of less than x, and its derivative
template <class T> void gelu(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        Vec<T> density;
        put(out + i, v * normal_of<T>(v, density));
    });
}

template <class T> void gelu_slope(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        Vec<T> density;
        const Vec<T> below = normal_of<T>(v, density);
        put(out + i, below + v * density * T(kDensity));
    });
}

template <class T> void sigmoid(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, 1 / (1 + exponential<T>(-get(x + i)))); });
}

template <class T> void silu(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        put(out + i, v / (1 + exponential<T>(-v)));
    });
}

}  // namespace retrograd::RETROGRAD_ISA
