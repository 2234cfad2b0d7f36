"""What PyTorch's ``nn`` and ``optim`` have, and their objects, and what there is here instead.

In a sentence ``module``, ``optimizer`` and ``schedule`` are what was asked for the name.
"""

from __future__ import annotations

__all__ = ["LAYERS", "MODULES", "ON_THE_CPU", "OPTIM", "OPTIMIZERS", "UTILITIES", "WITHIN"]

ON_THE_CPU = "minigrad computes on the CPU, so there is nothing to move"
UTILITIES = "mg.data makes batches; mg.optim.clip_grad_norm clips; mg.checkpoint saves memory"

LAYERS: dict[str, str] = {
    "BCELoss": "mg.binary_cross_entropy",
    "BCEWithLogitsLoss": "mg.binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "mg.cross_entropy",
    "ELU": "mg.elu",
    "GELU": "mg.gelu",
    "HuberLoss": "mg.huber_loss",
    "KLDivLoss": "mg.kl_div",
    "L1Loss": "mg.l1_loss",
    "LeakyReLU": "mg.leaky_relu",
    "LogSoftmax": "mg.log_softmax",
    "MSELoss": "mg.mse_loss",
    "NLLLoss": "mg.nll_loss",
    "ReLU": "mg.relu",
    "SELU": "mg.selu",
    "SiLU": "mg.silu",
    "Sigmoid": "mg.sigmoid",
    "SmoothL1Loss": "mg.smooth_l1_loss",
    "Softmax": "mg.softmax",
    "Softplus": "mg.softplus",
    "Tanh": "mg.tanh",
    "NLLLoss2d": "mg.nll_loss",
    "Softmax2d": "mg.softmax",
    "Unflatten": "mg.reshape",
    **dict.fromkeys(["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"], "mg.interpolate"),
    **dict.fromkeys(
        [
            f"{kind}Pad{n}d"
            for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
            for n in (1, 2, 3)
        ],
        "mg.pad",
    ),
}
"""Layer of PyTorch's without parameters -> the function that a Sequential takes in its place."""

MODULES: dict[str, str] = {
    **dict.fromkeys(
        ["to", "to_empty", "cuda", "cpu", "ipu", "mtia", "xpu", "share_memory"],
        ON_THE_CPU + "; dtype= of a layer is its dtype",
    ),
    **dict.fromkeys(
        ["double", "float", "half", "bfloat16", "type"],
        "layers are made in their dtype: nn.Linear(2, 3, dtype=np.float64), or "
        "mg.set_default_dtype(np.float64) before",
    ),
    **dict.fromkeys(
        ["register_parameter", "add_module", "register_module"],
        "what is assigned is found: self.weight = nn.Parameter(...), self.layer = nn.Linear(2, 3)",
    ),
    "register_buffer": "what is assigned is found: self.mean = nn.Buffer(...)",
    "requires_grad_": "for p in module.parameters(): p.requires_grad = False",
    **dict.fromkeys(
        ["children", "modules"],
        "[m for _, m in module.named_modules()] are this module and all inside it",
    ),
    "named_children": "list(module.named_modules())[1:] are all inside it with their dotted names",
    "get_submodule": "write dict(module.named_modules())[path]",
    "get_parameter": "write dict(module.named_parameters())[path]",
    "get_buffer": "write dict(module.named_buffers())[path]",
    "set_submodule": "assign it: model.encoder = layer, or model.layers[0] = layer in a Sequential",
    "reset_parameters": "make a new layer: nn.Linear(2, 3, rng=0)",
    "fit": "write mg.fit(module, x, y, optimizer=mg.optim.Adam(module.parameters()))",
    "predict": "call the module: module(x)",
    "compile": "write mg.compile(module), or better of the whole training step",
    "extra_repr": "a module is called by what title() returns",
    "load": "write module.load_state_dict(mg.load(path))",
    "register_forward_hook": "write f = module.forward; module.forward = lambda x: hook(f(x)); "
    "mg.diagnose(module, x, y) tells what each makes",
    "register_forward_pre_hook": "write f = module.forward; module.forward = lambda x: f(hook(x))",
    **dict.fromkeys(
        ["register_backward_hook", "register_full_backward_hook"],
        "write y = module(x); y.register_hook(hook), which sees the gradient of y; "
        "mg.diagnose(module, x, y) tells what each gets",
    ),
    "register_full_backward_pre_hook": "write y = module(x); y.register_hook(hook)",
    **dict.fromkeys(
        [
            "register_state_dict_pre_hook",
            "register_state_dict_post_hook",
            "register_load_state_dict_pre_hook",
            "register_load_state_dict_post_hook",
        ],
        "a state is a dict: change it after state_dict(), or before load_state_dict(state)",
    ),
    **dict.fromkeys(
        ["get_extra_state", "set_extra_state"],
        "numbers are saved from buffers: self.count = nn.Buffer(0.0)",
    ),
    "save": "write mg.save(path, module)",
}
"""Method of PyTorch's or Keras' modules -> what there is instead."""

