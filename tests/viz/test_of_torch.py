"""A PyTorch module is drawn with its own numbers, and nothing of it is touched."""

# mypy: disable-error-code="union-attr, index, arg-type"

import sys

import numpy as np
import pytest

from minigrad.errors import MissingExtra
from minigrad.viz import from_torch

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional


@pytest.fixture
def made():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x, y = torch.randn(30, 4), torch.arange(30) % 2
    return model, x, lambda out: functional.cross_entropy(out, y)


def cards(graph):
    forward = [c for c in graph.cards if c.twin is None]
    return {f"{c.path}.{c.title}" if c.path else c.title: c for c in forward}


def test_values_and_gradients_are_those_of_pytorch(made):
    model, x, loss = made
    found = cards(from_torch(model, x, loss=loss))
    assert all(p.grad is None for p in model.parameters())
    h = functional.relu(model[0](x))
    h.retain_grad()
    out = loss(model[2](h))
    out.backward()
    for i in (0, 2):
        for name, p in model[i].named_parameters():
            card = found[f"Sequential.{i}.{name}"]
            rows = p.grad.reshape(-1, p.shape[-1]).numpy()
            np.testing.assert_allclose(card.gradient.rows, rows, rtol=1e-6)
            np.testing.assert_array_equal(np.ravel(card.value.rows), p.detach().numpy().ravel())
    relu = found["Sequential.relu"]
    np.testing.assert_allclose(relu.value.rows, h.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(relu.gradient.rows, h.grad.numpy(), rtol=1e-6)
    assert found["cross_entropy"].value.rows == ((pytest.approx(out.item()),),)


def test_modules_are_boxes_and_rules_are_told(made):
    model, x, loss = made
    graph = from_torch(model, x, loss=loss)
    assert [(g.path, g.subtitle) for g in graph.groups] == [
        ("Sequential", "Sequential"), ("Sequential.0", "Linear(4 → 3)"),
        ("Sequential.2", "Linear(3 → 2)"),
    ]  # fmt: skip
    found = cards(graph)
    assert found["Sequential.relu"].rules == ["∂L/∂in = g × (out > 0)"]
    assert found["Sequential.0.linear"].rules[1] == "∂L/∂weight = gᵀ · in"
    assert found["Sequential.2.linear"].step < found["Sequential.0.linear"].step
    assert all(not p._backward_hooks for p in model.parameters())
    assert all(not m._forward_hooks for m in model.modules())


def test_faults_are_found(made):
    model, x, loss = made
    model[0].extra = nn.Parameter(torch.ones(2))
    with torch.no_grad():
        model[0].bias[1] = -50.0
    issues = {str(i) for i in from_torch(model, x, loss=loss).issues}
    assert "Sequential.relu: unit 1 is dead: 0 for all 30 examples" in issues
    assert "Sequential.0.weight: row 1 gets no gradient" in issues
    assert "0.extra: not used by the output" in issues
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    assert "Sequential.2.weight: holds 1 NaN" in {
        str(i) for i in from_torch(model, x, loss=loss).issues
    }


class Net(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.fc = nn.Linear(8, 3)

    def forward(self, image):
        h = functional.max_pool2d(torch.tanh(self.norm(self.conv(image))), 2)
        z = (h + 0.5 * h).reshape(2, -1, 4)
        z, _ = self.attention(z, z, z)
        left, right = z.reshape(2, -1).chunk(2, dim=1)
        return self.fc(torch.cat([left, right], 1).relu_())


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_all_kinds_of_calls(mode, tmp_path):
    torch.manual_seed(1)
    graph = from_torch(Net(), torch.randn(2, 1, 6, 6), mode=mode, fold=False)
    found = cards(graph)
    for name in ("Net.conv.conv2d", "Net.norm.batch_norm", "Net.chunk[0]", "Net.cat", "Net.mul"):
        assert found[name].value is not None
        assert (found[name].gradient is None) == (mode == "forward")
    assert "Net.norm.add" not in found  # the counter of batches
    assert "image" in found
    assert "started from ones" not in graph.subtitle or mode != "forward"
    pytest.importorskip("pygraphviz")
    assert graph.save(tmp_path / "net.svg").stat().st_size > 10_000


def test_shared_modules_and_functions():
    layer = nn.Linear(3, 3)
    graph = from_torch(lambda a, b: (layer(a) * layer(b)).sum(), torch.ones(2, 3), torch.ones(2, 3))
    assert sum(c.title == "linear" for c in graph.cards) == 2
    assert sum(c.kind == "parameter" for c in graph.cards) == 2
    assert [c.title for c in graph.cards if c.kind == "input"] == ["a", "b"]


def test_long_networks_fold():
    model = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(30)))
    graph = from_torch(model, torch.randn(2, 4))
    assert len(graph.cards) <= 40
    assert [c.subtitle for c in graph.cards if c.kind == "fold"] == ["Sequential"] * 29
    repeated = from_torch(model, torch.randn(2, 4), max_cards=10)
    assert any(c.subtitle == "× 29" and len(c.norms) == 29 for c in repeated.cards)


def test_what_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="nothing computed from tensors"):
        from_torch(lambda x: 3, torch.ones(2))
    with pytest.raises(ValueError, match="not 'sideways'"):
        from_torch(nn.Linear(2, 2), torch.ones(1, 2), mode="sideways")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'minigrad\[torch\]'"):
        from_torch(nn.Linear(2, 2), torch.ones(1, 2))
