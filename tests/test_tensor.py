"""What a Tensor says of itself and turns into: sizes, numbers, arrays, dtypes, copies, pickles; and what it
refuses."""

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest
import torch

import retrograd
from oracle import assert_same
from test_creation import check, lines

BOTH = pytest.mark.parametrize("library", [retrograd, torch], ids=["ours", "theirs"])


def evaluate(call, **names):
    def run(library):
        library.manual_seed(0)
        x = library.arange(6.0).reshape(2, 3)
        w = library.tensor([1.0, 2.0], requires_grad=True)
        return eval(
            call, {"torch": library, "np": np, "x": x, "w": w, "copy": copy, "pickle": pickle, **names}
        )

    check(run, call)


# Calls, as text: `x` is arange(6.).reshape(2, 3), `w` a vector that requires a gradient.
QUESTIONS = """
x.size()
x.size(1)
x.size(-2)
x.size(dim=0)
x.size(2)
x.shape
x.stride()
x.t().stride()
x.stride(-1)
x[:, 1].stride()
x.unsqueeze(0).stride()
x.unsqueeze(-1).stride()
x[None, :, None].stride()
x.expand(4, 2, 3).stride()
torch.zeros(3, 0, 2).stride()
torch.zeros(()).stride()
torch.zeros(1, 1).stride()
x.dim()
x.ndimension()
x.ndim
x.numel()
x.nelement()
x.element_size()
x.itemsize
x.nbytes
x.storage_offset()
x[1].storage_offset()
x[1, 1:].storage_offset()
x.t()[1].storage_offset()
x.is_contiguous()
x.t().is_contiguous()
x[:, :1].is_contiguous()
x.t().contiguous().is_contiguous()
torch.zeros(2, 3, 2, 2).is_contiguous(memory_format=torch.channels_last)
torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last).is_contiguous(memory_format=torch.channels_last)
torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last).stride()
x.is_contiguous(memory_format=torch.channels_last)
x.dim_order()
x.t().dim_order()
x.dtype
x.device
x.layout == torch.strided
x.is_floating_point()
torch.is_floating_point(x)
x.is_complex()
x.is_signed()
torch.zeros(1, dtype=torch.uint8).is_signed()
x.is_leaf
(w * 2).is_leaf
w.requires_grad
x.is_cpu
x.is_cuda
x.is_sparse
x.is_quantized
x.is_meta
x.is_shared()
x.is_pinned()
x.is_inference()
x.is_conj()
x.is_neg()
x.get_device()
x.is_same_size(x.t())
x.is_set_to(x)
x.is_set_to(x.clone())
x.data_ptr() == x[0].data_ptr()
x[1].data_ptr() - x.data_ptr()
torch.zeros(0).data_ptr()
x.untyped_storage().nbytes()
len(x.untyped_storage())
x[1].untyped_storage().data_ptr() == x.data_ptr()
x[1].storage().tolist()
x.t()[1].storage().tolist()
x.storage().size()
x.type()
x.long().type()
torch.zeros(1, dtype=torch.bool).type()
torch.is_tensor(x)
torch.is_tensor(1)
torch.is_storage(x.untyped_storage())
torch.numel(x)
torch.typename(x)
torch.typename(3)
isinstance(x, torch.FloatTensor)
isinstance(x, torch.LongTensor)
isinstance(x.long(), torch.LongTensor)
torch.result_type(torch.tensor([1]), 1.0)
torch.result_type(torch.tensor([1.0], dtype=torch.float64), torch.tensor([1.0]))
torch.can_cast(torch.float32, torch.int32)
torch.can_cast(torch.int32, torch.float16)
torch.can_cast(torch.int64, torch.uint8)
torch.can_cast(torch.uint8, torch.int8)
torch.can_cast(torch.bool, torch.uint8)
torch.can_cast(torch.complex64, torch.float32)
torch.promote_types(torch.int8, torch.uint8)
str(torch.finfo(torch.float32))
str(torch.finfo())
str(torch.finfo(torch.bfloat16))
torch.finfo(torch.float16).max
torch.finfo(torch.bfloat16).tiny
torch.finfo(torch.float64).eps
torch.finfo(torch.complex64).eps
torch.finfo(torch.float32).bits
torch.finfo(torch.int32)
str(torch.iinfo(torch.int32))
torch.iinfo(torch.uint8).max
torch.iinfo(torch.int64).min
torch.iinfo(torch.float32)
torch.pi
torch.e
torch.inf
torch.newaxis
len(x)
len(torch.zeros(()))
hash(x) == id(x)
3.0 in x
9 in x
torch.tensor(2.0) in x
"a" in x
list(iter(x))
[v for v in torch.arange(3)]
list(torch.zeros(()))
list(reversed(torch.arange(3)))
reversed(x)
"""