OPTIMIZERS: dict[str, str] = {
    "add_param_group": "it is made with them: [{'parameters': [...], 'learning_rate': 0.1}, ...]",
    **dict.fromkeys(
        ["get_last_lr", "get_lr"], "an optimiser tells and takes it: optimizer.learning_rate"
    ),
    "base_lrs": "a schedule has them as schedule.initial",
    "defaults": "each group has its settings: optimizer.groups[0]",
    "last_epoch": "a schedule counts its steps: schedule.count",
    "lr": "write optimizer.learning_rate",
    **dict.fromkeys(
        ["register_step_pre_hook", "register_step_post_hook"],
        "call it in the loop, before or after optimizer.step()",
    ),
    **dict.fromkeys(
        [
            "register_state_dict_pre_hook",
            "register_state_dict_post_hook",
            "register_load_state_dict_pre_hook",
            "register_load_state_dict_post_hook",
        ],
        MODULES["register_state_dict_pre_hook"],
    ),
    "param_groups": "write optimizer.groups",
    "params": "they are in the groups: optimizer.groups[0]['parameters']",
    "state": "optimizer.state_dict() has it",
}
"""Attribute of PyTorch's optimisers and schedules -> what there is instead."""

OPTIM: dict[str, str] = {
    "ASGD": "it is not offered: take mg.optim.SGD, and mean + (w - mean) / n of its n-th w",
    "CyclicLR": "write mg.optim.LambdaLR(optimizer, lambda c: 1 + (max_lr / base_lr - 1) * "
    "(1 - abs(c % (2 * n) / n - 1))), whose optimiser has learning_rate=base_lr and n is "
    "step_size_up",
    "LRScheduler": "a schedule of one's own is a mg.optim.schedules.Schedule with a rate()",
    "MultiplicativeLR": "write mg.optim.LambdaLR(optimizer, lambda c: math.prod(f(i) for i in "
    "range(1, c + 1)))",
    "PolynomialLR": "write mg.optim.LambdaLR(optimizer, lambda c: (1 - min(c, n) / n) ** power), "
    "where n is total_iters",
    "RAdam": "it is not offered: take mg.optim.Adam with a warm-up, "
    "mg.optim.LinearLR(optimizer, 0.01, total_iters=1000)",
    "Rprop": "it is not offered, and is not RMSprop: mg.optim.LBFGS is for all data at once, "
    "mg.optim.Lion takes signs in batches",
    "SparseAdam": "gradients are dense: write mg.optim.Adam(parameters)",
    **dict.fromkeys(["Adafactor", "Muon"], "it is not offered: take mg.optim.AdamW(parameters)"),
    "lr_scheduler": "schedules are here, such as mg.optim.StepLR",
    "swa_utils": "the mean of states is mean = {k: mean[k] + (v - mean[k]) / n for k, v in "
    "model.state_dict().items()}, which model.load_state_dict(mean) takes",
}
"""Name in PyTorch's ``optim`` -> what there is instead."""

WITHIN: dict[str, str] = {
    "functional": "functions are at the top: mg.relu, mg.cross_entropy, mg.max_pool2d",
    "utils": UTILITIES,
    **dict.fromkeys(
        ["ModuleDict", "ParameterDict", "ParameterList"],
        "a Module finds what is in lists, tuples and dicts: self.heads = {'a': nn.Linear(2, 3)}",
    ),
    "init.calculate_gain": "gain= of an initialiser: 2**0.5 for relu, 5 / 3 for tanh, "
    "1 for sigmoid",
    "init.dirac_": "an initialiser is a function: init=lambda shape, rng: np.multiply.outer(np.eye("
    "*shape[:2]), window), with 1 in the centre of window",
    "init.eye_": "an initialiser is a function: init=lambda shape, rng: np.eye(*shape)",
    "init.sparse_": "an initialiser is a function: init=lambda shape, rng: rng.normal(0.0, 0.01, "
    "shape) * (rng.random(shape) > sparsity)",
    "TransformerEncoder": "write nn.Sequential(*layers) of nn.TransformerEncoderLayer",
}
"""Name in PyTorch's ``nn`` that is no layer without parameters -> what there is instead."""
