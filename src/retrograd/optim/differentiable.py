"""Optimizer steps that autograd records: the same formulas, out of place.

Each takes the group's options, the state, the parameter `p`, its gradient `g` (with weight decay and
`maximize` applied) and the count of steps `t`. It puts new Tensors into the state and returns what p becomes.
"""

from ..ops import maximum, sign, sqrt, where, zeros_like
from .numbers import advance


def step(optimizer, group, params):
    """One step of `optimizer` over `params`: they change in place, in the graph."""
    formula = _FORMULAS.get(type(optimizer).__name__)
    if formula is None:
        raise NotImplementedError(f"{type(optimizer).__name__} has no step that autograd can record [RG082]")
    for p in params:
        if p.is_complex():
            raise NotImplementedError(
                f"{type(optimizer).__name__}(differentiable=True) takes real parameters, but got "
                f"{p.dtype} [RG082]"
            )
        state = optimizer.state_of(group, p)
        t = advance(state) if "step" in state else None
        g = -p.grad if group["maximize"] else p.grad
        decay = group.get("weight_decay", 0)
        x = p
        if group.get("decoupled_weight_decay"):
            x = p * (1 - group["lr"] * decay)
        elif _nonzero(decay):
            g = g + decay * p
        p.copy_(formula(group, state, x, g, t))


def _nonzero(number):
    return not isinstance(number, (int, float)) or number != 0


def _mean(state, name, g, beta):
    """The running mean of `g` under `name`, moved on."""
    state[name] = state[name] + (1 - beta) * (g - state[name])
    return state[name]


def _mean_square(state, name, g, beta):
    state[name] = beta * state[name] + (1 - beta) * g * g
    return state[name]


def _sgd(group, state, p, g, t):
    momentum = group["momentum"]
    if _nonzero(momentum):
        b = state.get("momentum_buffer")
        # the first momentum is a constant, as in PyTorch
        b = g.detach().clone() if b is None else momentum * b + (1 - group["dampening"]) * g
        state["momentum_buffer"] = b
        g = g + momentum * b if group["nesterov"] else b
    return p - group["lr"] * g


def _adam(group, state, p, g, t):
    beta1, beta2 = group["betas"]
    m = _mean(state, "exp_avg", g, beta1)
    v = _mean_square(state, "exp_avg_sq", g, beta2)
    if group["amsgrad"]:
        v = state["max_exp_avg_sq"] = maximum(state["max_exp_avg_sq"], v)
    root = sqrt(v) / (1 - beta2**t) ** 0.5 + group["eps"]
    return p - group["lr"] / (1 - beta1**t) * m / root


def _adamax(group, state, p, g, t):
    beta1, beta2 = group["betas"]
    m = _mean(state, "exp_avg", g, beta1)
    u = state["exp_inf"] = maximum(beta2 * state["exp_inf"], abs(g) + group["eps"])
    return p - group["lr"] / (1 - beta1**t) * m / u


def _nadam(group, state, p, g, t):
    lr, (beta1, beta2) = group["lr"], group["betas"]
    mu, next_mu = (beta1 * (1 - 0.5 * 0.96 ** (n * group["momentum_decay"])) for n in (t, t + 1))
    product = state["mu_product"] = state["mu_product"] * mu
    m = _mean(state, "exp_avg", g, beta1)
    v = _mean_square(state, "exp_avg_sq", g, beta2)
    root = sqrt(v / (1 - beta2**t)) + group["eps"]
    return p - lr * (1 - mu) / (1 - product) * g / root - lr * next_mu / (1 - product * next_mu) * m / root


def _radam(group, state, p, g, t):
    beta1, beta2 = group["betas"]
    m = _mean(state, "exp_avg", g, beta1)
    v = _mean_square(state, "exp_avg_sq", g, beta2)
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * t * beta2**t / (1 - beta2**t)
    move = group["lr"] / (1 - beta1**t) * m
    if length > 5.0:
        tractable = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
        move = move * (tractable * (1 - beta2**t)) ** 0.5 / (sqrt(v) + group["eps"])
    return p - move


def _rmsprop(group, state, p, g, t):
    v = _mean_square(state, "square_avg", g, group["alpha"])
    if group["centered"]:
        mean = _mean(state, "grad_avg", g, group["alpha"])
        v = v - mean * mean
    step = g / (sqrt(v) + group["eps"])
    if group["momentum"] > 0:
        step = state["momentum_buffer"] = group["momentum"] * state["momentum_buffer"] + step
    return p - group["lr"] * step


def _adagrad(group, state, p, g, t):
    total = state["sum"] = state["sum"] + g * g
    return p - group["lr"] / (1 + (t - 1) * group["lr_decay"]) * g / (sqrt(total) + group["eps"])


def _adadelta(group, state, p, g, t):
    rho, eps = group["rho"], group["eps"]
    v = _mean_square(state, "square_avg", g, rho)
    delta = sqrt(state["acc_delta"] + eps) / sqrt(v + eps) * g
    _mean_square(state, "acc_delta", delta, rho)
    return p - group["lr"] * delta


def _asgd(group, state, p, g, t):
    lr, lambd, eta, mu = group["lr"], group["lambd"], state["eta"], state["mu"]
    x = p * (1 - lambd * eta) - eta * g
    state["ax"] = x.clone() if mu.item() == 1 else state["ax"] + mu * (x - state["ax"])
    state["eta"] = zeros_like(eta) + lr / (1 + lambd * lr * t) ** group["alpha"]
    state["mu"] = zeros_like(mu) + 1 / max(1, t - group["t0"])
    return x


def _rprop(group, state, p, g, t):
    (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
    agreement = (g * state["prev"]).detach()
    factor = where(agreement < 0, shrink, where(agreement > 0, grow, 1.0)).to(p.dtype)
    state["step_size"] = (state["step_size"] * factor).clamp(smallest, largest)
    state["prev"] = where(agreement < 0, zeros_like(g), g)
    return p - sign(state["prev"]) * state["step_size"]


_FORMULAS = {
    "SGD": _sgd, "Adam": _adam, "AdamW": _adam, "Adamax": _adamax, "NAdam": _nadam, "RAdam": _radam,
    "RMSprop": _rmsprop, "Adagrad": _adagrad, "Adadelta": _adadelta, "ASGD": _asgd, "Rprop": _rprop,
}  # fmt: skip
