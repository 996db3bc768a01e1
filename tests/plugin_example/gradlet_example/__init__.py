"""A plugin for Gradlet: one record says what it adds; nothing is imported before it is used."""

from gradlet.ir.plugin import Plugin

PLUGIN = Plugin(
    name="gradlet-example",
    api=1,
    ops=("gradlet_example.softplus:OPS",),
    kernels={"tinyengine": ("gradlet_example.softplus_c:KERNELS",), "tvm": ("gradlet_example.softplus_tvm:KERNELS",)},
    converters={
        "pytorch": ("gradlet_example.softplus_torch:CONVERTERS",),
        "tflite": ("gradlet_example.softplus_tflite:CONVERTERS",),
    },
    targets={"tiny_board": "gradlet_example.tiny_board:TARGET"},
    passes={"clip_gradients": "gradlet_example.clip_gradients:ClipGradients"},
    frontends={"layers": "gradlet_example.layers:FRONTEND"},
)
