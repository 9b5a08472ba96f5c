"""Bessel functions J, Y and K of order 0 and 1, the spherical j0, and Airy's Ai: no gradients, as in PyTorch.

Chebyshev series, fitted with mpmath in 40 digits by interpolation at Chebyshev points. J and Y beyond 8, and
Ai below -5, are an amplitude times P cos(phase) - Q sin(phase) (DLMF 10.17 and 9.7), with series for P
and x Q.
"""

import math

import numpy as np

from ..core.op import FLOAT, Op, through_float32
from .bessel import _I0_FAR, _I0_NEAR, _I1_FAR, _I1_NEAR, scaled_bessel, series

__all__ = []
METHODS = INPLACE = []

# In x^2 / 32 - 1 for x up to 8: J0, J1 / x, and Y less its logarithm; in 128 / x^2 - 1 beyond: P and x Q.
# In x^2 / 2 - 1 for x up to 2: K less its logarithm; in 4 / x - 1 beyond: exp(x) sqrt(x) K.
# Ai in (x + 1.5) / 3.5 from -5 to 2, then in 1 / zeta, as are F and G on the left.
_J0_NEAR = (
    0.15772797147489012, -0.008723442352852221, 0.2651786132033368, -0.37009499387264977, 0.15806710233209725,
    -0.034893769411408884, 0.004819180069467605, -0.00046062616620627504, 3.246032882100508e-05,
    -1.7619469077621507e-06, 7.608163592418782e-08, -2.679253530557673e-09, 7.848696314479465e-11,
    -1.9438346867370164e-12, 4.125320595634374e-14, -7.588508125447546e-16, 1.2218515873961411e-17,
)  # fmt: skip
_Y0_NEAR = (
    0.03645469809116044, -0.2783237094075825, 0.2960499990207148, 0.09825508408187864, -0.10755155280627783,
    0.031799074084414514, -0.005161397105810715, 0.0005498525320039012, -4.1996983149420134e-05,
    2.4290361107923793e-06, -1.1049969793472957e-07, 4.06651736597911e-09, -1.2374148898289854e-10,
    3.1685725528945945e-12, -6.926956032431002e-14, 1.3086308625876684e-15, -2.1586201986914482e-17,
)  # fmt: skip
_P0 = (
    0.9994603493475187, -0.0005365220468132117, 3.0751847875194745e-06, -5.1705945376060975e-08,
    1.6306464635151382e-09, -7.86409137723707e-11, 5.168262387349193e-12, -4.3045788699253914e-13,
    4.3265957431549404e-14, -5.069034095935236e-15, 6.748072215733873e-16, -1.0011513723467786e-16,
    1.6305919233744186e-17,
)  # fmt: skip
_Q0 = (
    -0.12444683684269607, 0.0005470815954089319, -5.9315987288485175e-06, 1.4377965798375193e-07,
    -5.817532749493056e-09, 3.376097523734991e-10, -2.565397936797308e-11, 2.404916100281365e-12,
    -2.6690625482579414e-13, 3.4041800321963686e-14, -4.87994410531204e-15, 7.729703176242605e-16,
    -1.3348852171502517e-16, 2.4865952389390515e-17, -4.952892629886516e-18,
)  # fmt: skip
_J1_NEAR = (
    0.08104484632565812, -0.1489751450676521, 0.1609992623572097, -0.08268049176681791, 0.022213639654966037,
    -0.003646940600769276, 0.0004050337728354822, -3.255554866857259e-05, 1.9858774049915165e-06,
    -9.521984756750436e-08, 3.687133759097148e-09, -1.178026622695885e-10, 3.160154580348003e-12,
    -7.221755239651773e-14, 1.4232144003513942e-15, -2.4441972916190464e-17,
)  # fmt: skip
_Y1_NEAR = (
    0.038300769852423776, -0.08182561412732826, -0.0248677076121964, 0.047967452752746984,
    -0.01852588451089802, 0.003680607687823511, -0.0004627254060293369, 4.06940026958087e-05,
    -2.6617695125295625e-06, 1.350602691325434e-07, -5.483524110336276e-09, 1.8245086841229007e-10,
    -5.070666636591129e-12, 1.1956162517587948e-13, -2.423162442712473e-15, 4.268126513072962e-17,
)  # fmt: skip
_P1 = (
    1.0009030408600137, 0.0008989898330859408, -3.987284300488908e-06, 6.177633960644299e-08,
    -1.8718907491063067e-09, 8.816898659582339e-11, -5.704863640395645e-12, 4.699195515230542e-13,
    -4.6842237839904895e-14, 5.452674896044717e-15, -7.221180842274018e-16, 1.0667689114335412e-16,
    -1.7312313216116335e-17,
)  # fmt: skip
_Q1 = (
    0.3742222965562826, -0.0007702178839325664, 7.3108922063643636e-06, -1.676782510726674e-07,
    6.583354662120443e-09, -3.749090950541556e-10, 2.8121750359748866e-11, -2.61145253946232e-12,
    2.8774212663332235e-13, -3.649001916061838e-14, 5.206626366226707e-15, -8.215318025458595e-16,
    1.4141084390211833e-16, -2.626761589838529e-17, 5.2192649196714085e-18,
)  # fmt: skip
_K0_NEAR = (
    -0.2676636966169514, 0.3442898999246285, 0.0359799365153615, 0.001264615411446926, 2.286212103119452e-05,
    2.5347910790261494e-07, 1.904516377220209e-09, 1.0349695257633625e-11, 4.2598161427910826e-14,
    1.3744654358807508e-16,
)  # fmt: skip
_K0_FAR = (
    1.2201515410329777, -0.0314481013119645, 0.0015698838857300533, -0.00012849549581627802,
    1.39498137188765e-05, -1.8317555227191195e-06, 2.766813639445015e-07, -4.660489897687948e-08,
    8.574034017414225e-09, -1.6975345093890614e-09, 3.5773972814003283e-10, -7.957489244477396e-11,
    1.8559491149549264e-11, -4.514597883374519e-12, 1.1403405882073441e-12, -2.9800969231481784e-13,
    8.032890775068375e-14, -2.2275133267462965e-14, 6.340076476276646e-15, -1.848593377920907e-15,
    5.5120559994043335e-16, -1.6782311257549006e-16, 5.2103917776435543e-17, -1.6475805939842632e-17,
)  # fmt: skip
_K1_NEAR = (
    0.7626501136694739, -0.3531559607765449, -0.12261118082265715, -0.006975723859639864,
    -0.0001730288957513052, -2.4334061415659684e-06, -2.213387630734726e-08, -1.4114883926335278e-10,
    -6.666901694199329e-13, -2.427449850519366e-15,
)  # fmt: skip
_K1_FAR = (
    1.3603130952422213, 0.10392373657681724, -0.002857816859622779, 0.00019521551847135162,
    -1.936197974166083e-05, 2.406484947837217e-06, -3.5019606030878126e-07, 5.7410841254500495e-08,
    -1.0345762465678097e-08, 2.0150497551970347e-09, -4.1903547593419254e-10, 9.218315187605315e-11,
    -2.129967838427791e-11, 5.139639673482343e-12, -1.2891739609498229e-12, 3.348419666052243e-13,
    -8.976705182010146e-14, 2.4771544242195988e-14, -7.0198370892147685e-15, 2.038703166239861e-15,
    -6.057047270643018e-16, 1.8380935752430455e-16, -5.689462849193648e-17, 1.7940510478863572e-17,
)  # fmt: skip
_AI_NEAR = (
    0.15168947628223672, -0.005228692408472365, -0.007183007563342123, -0.2750085825170078,
    0.15267285652736612, 0.11299722901833571, -0.12930163519980795, 0.021717950423082666,
    0.024911850702736413, -0.01433585742189573, 0.000696689451639598, 0.001974398933529019,
    -0.0007230393972252199, -1.6112414526177467e-05, 8.133273673249939e-05, -2.0775365813975462e-05,
    -1.6054762687164758e-06, 2.0560158255601387e-06, -3.825520517284178e-07, -4.913870596184178e-08,
    3.514168642051892e-08, -4.846385010860496e-09, -8.897812059422213e-10, 4.329786248648808e-10,
    -4.414745597439301e-11, -1.1096862995764342e-11, 4.024832028797832e-12, -2.9609936249846454e-13,
    -1.0257635127287476e-13, 2.920579876829024e-14, -1.4619955511486232e-15, -7.35505053091767e-16,
    1.6986548408182807e-16, -5.0563208224652944e-18, -4.2234448483626644e-18,
)  # fmt: skip
_AI_RIGHT = (
    0.2776956095117059, -0.004172967562045923, 0.00020669586013998011, -1.7280997841068207e-05,
    1.928052166797157e-06, -2.605774398776262e-07, 4.051516883512395e-08, -7.022240440986223e-09,
    1.3286081997701028e-09, -2.703558037129289e-10, 5.852297782838998e-11, -1.3363584416519756e-11,
    3.1978547149289153e-12, -7.976813559559603e-13, 2.0651347541109665e-13, -5.52899978215978e-14,
    1.526165619010181e-14, -4.331979304955806e-15, 1.2616239319898747e-15, -3.7626070399357594e-16,
    1.1471616156264618e-16, -3.570144365109208e-17, 1.1326462271400218e-17, -3.658761589006902e-18,
)  # fmt: skip
_AI_F = (
    0.5640047220611049, -0.00018367099145583687, 1.1677286575962031e-06, -2.1952400817017602e-08,
    7.698908177484481e-10, -4.0991552108139974e-11, 2.9533494631685908e-12, -2.67971400970182e-13,
    2.918076618447258e-14, -3.686259753509135e-15, 5.269121149758531e-16, -8.363168668683516e-17,
    1.4525618473220514e-17,
)  # fmt: skip
_AI_G = (
    0.03899412126656794, -0.00018342143931847842, 2.2262795400006553e-06, -6.030786584193679e-08,
    2.7082988459751483e-09, -1.7315580405277183e-10, 1.4396760940194539e-11, -1.467799418542445e-12,
    1.7623403021316232e-13, -2.420556771671147e-14, 3.72179540392958e-15, -6.301056670508612e-16,
    1.159485768746588e-16, -2.2951263908877242e-17, 4.845927371821023e-18, -1.0838188074237526e-18,
)  # fmt: skip


