"""What other people's packages use of PyTorch besides its public functions."""

import collections
import copy
import gc

import numpy as np
import pytest
import torch
import torch.utils._pytree as theirs

import retrograd
import retrograd.utils._pytree as ours
from oracle import torchvision
from retrograd import _foreach, _named
from retrograd.script import bound_torch

Point = collections.namedtuple("Point", "x y")
TREES = [
    1, (1, [2, 3]), {"b": 1, "a": (2, None)}, Point(1, {"k": [2]}), collections.OrderedDict(z=1, y=[2]),
    collections.defaultdict(list, a=[1, 2]), collections.deque([1, (2, 3)], maxlen=4), [], {},
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_trees(tree):
    leaves, form = ours.tree_flatten(tree)
    expected, their_form = theirs.tree_flatten(tree)
    assert leaves == expected and ours.tree_unflatten(leaves, form) == tree
    assert (form.num_leaves, form.num_nodes) == (their_form.num_leaves, their_form.num_nodes)
    assert form.is_leaf() == their_form.is_leaf() and form.type == their_form.type
    assert form == ours.tree_structure(copy.deepcopy(tree))
    paths, _ = ours.tree_flatten_with_path(tree)
    wanted, _ = theirs.tree_flatten_with_path(tree)
    assert [(ours.keystr(p), x) for p, x in paths] == [(theirs.keystr(p), x) for p, x in wanted]
    assert all(ours.key_get(tree, p) is x for p, x in paths)
    assert ours.tree_map(lambda x, y: (x, y), tree, tree) == theirs.tree_map(lambda x, y: (x, y), tree, tree)
    assert ours.tree_is_leaf(tree) == theirs.tree_is_leaf(tree)
    only = ours.tree_map_only(int, lambda x: -x, tree)
    assert only == theirs.tree_map_only(int, lambda x: -x, tree)


def test_a_kind_of_container_of_ones_own():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    ours.register_pytree_node(Pair, lambda p: ([p.a, p.b], "context"), lambda c, context: Pair(*c))
    doubled = ours.tree_map(lambda x: 2 * x, {"p": Pair(1, [2])})
    assert (doubled["p"].a, doubled["p"].b) == (2, [4])
    with pytest.raises(ValueError, match="already registered"):
        ours.register_pytree_node(Pair, None, None)
    with pytest.raises(ValueError, match="flatten_with_keys_fn"):
        ours.tree_flatten_with_path(Pair(1, 2))
    with pytest.raises(ValueError, match="holds 2 items"):
        ours.tree_unflatten([1], ours.tree_structure((1, 2)))
    out = retrograd.vmap(lambda p: p.a * p.b)(Pair(retrograd.arange(3), retrograd.arange(3)))
    assert out.tolist() == [0, 1, 4]


LISTS = [np.array([[0.5, 2.0], [-1.5, 3.0]]), np.array([0.25, 0.75])]


def _lists(library, more=0):
    return [library.tensor(x + more) for x in LISTS]


@pytest.mark.parametrize("name", sorted(n for n in dir(torch) if n.startswith("_foreach_")))
def test_foreach(name):
    stem = name.removeprefix("_foreach_").rstrip("_")
    results = []
    for library in (torch, retrograd):
        first, more = _lists(library), [_lists(library, 1), _lists(library, 2)]
        if stem in ("mm",):
            first, more = [x.reshape(-1, 2) for x in first], [[library.eye(2).double()] * 2]
        elif stem in ("lerp",):
            more = [more[0], 0.25]
        elif stem in ("norm", "powsum"):
            more = [3]
        elif stem not in ("addcdiv", "addcmul"):
            binary = stem in "add clamp_max clamp_min copy div maximum minimum mul pow sub".split()
            more = more[:1] if binary else []
        if stem.startswith("lgamma"):
            first = _lists(library, 3)
        out = getattr(library, name)(first, *more)
        assert (out is None) == name.endswith("_") or library is torch
        results.append([x.detach().numpy() for x in (first if name.endswith("_") else out)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


def test_foreach_with_numbers_and_keywords():
    for call in (
        lambda t, x: t._foreach_add(x, x, alpha=2),
        lambda t, x: t._foreach_mul(x, [2.0, 3.0]),
        lambda t, x: t._foreach_addcdiv(x, x, x, [2.0, 3.0]),
        lambda t, x: t._foreach_addcmul(x, x, x, value=0.5),
        lambda t, x: t._foreach_pow(2.0, x),
        lambda t, x: t._foreach_div(x, 4.0),
    ):
        pairs = zip(call(retrograd, _lists(retrograd)), call(torch, _lists(torch)), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a.numpy(), b.numpy())
    with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
        retrograd._foreach_add(_lists(retrograd), _lists(retrograd)[:1])
    with pytest.raises(AttributeError, match="_foreach_nothing"):
        _foreach._foreach_nothing  # noqa: B018


def test_weak_keys():
    from retrograd.utils.weak import TensorWeakRef, WeakIdKeyDictionary

    x, y = retrograd.ones(2), retrograd.ones(2)
    d = WeakIdKeyDictionary({x: "x"})
    d[y] = "y"
    assert d[x] == "x" and len(d) == 2 and y in d and retrograd.ones(2) not in d and 3 not in d
    reference = TensorWeakRef(y)
    assert reference() is y
    del y
    gc.collect()
    assert list(d) == [x] and reference() is None
    del d[x]
    assert not d


def test_futures():
    from retrograd.futures import Future, collect_all, wait_all

    future, other = Future(), Future()
    told = []
    doubled = future.then(lambda f: 2 * f.value())
    both = collect_all([future, other])
    future.add_done_callback(lambda f: told.append(f.wait()))
    with pytest.raises(RuntimeError, match="no value yet"):
        future.value()
    future.set_result(3)
    assert told == [3] and doubled.wait() == 6 and not both.done()
    other.set_exception(KeyError("bad"))
    assert both.wait() == [future, other]
    with pytest.raises(KeyError):
        wait_all([future, other])
    with pytest.raises(RuntimeError, match="only be marked completed once"):
        future.set_result(4)
    assert retrograd.jit.wait(retrograd.jit.fork(sum, [1, 2])) == 3


def test_names_with_nothing_behind_them():
    with bound_torch():
        import torch as bound
        import torch.distributed.tensor
        from torch._subclasses.fake_tensor import FakeTensor, is_fake

        assert not isinstance(bound.ones(1), (torch.distributed.tensor.DTensor, FakeTensor))
        assert not is_fake(bound.ones(1)) and not bound.onnx.is_in_onnx_export()
        with pytest.raises(NotImplementedError, match="FakeTensorMode: retrograd has it in name only"):
            bound._subclasses.FakeTensorMode()
        with pytest.raises(NotImplementedError, match="fully_shard"):
            bound.distributed.fsdp.fully_shard(None)
        with pytest.raises(ImportError):
            from torch.distributed.fsdp import nothing_of_this_name  # noqa: F401
        with pytest.raises(ModuleNotFoundError):
            import torch.nothing_of_this_name
    assert _named.find("nothing") is None
    with pytest.raises(NotImplementedError, match="SymInt"):
        retrograd.SymInt(1)


@pytest.mark.parametrize("seed", range(3))
def test_boxes(seed):
    rng = np.random.default_rng(seed)
    boxes = np.sort(rng.uniform(-2, 12, (12, 2, 2)), axis=1).reshape(12, 4).astype("float32")
    scores, classes = rng.random(12).astype("float32"), rng.integers(0, 2, 12)
    vision = torchvision().ops
    a, b = torch.tensor(boxes), retrograd.tensor(boxes)
    for name, *more in (
        ("box_area",), ("box_iou", 5), ("generalized_box_iou", 5), ("box_convert", "xyxy", "cxcywh"),
        ("box_convert", "cxcywh", "xywh"), ("box_convert", "xywh", "xyxy"), ("clip_boxes_to_image", (8, 9)),
        ("remove_small_boxes", 2.0),
    ):  # fmt: skip
        results = [
            getattr(ops, name)(x, *[x[:n] if isinstance(n, int) else n for n in more])
            for ops, x in ((vision, a), (retrograd.vision.ops, b))
        ]
        np.testing.assert_allclose(results[1].numpy(), results[0].numpy(), rtol=1e-5, atol=1e-5, err_msg=name)
    iou = vision.box_iou(a, a).numpy()
    kept = retrograd.vision.ops.nms(b, retrograd.tensor(scores), 0.3).tolist()
    wanted = []  # the definition, as torchvision's own needs its compiled operators
    for i in np.argsort(-scores):
        if all(iou[i, j] <= 0.3 for j in wanted):
            wanted.append(i)
    assert kept == wanted
    batched = retrograd.vision.ops.batched_nms(b, retrograd.tensor(scores), retrograd.tensor(classes), 0.3)
    wanted = []
    for i in np.argsort(-scores):
        if all(iou[i, j] <= 0.3 or classes[i] != classes[j] for j in wanted):
            wanted.append(i)
    assert batched.tolist() == wanted
    masks = rng.random((2, 6, 7)) > 0.8
    expected = vision.masks_to_boxes(torch.tensor(masks)).tolist()
    assert retrograd.vision.ops.masks_to_boxes(retrograd.tensor(masks)).tolist() == expected


def test_a_distribution_of_ones_own_expands():
    def make(library):
        class Doubled(library.distributions.Normal):
            def __init__(self, loc, scale, validate_args=None):
                super().__init__(2 * loc, scale, validate_args=validate_args)

            def expand(self, batch_shape, _instance=None):
                new = self._get_checked_instance(Doubled, _instance)
                new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
                library.distributions.Distribution.__init__(new, library.Size(batch_shape))
                return new

        return Doubled(library.tensor(1.0), library.tensor(2.0)).expand((3,)).log_prob(library.tensor(0.5))

    np.testing.assert_allclose(make(retrograd).numpy(), make(torch).numpy(), rtol=1e-6)


def test_operators_by_name():
    x = retrograd.arange(12).reshape(3, 4)
    y = torch.arange(12).reshape(3, 4)
    for call in (
        lambda t, x: t.ops.aten.slice.Tensor(x, 1, 1, 4, 2),
        lambda t, x: t.ops.aten.slice.Tensor(x, -1, None, None),
        lambda t, x: t.ops.aten.index.Tensor(x, [None, t.tensor([2, 0])]),
    ):
        assert call(retrograd, x).tolist() == call(torch, y).tolist()
    with pytest.raises(NotImplementedError, match="sparse tensors are not supported"):
        retrograd.ops.aten._sparse_addmm(x, x, x)


def test_tensors_exchanged_by_name():
    from retrograd.nn.utils._named_member_accessor import set_tensor, swap_tensor

    layer = retrograd.nn.Linear(2, 3)
    weight, other = layer.weight, retrograd.zeros(3, 2)
    assert swap_tensor(layer, "weight", other) is weight and layer.weight is other
    set_tensor(layer, "weight", weight)
    assert layer.weight is weight
    nothing = swap_tensor(layer, "extra", other, allow_missing=True)
    assert layer.extra is other
    swap_tensor(layer, "extra", nothing, allow_missing=True)
    assert not hasattr(layer, "extra")
    with pytest.raises(AttributeError, match="no attribute `extra`"):
        swap_tensor(layer, "extra", other)
    with pytest.raises(KeyError):
        swap_tensor(layer, "a.b", other)


def test_exceptions_on_their_way():
    from retrograd._utils import ExceptionWrapper

    def wrapped(error):
        try:
            raise error
        except Exception:
            return ExceptionWrapper(where="in a worker")

    for error in (ValueError("no"), KeyError("no")):
        with pytest.raises(type(error), match="(?s)Caught .*Error in a worker.*Traceback.*no"):
            wrapped(error).reraise()

    class Particular(Exception):
        def __init__(self, first, second):
            super().__init__(first, second)

    with pytest.raises(RuntimeError, match="Caught Particular in a worker"):
        wrapped(Particular(1, 2)).reraise()


def test_what_shares_memory():
    x = retrograd.ones(3)
    assert retrograd._C._is_alias_of(x, x[1:]) and not retrograd._C._is_alias_of(x, x.clone())
