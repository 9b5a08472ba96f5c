"""The results of functions that give several tensors: tuples whose members have names."""

from operator import itemgetter

__all__ = []


def _named(name, fields):
    """A tuple class with these members; made from an iterable, printed as PyTorch prints it."""

    def __new__(cls, values):
        values = tuple(values)
        if len(values) != len(fields):
            raise TypeError(
                f"torch.return_types.{name}() takes a {len(fields)}-sequence ({len(values)}-sequence "
                "given) [RG134]"
            )
        return tuple.__new__(cls, values)

    def __repr__(self):
        members = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{members})"

    members = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    members |= {
        "__new__": __new__, "__repr__": __repr__, "__slots__": (), "__module__": "torch.return_types",
        "_fields": fields, "__match_args__": fields,
        "n_fields": len(fields), "n_sequence_fields": len(fields), "n_unnamed_fields": 0,
        "__doc__": f"What `{name}` returns: ({', '.join(fields)}).",
        "__reduce__": lambda self: (_rebuild, (name, tuple(self))),
    }  # fmt: skip
    return type(name, (tuple,), members)


def _rebuild(name, values):
    return globals()[name](values)


for _name in ("cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"):
    globals()[_name] = _named(_name, ("values", "indices"))
aminmax = _named("aminmax", ("min", "max"))
frexp = _named("frexp", ("mantissa", "exponent"))
for _name in ("histogram", "histogramdd"):
    globals()[_name] = _named(_name, ("hist", "bin_edges"))
for _name, _fields in {
    "cholesky_ex": "L info", "eig": "eigenvalues eigenvectors", "eigh": "eigenvalues eigenvectors",
    "inv_ex": "inverse info", "ldl_factor": "LD pivots", "ldl_factor_ex": "LD pivots info",
    "lstsq": "solution residuals rank singular_values", "lu": "P L U",
    "lu_factor": "LU pivots", "lu_factor_ex": "LU pivots info", "qr": "Q R", "slogdet": "sign logabsdet",
    "solve_ex": "result info", "svd": "U S Vh",
}.items():  # fmt: skip
    globals()["linalg_" + _name] = _named("linalg_" + _name, tuple(_fields.split()))
slogdet = _named("slogdet", ("sign", "logabsdet"))
svd = _named("svd", ("U", "S", "V"))
geqrf = _named("geqrf", ("a", "tau"))
qr = _named("qr", ("Q", "R"))
lu_unpack = _named("lu_unpack", ("P", "L", "U"))
triangular_solve = _named("triangular_solve", ("solution", "cloned_coefficient"))