def _phased(x, p, q, order, sine):
    """J (or with `sine` Y) beyond 8."""
    inverse = 8 / x
    t = 2 * inverse * inverse - 1
    phase = x - (2 * order + 1) * math.pi / 4
    P, Q = series(p, t), series(q, t) / x
    wave = P * np.sin(phase) + Q * np.cos(phase) if sine else P * np.cos(phase) - Q * np.sin(phase)
    return np.sqrt(2 / (math.pi * x)) * wave


def _first_kind(order, near, p, q):
    @through_float32
    def forward(xp, x):
        size = np.abs(x.astype(np.float64))
        low, high = np.minimum(size, 8), np.maximum(size, 8)
        out = np.where(
            size <= 8, series(near, low * low / 32 - 1) * low**order, _phased(high, p, q, order, False)
        )
        return (np.copysign(1, x) * out if order else out).astype(x.dtype)

    return forward


def _second_kind(order, near, p, q, first):
    @through_float32
    def forward(xp, x):
        z = x.astype(np.float64)
        low, high = np.clip(z, 5e-324, 8), np.maximum(z, 8)
        inner = series(near, low * low / 32 - 1) * low**order
        inner += 2 / math.pi * (np.log(low / 2) * first(xp, low) - (1 / low if order else 0))
        out = np.where(z <= 8, inner, _phased(high, p, q, order, True))
        return np.where(z > 0, out, np.where(z == 0, -np.inf, np.nan)).astype(x.dtype)

    return forward


