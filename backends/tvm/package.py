"""The package tvm, imported without torch, which its runtime would load first wherever it is installed.

Seconds, and hundreds of megabytes, that nothing here uses. Whoever imports torch later gets it as usual.
"""

import sys

_HIDDEN = "torch" not in sys.modules
if _HIDDEN:
    # An import of a module that is None in sys.modules fails at once, as if it were not installed.
    sys.modules["torch"] = None  # type: ignore[assignment]
try:
    import tvm_ffi

    import tvm
    from tvm import s_tir, te, tirx
finally:
    if _HIDDEN:
        del sys.modules["torch"]

__all__ = ["s_tir", "te", "tirx", "tvm", "tvm_ffi"]