NUMBERS = """
torch.tensor(2).item()
torch.tensor([2.5]).item()
torch.tensor([[True]]).item()
torch.tensor(1j).item()
torch.tensor(1.5, dtype=torch.bfloat16).item()
torch.tensor(1.1, dtype=torch.float32).item()
x.item()
torch.zeros(0).item()
x.tolist()
torch.tensor(2).tolist()
torch.zeros(0, 2).tolist()
torch.zeros(2, 0).tolist()
torch.tensor([True, False]).tolist()
torch.tensor([1.5], dtype=torch.bfloat16).tolist()
torch.tensor([1j]).tolist()
w.tolist()
int(torch.tensor(2.7))
int(torch.tensor([3]))
int(x)
float(torch.tensor(2))
float(w[0])
float(torch.tensor(1j))
complex(torch.tensor(1.5))
complex(torch.tensor(1 + 2j))
bool(torch.tensor(0.0))
bool(torch.tensor([[2]]))
bool(x)
bool(torch.zeros(0))
range(5)[torch.tensor(2)]
[1, 2, 3][torch.tensor([1])]
[1, 2, 3][torch.tensor(1.0)]
[1, 2, 3][torch.tensor([0, 1])]
round(torch.tensor(2.567), 2)
round(torch.tensor(2.5))
f"{torch.tensor(1.25):.3f}"
f"{torch.tensor(3):d}"
f"{w[1]:.1f}"
f"{x}"
f"{x:.2f}"
format(torch.tensor(2.0), "5.1f")
str(torch.tensor(1.5))
repr(w)
repr(w * 2)
repr(x[0, 0])
repr(torch.zeros(2, dtype=torch.float64))
repr((w * 2).detach())
repr(w.view(2, 1))
repr(torch.zeros(0, 3))
torch.is_nonzero(torch.tensor([2]))
torch.is_nonzero(x)
x == None
"""

