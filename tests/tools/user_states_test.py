"""What was trained goes back into the user's PyTorch module, and comes from there."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import gradlet.tools.api
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.user_states import to_user


class Net(nn.Module):
    """Batch norms that the compiler folds, a depthwise convolution, and a head behind a flattened image."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.norm2 = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6 * 4 * 4, 5)
        for norm in (self.norm1, self.norm2):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -1, 1)
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        x = torch.relu(self.norm1(self.first(x)))
        x = torch.relu(self.norm2(self.depthwise(x)))
        return self.head(torch.flatten(self.pointwise(x), 1))


def _compiled(scheme: str) -> tuple[nn.Module, gradlet.tools.api.Compiled]:
    torch.manual_seed(0)
    module = Net().eval()
    sample = torch.randn(2, 3, 6, 6)
    return module, gradlet.compile(module, sample, target="x86_64", backend="reference", scheme=scheme, name="net")


def _feed(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 5, 2).astype(np.int32)
    return {"x": rng.normal(size=(2, 6, 6, 3)).astype(np.float32), "label": label, "lr": np.float32(0.05)}


def _predicted(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()


@pytest.mark.parametrize("scheme", ["full", "last_2{ratio=0.5}", "bias_only"])
def test_the_module_predicts_what_the_trained_program_predicts(scheme, tmp_path):
    module, compiled = _compiled(scheme)
    session = compiled.open()
    for seed in range(4):
        session.train_step(_feed(seed))
    learnt = compiled.user_states(session)
    assert set(learnt) <= set(module.state_dict())
    trained = copy.deepcopy(module)
    trained.load_state_dict({k: torch.from_numpy(v) for k, v in learnt.items()}, strict=False)
    x = _feed(9)["x"]
    (predicted,) = session.infer({"x": x}).values()
    assert np.abs(predicted - _predicted(module, x)).max() > 0.01, "it has learnt"
    np.testing.assert_allclose(_predicted(trained, x), predicted, rtol=1e-4, atol=1e-5)
    files.save(compiled.program, tmp_path / "net.gradlet", compiled.toolbox.ops)
    again = files.load(tmp_path / "net.gradlet", compiled.toolbox.ops)
    for name, array in to_user(again.graph, session.states()).items():
        np.testing.assert_array_equal(array, learnt[name])


def test_untrained_states_are_those_of_the_module():
    module, compiled = _compiled("full")
    for name, array in compiled.user_states(compiled.open()).items():
        np.testing.assert_allclose(array, module.state_dict()[name].numpy(), rtol=1e-5, atol=1e-6)


def test_states_of_the_module_are_set():
    module, compiled = _compiled("full")
    session = compiled.open()
    with torch.no_grad():
        for parameter in (module.first.weight, module.norm1.bias, module.head.weight):
            parameter.add_(torch.randn_like(parameter) * 0.1)
    state = {n: module.state_dict()[n].numpy() for n in ("first.weight", "norm1.bias", "head.weight")}
    compiled.set_user_states(session, state)
    x = _feed(3)["x"]
    (predicted,) = session.infer({"x": x}).values()
    np.testing.assert_allclose(predicted, _predicted(module, x), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_set_is_refused():
    _, compiled = _compiled("bias_only")
    session = compiled.open()
    for states, message in [
        ({"first.weigth": np.zeros((8, 3, 3, 3), np.float32)}, "no state of the model 'first.weigth'"),
        ({"norm1.weight": np.zeros(8, np.float32)}, "no state of the model 'norm1.weight'"),
        ({"head.bias": np.zeros(4, np.float32)}, "not float32"),
        ({"first.weight": np.zeros((8, 3, 3, 3), np.float32)}, "no changeable state"),
    ]:
        with pytest.raises(CompileError, match=message):
            compiled.set_user_states(session, states)


def test_a_gamma_of_zero_is_not_folded():
    """The weights before it could not be read back."""
    torch.manual_seed(0)
    module = Net().eval()
    with torch.no_grad():
        module.norm1.weight[3] = 0.0
    compiled = gradlet.compile(module, torch.randn(2, 3, 6, 6), target="x86_64", backend="reference")
    assert "norm1.weight" in compiled.user_states(compiled.open())
