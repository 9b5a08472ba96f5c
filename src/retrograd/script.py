"""Runs an unmodified PyTorch script: `torch`, `torchvision` and `functorch`, with their submodules,
mean retrograd."""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import re
import runpy
import sys
import traceback

from ._named import NameFinder

_BOUND = {"torch": "retrograd", "torchvision": "retrograd.vision", "functorch": "retrograd.functorch"}


class BindFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch.x` where retrograd has `retrograd.x`: the same module object under both names;
    else, unless `names` is None, what is there in name only."""

    def __init__(self):
        self.specs = {}
        self.names = NameFinder()

    def find_spec(self, fullname, path=None, target=None):
        head, _, rest = fullname.partition(".")
        if head not in _BOUND:
            return None
        ours = _BOUND[head] + ("." + rest if rest else "")
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name is None or not ours.startswith(error.name):
                raise
            named = self.names and self.names.find_spec(fullname)
            if named:
                return named
            raise ModuleNotFoundError(f"retrograd has no module {fullname} [RG135]", name=fullname) from None
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=hasattr(module, "__path__"))
        self.specs[id(module)] = module.__spec__
        spec.loader_state = module
        return spec

    def create_module(self, spec):
        return spec.loader_state

    def exec_module(self, module):
        """Nothing to execute; the module keeps its own spec, which the import system has just replaced.

        What was loaded with it gets PyTorch's names now: importing `torch.autograd.gradcheck` later would put
        the module in the place of the function of that name, as the import system does once per module.
        """
        module.__spec__ = self.specs.pop(id(module))
        for theirs, ours in _BOUND.items():
            for name in [n for n in sys.modules if n.startswith(ours + ".")]:
                sys.modules.setdefault(theirs + name[len(ours) :], sys.modules[name])


@contextlib.contextmanager
def bound_torch():
    """While this holds, `import torch` gives retrograd; a real PyTorch imported before comes back after.

    `torch.__version__` is that of the PyTorch whose interface this is: packages ask it what they may use.
    """
    import retrograd
    from retrograd.torch_version import TorchVersion
    from retrograd.version import __version__

    own, retrograd.__version__ = retrograd.__version__, TorchVersion(__version__)
    retrograd.torch = retrograd  # PyTorch's module has itself as a name too
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in _BOUND}
    finder = BindFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        retrograd.__version__ = own
        del retrograd.torch
        sys.meta_path.remove(finder)
        for name in list(sys.modules):
            if name.partition(".")[0] in _BOUND:
                del sys.modules[name]
        sys.modules.update(hidden)


def run_script(path, args=()):
    """Run the script at `path` as `__main__` with `args`; gives the exit status.

    What it uses and retrograd lacks is reported by name, with the script's line.
    """
    if not os.path.exists(path):
        print(f"python -m retrograd run: no such file: {path}", file=sys.stderr)
        return 2
    before_argv, before_path = sys.argv, sys.path[0]
    sys.argv, sys.path[0] = [path, *args], os.path.dirname(os.path.abspath(path))
    try:
        with bound_torch():
            runpy.run_path(path, run_name="__main__")
        return 0
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        _report(error, path)
        return 1
    finally:
        sys.argv, sys.path[0] = before_argv, before_path


def _report(error, path):
    """The traceback from the script's first line on, and a sentence where something of PyTorch is missing."""
    script, start = os.path.abspath(path), error.__traceback__
    while start is not None and os.path.abspath(start.tb_frame.f_code.co_filename) != script:
        start = start.tb_next
    traceback.print_exception(error.with_traceback(start))
    missing = missing_name(error)
    if missing is not None:
        last = next((f for f in reversed(traceback.extract_tb(start)) if not _is_ours(f.filename)), None)
        where = f"{last.filename}:{last.lineno}: " if last else ""
        print(f"\n{where}this script uses {missing}, which retrograd does not have.", file=sys.stderr)


def _is_ours(filename):
    return os.path.abspath(filename).startswith(os.path.dirname(os.path.abspath(__file__)) + os.sep)


def missing_name(error):
    """PyTorch's name of what an AttributeError or ImportError missed in retrograd; None if it is not ours."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name if error.name.partition(".")[0] in _BOUND else None
    if isinstance(error, ImportError):
        found = re.match(r"cannot import name '(\w+)'", error.msg or "")  # name_from: Python 3.12
        name = found and found[1]
        return (
            f"{_torch_name(error.name)}.{name}" if name and error.name and _torch_name(error.name) else None
        )
    if not isinstance(error, AttributeError) or not error.name:
        return None
    owner = error.obj
    if type(owner) is type(sys):
        module = _torch_name(owner.__name__)
        return f"{module}.{error.name}" if module else None
    kind = owner if isinstance(owner, type) else type(owner)
    if kind.__module__.partition(".")[0] == "retrograd":
        return f"{'torch.Tensor' if kind.__name__ == 'Tensor' else kind.__name__}.{error.name}"
    return None


def _torch_name(module):
    """`retrograd.nn` as `torch.nn`; None for modules that are not ours."""
    for theirs, ours in sorted(_BOUND.items(), key=lambda item: -len(item[1])):
        for prefix in (ours, theirs):
            if module == prefix or module.startswith(prefix + "."):
                return theirs + module[len(prefix) :]
    return None