CONVERSIONS = """
x.to(torch.float64)
x.to(torch.int32)
x.to("cpu")
x.to(torch.device("cpu"))
x.to("cpu", torch.float64)
x.to(device="cpu", dtype=torch.float16)
x.to(torch.zeros(1, dtype=torch.int64))
x.to(dtype=torch.float64, non_blocking=True, copy=True)
x.to(torch.float64, False, True)
x.to(None, torch.float64)
x.to(float)
x.to(int)
x.to(bool)
x.to()
x.to(torch.float32) is x
x.to(x) is x
x.to("cpu") is x
x.to(torch.float32, copy=True) is x
x.t().to(torch.float64).stride()
x.to("cuda")
x.to("nonsense")
x.to("float32")
x.type(torch.int64)
x.type("torch.DoubleTensor")
x.type(torch.DoubleTensor)
x.type("nonsense")
x.type_as(torch.zeros(1, dtype=torch.int16))
x.float() is x
x.double()
x.half()
x.bfloat16()
x.int()
x.long()
x.short()
x.char()
x.byte()
x.bool()
x.cfloat()
x.cdouble()
torch.tensor([1 + 2j, 3]).to(torch.float32)
torch.tensor([-1.5, 2.7, -0.5]).int()
torch.tensor([-1, 256]).byte()
torch.tensor([1.0, 1.0 + 2**-9], dtype=torch.float32).bfloat16()
w.to(torch.float64)
w.double().requires_grad
w.long().requires_grad
x.cpu() is x
x.numpy().dtype.name
w.numpy()
w.numpy(force=True).tolist()
(w * 2).numpy()
np.asarray(w)
np.asarray(x).tolist()
np.asarray(x, dtype="int32").tolist()
np.array(x).tolist()
np.asarray(torch.zeros(2, dtype=torch.bfloat16))
torch.zeros(2, dtype=torch.bfloat16).numpy()
np.add(x, 1)
torch.ones(3) + np.ones(3)
torch.ones(3) * np.float64(2)
np.float64(2) * torch.ones(3)
x.data
w.data
w.detach()
w.cpu()
w.requires_grad_(False)
x.clone().requires_grad_()
x.long().requires_grad_()
x.pin_memory()
x.cuda()
x.copy_(torch.ones(3, dtype=torch.float64))
x.copy_(torch.ones(4))
x.copy_(torch.tensor(2))
x.int().copy_(torch.tensor(2.7))
x.fill_(3)
x.fill_(torch.tensor(2.5))
x.fill_(torch.ones(2))
x.int().fill_(2.9)
x.fill_(1j)
x.zero_()
x.apply_(lambda v: v + 1)
x.long().apply_(lambda v: v * 2)
x.map_(torch.ones(3), lambda a, b: a + b)
x.map2_(torch.ones(2, 3), torch.ones(3), lambda a, b, c: a + b * c)
w.apply_(lambda v: v)
x.resize_(3, 2)
x.resize_(2, 2)
x.resize_((4,))
x[:, 1].resize_(2)
x.clone().resize_as_(torch.zeros(3))
x.set_(torch.ones(2))
x.set_()
x.set_(torch.ones(6).untyped_storage(), 1, (2, 2), (2, 1))
x.set_(torch.ones(6, dtype=torch.float64))
x.as_subclass(torch.Tensor)
x.to_dense()
x.resolve_conj() is x
x.resolve_neg() is x
x.view(torch.int32)
x.view(dtype=torch.int32)
x.view(torch.float64)
x.view(2, 2)
x.t().view(6)
x.reshape(4, 2)
x.reshape(-1, -1)
x.reshape(-2, 3)
torch.zeros(0).reshape(-1, 0)
x.permute(0)
x.permute(0, 0)
x.transpose(0, 2)
x.expand(3, 3)
x.expand(-1, 2, 3)
x.expand(3)
x.squeeze(5)
torch.zeros(1, 2, 3).t()
torch.zeros(1).mT
torch.zeros(1, 2, 3).T
torch.zeros(1, 2, 3).H
x.unflatten(1, (2, 2))
x.flatten(1, 0)
x.split(-1)
x.split([1, 2])
x.chunk(0)
torch.zeros(()).unbind()
torch.zeros(()).split(1)
x.narrow(0, 1, 2)
x.narrow(1, 0, -1)
x.select(0, 2)
x.unfold(0, 3, 1)
x.unfold(0, 1, 0)
x.as_strided((3, 3), (3, 1))
x.diagonal(0, 1, 1)
x.repeat(2)
x.repeat(-1, 1)
x.roll((1, 2), 0)
x.flip(0, 0)
x.rot90(1, (0, 0))
torch.cat([])
torch.cat([x, x.t()])
torch.cat([x, torch.zeros(3)])
torch.cat([torch.zeros(()), torch.zeros(())])
torch.cat(x)
torch.cat([x, 1])
torch.stack([x, x.t()])
torch.stack([])
torch.meshgrid(x, x, indexing="ij")
torch.cat([x.int(), x.long()])
"""