def _modified(order, near, far, i_near, i_far, scaled):
    """K, with `scaled` times exp(x)."""

    @through_float32
    def forward(xp, x):
        z = x.astype(np.float64)
        low, high = np.clip(z, 5e-324, 2), np.maximum(z, 2)
        i = scaled_bessel(low, i_near, i_far, bool(order)) * np.exp(low)
        inner = series(near, low * low / 2 - 1)
        inner = inner / low + np.log(low / 2) * i if order else inner - np.log(low / 2) * i
        outer = series(far, 4 / high - 1) / np.sqrt(high)
        out = np.where(
            z <= 2, inner * np.exp(low) if scaled else inner, outer if scaled else outer * np.exp(-high)
        )
        return np.where(z > 0, out, np.where(z == 0, np.inf, np.nan)).astype(x.dtype)

    return forward


_j0, _j1 = _first_kind(0, _J0_NEAR, _P0, _Q0), _first_kind(1, _J1_NEAR, _P1, _Q1)

bessel_j0 = Op("bessel_j0", _j0, promote=FLOAT, doc="The Bessel function of the first kind of order 0.")
bessel_j1 = Op("bessel_j1", _j1, promote=FLOAT, doc="The Bessel function of the first kind of order 1.")
bessel_y0 = Op(
    "bessel_y0", _second_kind(0, _Y0_NEAR, _P0, _Q0, _j0), promote=FLOAT,
    doc="The Bessel function of the second kind of order 0; -inf at 0, NaN below.",
)  # fmt: skip
bessel_y1 = Op(
    "bessel_y1", _second_kind(1, _Y1_NEAR, _P1, _Q1, _j1), promote=FLOAT,
    doc="The Bessel function of the second kind of order 1; -inf at 0, NaN below.",
)  # fmt: skip

