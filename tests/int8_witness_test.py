"""The witness of int8 gradients against integer arithmetic written out, and against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gradlet.tests.int8_witness import Addition, Block, Convolution, Network, StraightThrough, clamped, gradients

SIDE, CLASSES = 6, 3


def convolution(name: str, rng: np.random.Generator, shape: tuple[int, ...], groups: int = 1, stride: int = 1):
    weight = torch.from_numpy(rng.integers(-127, 128, shape).astype(np.float64))
    bias = torch.from_numpy(rng.integers(-900, 900, shape[0]).astype(np.float64))
    scale = torch.from_numpy((rng.uniform(0.5, 1.5, shape[0]) * 0.6 / np.sqrt(np.prod(shape[1:]) * 70)).astype("f4"))
    return Convolution(name, scale / 10, -7, 5, stride, groups, (weight, bias))


def network(seed: int = 0) -> Network:
    """A convolution, and a block of which both branches learn: its input has two users."""
    rng = np.random.default_rng(seed)
    blocks = (
        Block((convolution("first", rng, (4, 3, 3, 3), stride=2),)),
        Block(
            (
                replace(convolution("wide", rng, (8, 4, 1, 1)), x_zero=5, y_zero=-128),
                replace(convolution("deep", rng, (8, 1, 3, 3), groups=8), x_zero=-128, y_zero=-128),
                replace(convolution("flat", rng, (4, 8, 1, 1)), x_zero=-128, y_zero=9),
            ),
            Addition((0.7, 0.4), (5, 9), -3),
        ),
    )
    return Network(blocks, 0.02, -3)


def head(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"classifier.weight": rng.normal(size=(CLASSES, 4)), "classifier.bias": rng.normal(size=CLASSES)}


def sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(-128, 128, (2, SIDE, SIDE, 3)).astype(np.int8), np.array([0, 2])


def with_integers(made: Network, parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: t.numpy() for name, t in made.initial().items()} | parameters


@pytest.mark.parametrize("seed", range(3))
def test_smooth_gradients_are_finite_differences(seed):
    rng, made = np.random.default_rng(seed), network(seed)
    (image, label), parameters = sample(rng), with_integers(made, head(rng))
    _, found = gradients(made, image, label, parameters, smooth=True)
    assert set(found) == set(parameters)
    for name, gradient in found.items():
        direction, losses = rng.normal(size=gradient.shape), []
        step = 1e-6 * np.abs(parameters[name]).max()
        for sign in (1, -1):
            moved = parameters | {name: parameters[name] + sign * step * direction}
            losses.append(gradients(made, image, label, moved, smooth=True)[0])
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-5), name
        assert np.abs(gradient).max() > 0, name


def test_forward_is_integer_arithmetic():
    rng, made = np.random.default_rng(1), network()
    first = made.convolutions[0]
    image, _ = sample(rng)
    weight, bias = (t.numpy().astype(np.int64) for t in first.initial)
    padded = np.pad(image[0].astype(np.int64) - first.x_zero, ((1, 1), (1, 1), (0, 0)))
    x = torch.from_numpy(image.transpose(0, 3, 1, 2).astype(np.float64))
    found = first(x, made.initial(), smooth=False)[0].numpy()
    for o in range(4):
        for row in range(3):
            for column in range(3):
                window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
                acc = int((window * weight[o].transpose(1, 2, 0)).sum() + bias[o])
                rounded = int(np.rint(np.float32(acc) * first.scale[o].numpy())) + first.y_zero
                assert found[o, row, column] == min(max(rounded, -128), 127)


def test_addition_rounds_single_precision():
    made = network().blocks[1].addition
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    first, second = np.float32(0.7) * np.float32(a - 5), np.float32(0.4) * np.float32(b - 9)
    expected = np.clip(np.rint(first + second) - 3, -128, 127)
    found = made(torch.from_numpy(a.astype(float)), torch.from_numpy(b.astype(float)), smooth=False)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_what_lies_on_the_border_passes():
    x = torch.tensor([-129.0, -128.0, 127.0, 128.0], requires_grad=True)
    y = clamped(x)
    assert y.tolist() == [-128, -128, 127, 127]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_rounding_is_straight_through():
    x = torch.tensor([0.4, 2.6], requires_grad=True)
    y = StraightThrough.apply(x, x.detach().round())
    assert y.tolist() == [0, 3]
    y.square().sum().backward()
    assert x.grad.tolist() == [0, 6]  # of the rounded value


def test_both_branches_of_a_block_pass_gradients():
    """Without the addition, or without one of its branches, the first gradient is another."""
    rng, made = np.random.default_rng(4), network()
    (image, label), parameters = sample(rng), head(rng)
    _, whole = gradients(made, image, label, parameters)
    cut = replace(made, blocks=(made.blocks[0], replace(made.blocks[1], addition=Addition((0.7, 0.0), (5, 9), -3))))
    _, skip = gradients(cut, image, label, parameters)
    assert not np.allclose(whole["first.weight"], skip["first.weight"], rtol=0.01)
    assert np.all(skip["wide.weight"] == 0)
    assert np.any(whole["wide.weight"] != 0)