INDEXING = """
x[5]
x[0, 5]
x[0, 0, 0]
x[-3]
x[::-1]
x[::0]
x[1.5]
x["a"]
x[1j]
x[torch.tensor([0.5])]
x[torch.tensor([2])]
x[torch.tensor([[True, False, True]])]
x[torch.tensor([True])]
x[[5]]
x[[0, 1], [0, 1, 2]]
x[None, None].shape
x[..., ...].shape
x[torch.tensor(1)]
x[torch.tensor(1), torch.tensor(2)]
x[np.int64(1)]
x[np.array([1, 0])]
x[np.array([True, False])]
x[torch.tensor([1, 0], dtype=torch.uint8)]
x[torch.tensor([1, 0], dtype=torch.int32)]
x[torch.tensor([1, 0], dtype=torch.int16)]
x[torch.tensor(True)].shape
x[[[0, 1], [1, 2]]]
x[[slice(0, 1), 2]]
x[(0, slice(None))]
x[[]]
x[torch.tensor([], dtype=torch.int64)]
x[()]
x[:, [True, False, True]]
x[slice(torch.tensor(0), torch.tensor(1))]
x[range(2)]
x[:, range(0, 3, 2)]
torch.zeros(())[0]
torch.zeros(())[...]
torch.zeros(())[None]
torch.zeros(())[True].shape
torch.zeros(3, 4)[False].shape
torch.arange(24).reshape(2, 3, 4)[0, :, [0, 1]]
torch.arange(24).reshape(2, 3, 4)[[0, 1], :, [0, 1]]
torch.arange(24).reshape(2, 3, 4)[:, [0, 1], [0, 1]]
torch.arange(24).reshape(2, 3, 4)[[0], None, [1]].shape
torch.arange(24).reshape(2, 3, 4)[..., torch.tensor([[0, 1]])].shape
torch.arange(24).reshape(2, 3, 4)[True, ..., 0].shape
torch.arange(24).reshape(2, 3, 4)[1, [0, 2]][:, 1:]
x.gather(1, torch.tensor([[3]]))
x.gather(1, torch.tensor([0]))
x.gather(1, torch.tensor([[0.0]]))
x.gather(1, torch.tensor([[-1]]))
x.gather(0, torch.zeros(1, 4, dtype=torch.int64))
x.index_select(0, torch.tensor([2]))
x.index_select(0, torch.tensor([[0]]))
x.index_select(0, torch.tensor([0], dtype=torch.int32))
x.scatter(1, torch.tensor([[3]]), 1.0)
x.scatter(1, torch.tensor([[0]]), x.double())
x.scatter_add(1, torch.tensor([[0, 0]]), torch.ones(1, 1))
x.scatter_reduce(1, torch.tensor([[0]]), x, "median")
x.index_add(0, torch.tensor([0]), torch.ones(2, 3))
x.index_add(0, torch.tensor([5]), torch.ones(1, 3))
x.index_copy(0, torch.tensor([0]), torch.ones(1, 2))
x.index_fill(0, torch.tensor([0]), torch.ones(2))
x.masked_fill(x > 2, torch.ones(2))
x.masked_fill(torch.ones(2, 3), 1)
x.masked_select(torch.tensor([True, False]))
x.masked_scatter(x > 0, torch.ones(2))
x.take(torch.tensor([6]))
x.put(torch.tensor([0, 1]), torch.ones(3))
x.take_along_dim(torch.tensor([0]), 1)
x.nonzero()
x.nonzero(as_tuple=True)
torch.nonzero(torch.tensor(5.0))
torch.select_scatter(x, torch.zeros(2), 0, 0)
x.where(x > 2, 0.0)
"""

ASSIGNMENTS = """
x[0] = 1
x[0] = torch.zeros(3)
x[0] = torch.zeros(1, 3)
x[0] = torch.zeros(1, 1, 3)
x[0] = torch.zeros(2)
x[0] = [1.0, 2.0, 3.0]
x[0] = np.ones(3)
x[0] = np.float64(2)
x[0, 0] = torch.tensor([5.0])
x[:, 1] = torch.tensor([5, 6])
x[...] = 2
x[None] = 2
x[x > 2] = 0
x[x > 2] = torch.tensor([1.0, 2.0, 3.0])
x[x > 2] = torch.tensor([1.0, 2.0])
x[x > 2] = torch.tensor(7.0)
x[x > 2] = torch.tensor(7)
x[[0, 1], [1, 2]] = 9
x[[0, 1], [1, 2]] = torch.tensor([8.0, 9.0])
x[[0, 1]] = torch.zeros(3)
x[[0, 1]] = torch.zeros(3).double()
x[[0, 0]] = torch.ones(2, 3)
x[:, [0, 2]] = torch.tensor([[1.0], [2.0]])
x[torch.tensor(1)] = 5
x[torch.tensor([1])] = 5
x[0][1] = 4
x[5] = 1
x[0, 5] = 1
x[::-1] = 1
x[[5]] = 1
x["a"] = 1
x[0] = "a"
x[0] = None
x[0] = 1j
x[True] = 3
x[False] = 3
x[1:1] = 3
x[1:, 1:] = x[:1, :2].clone()
x[0] += 1
x[[0, 0]] += 1
x[x > 1] *= 2
x.T[0] = 3
x.view(-1)[2] = 9
"""


@lines(QUESTIONS)
def test_question(call):
    evaluate(call)


@lines(NUMBERS)
def test_number(call):
    evaluate(call)


@lines(CONVERSIONS)
def test_conversion(call):
    evaluate(call)


@lines(INDEXING)
def test_indexing(call):
    evaluate(call)


@lines(ASSIGNMENTS)
def test_assignment(call):
    def run(library):
        x = library.arange(6.0).reshape(2, 3)
        names = {"torch": library, "np": np, "x": x}
        exec(call, names)
        return names["x"]

    check(run, call)


