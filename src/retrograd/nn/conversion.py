"""How conversions of a module (`half()`, `to(...)`) and loads put new tensors in its parameters' place."""

_flags = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value):
    """True: conversions assign new Parameters, and old references keep the old ones. False, the default: the
    Parameters stay, and their data changes.
    """
    _flags["overwrite"] = value


def get_overwrite_module_params_on_conversion():
    return _flags["overwrite"]


def set_swap_module_params_on_conversion(value):
    """True: conversions and `load_state_dict` swap the Parameters with new ones (`utils.swap_tensors`)."""
    _flags["swap"] = value


def get_swap_module_params_on_conversion():
    return _flags["swap"]
