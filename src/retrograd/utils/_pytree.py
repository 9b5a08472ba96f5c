"""Nested tuples, lists and dicts of tensors: taken apart to a flat list, and put together again."""

import functools
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..core.tensor import sequence_of


class TreeSpec:
    """The form of a nested structure: the type of its container, what else it needs, and its children's
    forms."""

    __slots__ = ("type", "context", "children_specs", "num_leaves", "num_nodes", "num_children")

    def __init__(self, type, context, children_specs):
        self.type = type
        self.context = context
        self.children_specs = children_specs
        self.num_children = len(children_specs)
        self.num_leaves = sum(c.num_leaves for c in children_specs)
        self.num_nodes = 1 + sum(c.num_nodes for c in children_specs)

    def is_leaf(self):
        return self.type is None

    def __eq__(self, other):
        return isinstance(other, TreeSpec) and (self.type, self.context, self.children_specs) == (
            other.type, other.context, other.children_specs,
        )  # fmt: skip

    def __hash__(self):
        return hash((self.type, self.num_leaves))

    def __repr__(self):
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"

    def flatten_up_to(self, tree):
        """The subtrees of `tree` at the places of this form's leaves."""
        if self.is_leaf():
            return [tree]
        parts = _parts(tree)
        kind, context, children = parts if parts else (type(tree), None, ())
        if kind is not self.type or len(children) != self.num_children:
            raise ValueError(f"Type mismatch; expected {self!r}, but got {tree!r} [RG047]")
        pairs = zip(children, self.children_specs, strict=True)
        return [leaf for c, form in pairs for leaf in form.flatten_up_to(c)]


class LeafSpec(TreeSpec):
    """The form of what is no container."""

    def __init__(self):
        super().__init__(None, None, [])
        self.num_leaves = 1

    def __repr__(self):
        return "*"


PyTree = Context = Any
LEAF = LeafSpec()


# --- kinds of containers ----------------------------------------------------------------------------


class NodeDef(NamedTuple):
    """How a kind of container is taken apart and put together."""

    type: type
    flatten_fn: Any  # container -> (children, context)
    unflatten_fn: Any  # (children, context) -> container
    flatten_with_keys_fn: Any = None  # container -> ([(key, child)], context)


@dataclass(frozen=True)
class SequenceKey:
    """Where a child is in a list or tuple."""

    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"

    def get(self, sequence):
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """Where a child is in a dict."""

    key: Any

    def __str__(self):
        return f"[{self.key!r}]"

    def get(self, mapping):
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """The attribute that a child is."""

    name: str

    def __str__(self):
        return f".{self.name}"

    def get(self, obj):
        return getattr(obj, self.name)


SUPPORTED_NODES = {}  # type -> NodeDef


def register_pytree_node(
    cls, flatten_fn, unflatten_fn, *, serialized_type_name=None, to_dumpable_context=None,
    from_dumpable_context=None, flatten_with_keys_fn=None,
):  # fmt: skip
    """Take instances of `cls` apart by `flatten_fn(x) -> (children, context)` from now on, and put them
    together by `unflatten_fn(children, context)`.

    What concerns serialized forms is accepted without effect.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node. [RG120]")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


_register_pytree_node = register_pytree_node


def _list_flatten(tree):
    return list(tree), None


def _list_unflatten(children, context):
    return list(children)


def _list_flatten_with_keys(tree):
    return [(SequenceKey(i), child) for i, child in enumerate(tree)], None


def _tuple_unflatten(children, context):
    return tuple(children)


def _dict_flatten(tree):
    return list(tree.values()), list(tree)


def _dict_unflatten(children, context):
    return dict(zip(context, children, strict=True))


def _dict_flatten_with_keys(tree):
    return [(MappingKey(key), child) for key, child in tree.items()], list(tree)


def _ordered_dict_unflatten(children, context):
    return OrderedDict(zip(context, children, strict=True))


for _kind, *_ways in (
    (tuple, _list_flatten, _tuple_unflatten, _list_flatten_with_keys),
    (list, _list_flatten, _list_unflatten, _list_flatten_with_keys),
    (dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys),
    (OrderedDict, _dict_flatten, _ordered_dict_unflatten, _dict_flatten_with_keys),
):
    register_pytree_node(_kind, *_ways[:2], flatten_with_keys_fn=_ways[2])
register_pytree_node(
    defaultdict, lambda tree: (list(tree.values()), [tree.default_factory, list(tree)]),
    lambda children, context: defaultdict(context[0], _dict_unflatten(children, context[1])),
    flatten_with_keys_fn=_dict_flatten_with_keys,
)  # fmt: skip
register_pytree_node(
    deque, lambda tree: (list(tree), tree.maxlen), lambda c, maxlen: deque(c, maxlen=maxlen),
    flatten_with_keys_fn=lambda tree: ([(SequenceKey(i), c) for i, c in enumerate(tree)], tree.maxlen),
)  # fmt: skip
register_pytree_node(
    namedtuple, lambda tree: (list(tree), type(tree)), lambda c, kind: sequence_of(kind, c),
    flatten_with_keys_fn=lambda tree: (
        [(GetAttrKey(n), c) for n, c in zip(tree._fields, tree, strict=True)], type(tree)
    ),
)  # fmt: skip


def is_namedtuple_class(cls):
    """Whether `cls` was made by namedtuple or typing.NamedTuple."""
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_namedtuple(obj):
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


is_namedtuple_instance = _is_namedtuple_instance = is_namedtuple


def is_structseq_class(cls):
    """Whether `cls` is a tuple with named fields of C's making, such as os.stat_result."""
    return (
        isinstance(cls, type) and cls.__bases__ == (tuple,)
        and all(isinstance(getattr(cls, n, None), int) for n in ("n_fields", "n_sequence_fields"))
    )  # fmt: skip