modified_bessel_k0, modified_bessel_k1, scaled_modified_bessel_k0, scaled_modified_bessel_k1 = [
    Op(
        f"{'scaled_' if scaled else ''}modified_bessel_k{order}", _modified(order, *numbers, scaled),
        promote=FLOAT,
        doc=f"{'exp(x) times the' if scaled else 'The'} modified Bessel function of the second kind of order "
        f"{order}; inf at 0, NaN below.",
    )
    for scaled in (False, True)
    for order, numbers in enumerate(
        ((_K0_NEAR, _K0_FAR, _I0_NEAR, _I0_FAR), (_K1_NEAR, _K1_FAR, _I1_NEAR, _I1_FAR))
    )
]  # fmt: skip


@through_float32
def _spherical_j0(xp, x):
    y = x.astype(np.float64)
    out = np.where(y == 0, 1, np.sin(y) / np.where(y == 0, 1, y))
    return np.where(np.isinf(y), 0, out).astype(x.dtype)


spherical_bessel_j0 = Op("spherical_bessel_j0", _spherical_j0, promote=FLOAT, doc="sin(x) / x, and 1 at 0.")


def _zeta(size):
    return 2 / 3 * size * np.sqrt(size)


@through_float32
def _airy_ai(xp, x):
    z = x.astype(np.float64)
    middle = series(_AI_NEAR, (np.clip(z, -5, 2) + 1.5) / 3.5)
    right = np.maximum(z, 2)
    zeta = _zeta(right)
    right = series(_AI_RIGHT, 2 * _zeta(2.0) / zeta - 1) * np.exp(-zeta) / np.sqrt(np.sqrt(right))
    left = np.maximum(-z, 5)
    zeta = _zeta(left)
    t = 2 * (_zeta(5.0) / zeta) ** 2 - 1
    phase = zeta + math.pi / 4
    left = (series(_AI_F, t) * np.sin(phase) - series(_AI_G, t) / zeta * np.cos(phase)) / np.sqrt(
        np.sqrt(left)
    )
    return np.where(z < -5, left, np.where(z > 2, right, np.where(z != z, z, middle))).astype(x.dtype)


airy_ai = Op(
    "airy_ai", _airy_ai, promote=FLOAT, doc="Airy's function Ai, which falls for x > 0 and swings below."
)
