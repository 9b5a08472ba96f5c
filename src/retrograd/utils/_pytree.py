"""Nested tuples, lists and dicts of tensors: taken apart to a flat list, and put together again."""

from collections import OrderedDict, defaultdict


class _Leaf:
    def __repr__(self):
        return "*"

    def __eq__(self, other):
        return isinstance(other, _Leaf)

    def __hash__(self):
        return 0


LEAF = _Leaf()


class TreeSpec:
    """The form of a nested structure: the kind of its container, what else it needs, and its children's
    forms."""

    __slots__ = ("kind", "context", "children", "num_leaves")

    def __init__(self, kind, context, children):
        self.kind = kind
        self.context = context
        self.children = children
        self.num_leaves = sum(1 if c is LEAF else c.num_leaves for c in children)

    def __eq__(self, other):
        return isinstance(other, TreeSpec) and (self.kind, self.context, self.children) == (
            other.kind, other.context, other.children,
        )  # fmt: skip

    def __repr__(self):
        return f"TreeSpec({self.kind.__name__}, {self.context}, {self.children})"


def _parts(tree):
    """(kind, context, children) of a container, or None for a leaf."""
    kind = type(tree)
    if kind in (dict, OrderedDict):
        return kind, tuple(tree), list(tree.values())
    if kind is defaultdict:
        return kind, (tree.default_factory, tuple(tree)), list(tree.values())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, None, list(tree)
    return (kind, None, list(tree)) if kind in (tuple, list) else None


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


def tree_unflatten(leaves, form):
    """The structure of this form with these leaves."""
    return _build(iter(leaves), form)


def _build(leaves, form):
    if form is LEAF:
        return next(leaves)
    children = [_build(leaves, c) for c in form.children]
    if form.kind in (dict, OrderedDict):
        return form.kind(zip(form.context, children, strict=True))
    if form.kind is defaultdict:
        return defaultdict(form.context[0], zip(form.context[1], children, strict=True))
    return getattr(form.kind, "_make", form.kind)(children)  # a namedtuple takes its members one by one


def tree_map(function, tree, *rest):
    """`function` applied to every leaf; further trees of the same form give its further arguments."""
    leaves, form = tree_flatten(tree)
    others = [tree_flatten(r)[0] for r in rest]
    return tree_unflatten([function(*values) for values in zip(leaves, *others, strict=True)], form)


def tree_map_only(kind, function, tree):
    """`function` applied to the leaves that are instances of `kind`."""
    return tree_map(lambda x: function(x) if isinstance(x, kind) else x, tree)


def tree_leaves(tree):
    return tree_flatten(tree)[0]


def broadcast_prefix(prefix, form):
    """A value per leaf of `form` from a structure that may stop early: what it has there holds for all
    below."""
    parts = _parts(prefix)
    if form is LEAF and parts is None:
        return [prefix]
    if parts is None:
        return [prefix] * form.num_leaves
    kind, context, children = parts
    if form is LEAF:
        raise ValueError(f"a structure {prefix!r} where there is a leaf [RG047]")
    fits = kind is form.kind and len(children) == len(form.children)
    if not fits or (context is not None and context != form.context):
        raise ValueError(f"a structure {prefix!r} is not a prefix of {form!r} [RG047]")
    return [leaf for c, f in zip(children, form.children, strict=True) for leaf in broadcast_prefix(c, f)]