# --- names of nodes -----------------------------------------------------------------------------------------

NODES = """
x.view(6)
x.reshape(6)
x.t().reshape(6)
x.flatten()
x.t()
x.T
x.mT
x.permute(1, 0)
x.transpose(0, 1)
x.movedim(0, 1)
x.unsqueeze(0)
x.squeeze()
x.squeeze(0)
x.squeeze((0, 1))
x.expand(4, 2, 3)
x[0]
x[0:1]
x[:, 0]
x[None]
x[...]
x[:]
x[[0]]
x[x > 0]
x[0, 1:]
x.select(0, 0)
x.narrow(0, 0, 1)
x.split(1)[0]
x.split([1, 1])[0]
x.chunk(2)[1]
x.unbind()[0]
x.diagonal()
x.unfold(0, 1, 1)
x.as_strided((2,), (1,))
x.clone()
x.t().contiguous()
x.to(torch.float64)
torch.cat([x, x])
torch.stack([x, x])
x.repeat(2, 1)
x.flip(0)
x.roll(1, 0)
x.tril()
x.triu()
x.gather(0, torch.zeros(1, 3, dtype=torch.int64))
x.scatter(0, torch.zeros(1, 3, dtype=torch.int64), x)
x.scatter_add(0, torch.zeros(1, 3, dtype=torch.int64), x)
x.index_select(0, torch.tensor([0]))
x.index_add(0, torch.tensor([0, 1]), x)
x.index_put((torch.tensor([0]),), x[:1])
x.masked_fill(x > 0, 0.0)
x.masked_select(x > 0)
x.take(torch.tensor([0]))
x.diag_embed()
(x * 2).fill_(1.0)
(x * 2).zero_()
(x * 2).copy_(x)
"""


@lines(NODES)
def test_node_is_named_as_pytorch_names_it(call):
    def run(library):
        x = library.arange(6.0).reshape(2, 3).requires_grad_()
        return type(eval(call, {"torch": library, "x": x}).grad_fn).__name__

    check(run, call)


# --- copies and pickles -------------------------------------------------------------------------------------


@BOTH
def test_deepcopy(library):
    w = library.tensor([1.0, 2.0], requires_grad=True)
    (w * 3).sum().backward()
    w.note = ["kept"]
    c = copy.deepcopy(w)
    assert c is not w and c.requires_grad and c.tolist() == w.tolist() and c.grad.tolist() == [3, 3]
    assert c.grad is not w.grad and c.note == ["kept"] and c.note is not w.note
    with library.no_grad():
        c[0] = 9
    assert w[0] == 1
    both = copy.deepcopy([w, w])
    assert both[0] is both[1]
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(w * 2)


@BOTH
def test_views_in_one_deepcopy_still_share_memory(library):
    x = library.zeros(3)
    a, b = copy.deepcopy([x, x[1:]])
    a[1] = 5
    assert b.tolist() == [5, 0] and x.tolist() == [0, 0, 0]


@BOTH
def test_copy_shares_memory(library):
    w = library.tensor([1.0, 2.0], requires_grad=True)
    c = copy.copy(w)
    assert c is not w and c.data_ptr() == w.data_ptr() and c.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool", "complex64"])
def test_pickle(dtype):
    x = retrograd.arange(6).reshape(2, 3).to(getattr(retrograd, dtype))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert_same(y, _to_torch(x))
    w = retrograd.ones(2, requires_grad=True)
    w.note = 1
    again = pickle.loads(pickle.dumps(w))
    assert again.requires_grad and again.note == 1 and again.is_leaf
    file = io.BytesIO()
    pickle.dump(x.t(), file)
    assert pickle.loads(file.getvalue()).tolist() == x.t().tolist()


def _to_torch(x):
    return torch.tensor(x.tolist(), dtype=getattr(torch, x.dtype.name))


@BOTH
def test_dtypes_devices_and_formats_pickle_as_themselves(library):
    for thing in (library.float32, library.contiguous_format, library.strided):
        assert pickle.loads(pickle.dumps(thing)) is thing and copy.deepcopy(thing) is thing
    assert pickle.loads(pickle.dumps(library.device("cpu"))) == library.device("cpu")
    assert pickle.loads(pickle.dumps(library.Size([2, 3]))) == (2, 3)
    numbers = [1]
    numbers += library.Size([2, 3])
    assert numbers == [1, 2, 3]
    with pytest.raises(TypeError, match="can only concatenate list"):
        [1] + library.Size([2])