def is_structseq_instance(obj):
    return is_structseq_class(type(obj))


def _get_node_type(tree):
    """The key of the kind of `tree` in SUPPORTED_NODES; its own type where that is no container."""
    kind = type(tree)
    return namedtuple if kind not in SUPPORTED_NODES and is_namedtuple_class(kind) else kind


def _parts(tree):
    """(kind, context, children) of a container, or None for a leaf."""
    kind = type(tree)
    node = SUPPORTED_NODES.get(kind)
    if node is None:
        if not is_namedtuple_class(kind):
            return None
        kind, node = namedtuple, SUPPORTED_NODES[namedtuple]
    children, context = node.flatten_fn(tree)
    return kind, context, list(children)


# --- taking apart and putting together ---------------------------------------------------------------


def tree_is_leaf(tree, is_leaf=None):
    """Whether `tree` is no container, or `is_leaf` says that it counts as none."""
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


def tree_flatten(tree, is_leaf=None):
    """(leaves, form) of a nested structure; None counts as a leaf."""
    leaves = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree, leaves, is_leaf):
    parts = None if is_leaf is not None and is_leaf(tree) else _parts(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    kind, context, children = parts
    return TreeSpec(kind, context, [_flatten(c, leaves, is_leaf) for c in children])


def tree_unflatten(leaves, treespec):
    """The structure of this form with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item "
            f"of type {type(treespec)}. [RG047]"
        )
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a "
            f"pytree that holds {treespec.num_leaves} items ({treespec}). [RG044]"
        )
    return _build(iter(leaves), treespec)


def _build(leaves, form):
    if form.type is None:
        return next(leaves)
    return SUPPORTED_NODES[form.type].unflatten_fn(
        [_build(leaves, c) for c in form.children_specs], form.context
    )


def tree_leaves(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree, is_leaf=None):
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func, tree, *rests, is_leaf=None):
    """`func` applied to every leaf; further trees of the same form give its further arguments."""
    leaves, form = tree_flatten(tree, is_leaf)
    others = [form.flatten_up_to(r) for r in rests]
    return tree_unflatten([func(*values) for values in zip(leaves, *others, strict=True)], form)


def tree_map_(func, tree, *rests, is_leaf=None):
    """Apply `func` to every leaf for what it does; gives `tree`."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(kinds, /):
    """A decorator: the function is applied to instances of these types (or where `kinds(x)` is true), and
    anything else passes through."""
    chosen = kinds if callable(kinds) and not isinstance(kinds, type) else lambda x: isinstance(x, kinds)

    def decorate(func):
        return functools.wraps(func)(lambda x: func(x) if chosen(x) else x)

    return decorate


def tree_map_only(kinds, func, tree, is_leaf=None):
    """`func` applied to the leaves that are instances of `kinds`."""
    return tree_map(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_map_only_(kinds, func, tree, is_leaf=None):
    """Apply `func` to the leaves that are instances of `kinds`; gives `tree`."""
    return tree_map_(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None):
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(kinds, pred, tree, is_leaf=None):
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kinds))


def tree_any_only(kinds, pred, tree, is_leaf=None):
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kinds))


# --- with the way to each leaf ------------------------------------------------------------------------


def tree_flatten_with_path(tree, is_leaf=None):
    """([(keys on the way to it, leaf)], form)."""
    return list(_with_path((), tree, is_leaf)), tree_structure(tree, is_leaf)


def _with_path(path, tree, is_leaf):
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    node = SUPPORTED_NODES[_get_node_type(tree)]
    if node.flatten_with_keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {node.type}. Please pass a flatten_with_keys_fn "
            "argument to register_pytree_node. [RG134]"
        )
    for key, child in node.flatten_with_keys_fn(tree)[0]:
        yield from _with_path((*path, key), child, is_leaf)


def tree_leaves_with_path(tree, is_leaf=None):
    return list(_with_path((), tree, is_leaf))


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    """`func(path, leaf, ...)` applied to every leaf."""
    pairs, form = tree_flatten_with_path(tree, is_leaf)
    others = [form.flatten_up_to(r) for r in rests]
    return tree_unflatten([func(*pair, *more) for pair, *more in zip(pairs, *others, strict=True)], form)


def keystr(path):
    """The keys of a path as one string: `['a'][0]`."""
    return "".join(str(key) for key in path)


def key_get(obj, path):
    """What is in `obj` at the end of a path."""
    for key in path:
        obj = key.get(obj)
    return obj


# --- prefixes -----------------------------------------------------------------------------------------


def broadcast_prefix(prefix, form):
    """A value per leaf of `form` from a structure that may stop early: what it has there holds for all
    below."""
    parts = _parts(prefix)
    if form.is_leaf() and parts is None:
        return [prefix]
    if parts is None:
        return [prefix] * form.num_leaves
    kind, context, children = parts
    if form.is_leaf():
        raise ValueError(f"a structure {prefix!r} where there is a leaf [RG047]")
    fits = kind is form.type and len(children) == form.num_children
    if not fits or (context is not None and context != form.context):
        raise ValueError(f"a structure {prefix!r} is not a prefix of {form!r} [RG047]")
    pairs = zip(children, form.children_specs, strict=True)
    return [leaf for c, f in pairs for leaf in broadcast_prefix(c, f)]


def _broadcast_to_and_flatten(tree, treespec, is_leaf=None):
    """`broadcast_prefix`, or None where the forms don't fit."""
    try:
        return broadcast_prefix(tree, treespec)
    except ValueError:
        return None
