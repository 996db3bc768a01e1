"""Who may depend on what: proto <- ir <- {frontends, autodiff, optimizers, backends, targets} <- tools."""

# Programs, and code that is not shipped.
TOP = [
    "//benchmarks:__subpackages__",
    "//examples:__subpackages__",
    "//tests:__subpackages__",
    "//tools:__subpackages__",
]

MIDDLE = [
    "//autodiff:__subpackages__",
    "//backends:__subpackages__",
    "//frontends:__subpackages__",
    "//optimizers:__subpackages__",
    "//targets:__subpackages__",
]