# --- memory -------------------------------------------------------------------------------------------------


@BOTH
def test_numpy_shares_memory(library):
    x = library.zeros(3)
    a = x.numpy()
    a[0] = 1
    x[1] = 2
    assert x.tolist() == [1, 2, 0] == a.tolist()
    assert np.shares_memory(np.asarray(x), a)
    assert not np.shares_memory(np.array(x), a)


@BOTH
def test_dlpack_shares_memory(library):
    x = library.zeros(3)
    a = np.from_dlpack(x)
    x[0] = 5
    assert a.tolist() == [5, 0, 0]
    assert tuple(map(int, x.__dlpack_device__())) == (1, 0)
    with pytest.raises(BufferError, match="require gradient"):
        library.ones(1, requires_grad=True).__dlpack__()


def test_tensors_pass_between_the_libraries():
    x = retrograd.arange(3.0)
    y = torch.from_dlpack(x)
    y[0] = 7
    assert x[0] == 7
    z = retrograd.from_dlpack(y)
    z[1] = 8
    assert y[1] == 8 and retrograd.tensor(y.numpy()).tolist() == [7, 8, 2]


@BOTH
def test_resize_keeps_the_storage_where_it_can(library):
    x = library.arange(6.0)
    view = x[:3]
    x.resize_(2, 2)
    x[0, 0] = 9
    assert view.tolist() == [9, 1, 2]
    x.resize_(6)
    assert x.tolist() == [9, 1, 2, 3, 4, 5]


def test_a_tensor_is_freed_with_its_last_reference():
    gc.disable()
    try:
        x = retrograd.ones(3, requires_grad=True)
        y = (x * 2)[0].exp()
        y.backward()
        seen = [weakref.ref(t) for t in (x, y)]
        del x, y
        assert all(r() is None for r in seen)
    finally:
        gc.enable()


def test_read_only_memory_is_not_written():
    array = np.zeros(3)
    array.flags.writeable = False
    x = retrograd.from_numpy(array)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 1)):
        with pytest.raises(RuntimeError, match="read-only"):
            write()


# --- the graph ----------------------------------------------------------------------------------------------


@BOTH
def test_conversions_carry_gradients(library):
    w = library.tensor([1.0, 2.0], requires_grad=True)
    (w.double() * 2).float().half().sum().backward()
    assert w.grad.tolist() == [2, 2] and w.grad.dtype is library.float32
    assert not w.long().requires_grad and w.to(library.complex64).requires_grad


@BOTH
def test_detach_in_place(library):
    w = library.ones(2, requires_grad=True)
    y = w * 2
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    assert w.detach_() is w and not w.requires_grad


@BOTH
def test_data_is_outside_the_graph(library):
    w = library.ones(2, requires_grad=True)
    y = w * w
    w.data.zero_()
    assert w.tolist() == [0, 0] and w._version == 0
    y.sum().backward()
    w.data = library.ones(3)
    assert w.shape == (3,) and w.requires_grad and w.is_leaf


@BOTH
def test_numpy_functions_give_tensors(library):
    assert isinstance(np.sin(library.ones(3)), library.Tensor)


def test_arithmetic_with_an_array_on_the_left_is_ours():
    x = retrograd.ones(3, requires_grad=True)
    (np.arange(3.0) * x).sum().backward()
    assert x.grad.tolist() == [0, 1, 2]


def test_no_such_attribute_names_the_tensor():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        retrograd.ones(1).nonsense  # noqa: B018


def test_view_of_a_convolution_shared_by_detach_and_data():
    """Compiled kernels leave results and weights channels-last in memory; views and aliases don't notice."""
    conv = retrograd.nn.Conv2d(3, 8, 3)
    y = conv(retrograd.randn(2, 3, 8, 8))
    outside = y.detach()
    outside.view(2, -1)[0, 0] = 5.0
    assert y.flatten()[0].item() == outside.flatten()[0].item() == 5.0
    conv.weight.data.view(8, -1)[0, 0] = 7.0
    assert conv.weight.flatten()[0].item() == 7.0
    assert conv(retrograd.randn(2, 3, 8, 8)).relu().detach().view(2, 8, -1).shape == (2, 8, 36)
