"""A small problem on which every optimiser walks, and where PyTorch's walks on it end."""

from typing import Any

import numpy as np

import minigrad as mg
from minigrad import optim

A = np.sin(np.arange(20.0)).reshape(5, 4)
START = [1.0, -2.0, 0.5, 3.0], 0.25

# Each optimiser with its settings, PyTorch's class with the same ones, and where 200 steps in
# float64 with PyTorch 2.13 end.
CASES: Any = {
    "sgd": (
        (optim.SGD, {"learning_rate": 0.05}),
        ("SGD", {"lr": 0.05}),
        ([1.1451090927226455, -0.5198489711128121, 0.3492119717889613, 0.742284423568322],
         0.010649529070751843),
    ),
    "momentum": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.9}),
        ("SGD", {"lr": 0.02, "momentum": 0.9}),
        ([0.5538393782040039, -0.3332043643838751, 0.25895386448657465, 0.2777386300947813],
         -0.006326028003851234),
    ),
    "nesterov": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
        ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
        ([0.5761568960483691, -0.33673913827430874, 0.2520535903934996, 0.2982174780446682],
         -0.0004965976009979811),
    ),
    "sgd decay": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.1}),
        ([0.6903911427294293, -0.2881981003124918, 0.1848976862108592, 0.4702066129693144],
         -0.0014990526395150241),
    ),
    "adam": (
        (optim.Adam, {"learning_rate": 0.05}),
        ("Adam", {"lr": 0.05}),
        ([1.011550088446109, -0.3140717720678696, 0.15770330055066933, 0.8014677086013522],
         -0.005485592522987309),
    ),
    "adam decay": (
        (optim.Adam,
         {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
        ([0.004362234463248709, -0.017845949374988665, -0.011775236413153265, 0.020333962794769747],
         -0.006936392109962724),
    ),
    "adamw": (
        (optim.AdamW, {"learning_rate": 0.05, "weight_decay": 0.2}),
        ("AdamW", {"lr": 0.05, "weight_decay": 0.2}),
        ([0.2273625985755984, -0.07493152113069744, 0.03565089652954432, 0.1754711536491365],
         -0.003579963934855469),
    ),
    "rmsprop": (
        (optim.RMSprop, {"learning_rate": 0.01, "alpha": 0.9}),
        ("RMSprop", {"lr": 0.01, "alpha": 0.9}),
        ([1.5794854374200042, -0.5256853258678426, 0.26901720519075817, 1.256005578447223],
         -0.008444992016841369),
    ),
    "rmsprop decay": (
        (optim.RMSprop, {"learning_rate": 0.01, "alpha": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        ("RMSprop", {"lr": 0.01, "alpha": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        ([1.3932166345362997, -0.4110023400700398, 0.15577275149348704, 1.2479564982129903],
         -0.015536010881359518),
    ),
    "adagrad": (
        (optim.Adagrad, {"learning_rate": 0.3}),
        ("Adagrad", {"lr": 0.3}),
        ([1.040397196738169, -0.3364446680133599, 0.14460331423776146, 0.8096886410395117],
         0.012121529973152061),
    ),
    "adagrad decay": (
        (optim.Adagrad, {"learning_rate": 0.3, "eps": 1e-6, "weight_decay": 0.1}),
        ("Adagrad", {"lr": 0.3, "eps": 1e-6, "weight_decay": 0.1}),
        ([0.4564230766163638, -0.06884732485312679, -0.04301706274672937, 0.4401394299121646],
         0.01287744010000753),
    ),
    "adadelta": (
        (optim.Adadelta, {}),
        ("Adadelta", {}),
        ([1.6894349452439603, -1.3098830502819447, 0.4861619964386176, 2.2855874198128614],
         -0.12522661799623838),
    ),
    "adadelta decay": (
        (optim.Adadelta, {"learning_rate": 2.0, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
        ("Adadelta", {"lr": 2.0, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
        ([0.15864977505183214, 0.03501956797530367, -0.08002707665066108, -0.151810065409822],
         0.2935010421265327),
    ),
    "adamax": (
        (optim.Adamax, {"learning_rate": 0.05}),
        ("Adamax", {"lr": 0.05}),
        ([1.5542910909235623, -0.5619758965025706, 0.31802383480650415, 1.1927932486434838],
         -0.008850839821859944),
    ),
    "adamax decay": (
        (optim.Adamax,
         {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        ("Adamax", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
        ([0.007921355456943023, -0.020578978723114996, -0.0016737412389723413,
          0.013949698383471678],
         -0.005376552291267738),
    ),
    "nadam": (
        (optim.NAdam, {"learning_rate": 0.05}),
        ("NAdam", {"lr": 0.05}),
        ([1.0996809019868965, -0.3489214137800999, 0.13638879661802147, 0.8669542001640866],
         0.01420596422199793),
    ),
    "nadam decay": (
        (optim.NAdam,
         {"learning_rate": 0.05, "beta1": 0.8, "eps": 1e-6, "weight_decay": 0.1,
          "momentum_decay": 0.1}),
        ("NAdam",
         {"lr": 0.05, "betas": (0.8, 0.999), "eps": 1e-6, "weight_decay": 0.1,
          "momentum_decay": 0.1}),
        ([0.5171107215060208, -0.08244821195492942, -0.04466298303408352, 0.49961473786556326],
         0.0073620802986470385),
    ),
    "sgd dampened": (
        (optim.SGD,
         {"learning_rate": 0.02, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.05}),
        ("SGD",
         {"lr": 0.02, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.05}),
        ([0.2795500570424776, -0.14355903283316715, 0.10343417488010125, 0.1645528217759295],
         -0.0036222123733709146),
    ),
    "amsgrad": (
        (optim.Adam,
         {"learning_rate": 0.05, "amsgrad": True}),
        ("Adam",
         {"lr": 0.05, "amsgrad": True}),
        ([1.022195922657739, -0.31567170747672474, 0.15745516011942629, 0.8120755988309044],
         -0.005570111301162471),
    ),
    "amsgrad decay": (
        (optim.Adam,
         {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1,
          "amsgrad": True}),
        ("Adam",
         {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1, "amsgrad": True}),
        ([0.8139749695556927, -0.17533771882617344, 0.027371741751181348, 0.739028132680577],
         -0.007293804668422246),
    ),
    "adamw amsgrad": (
        (optim.AdamW,
         {"learning_rate": 0.05, "weight_decay": 0.2, "amsgrad": True}),
        ("AdamW",
         {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True}),
        ([0.22811670007632584, -0.07487784793593837, 0.035590204312521995, 0.17612424607957092],
         -0.003580907452162952),
    ),
    "adamw upwards": (
        (optim.AdamW,
         {"learning_rate": 0.01, "weight_decay": 0.2, "maximize": True}),
        ("AdamW",
         {"lr": 0.01, "weight_decay": 0.2, "maximize": True}),
        ([-1.2495860033310469, -3.424739713275946, -2.068372733997326, 3.907663978557978],
         2.300061825585153),
    ),
    "rmsprop centered": (
        (optim.RMSprop,
         {"learning_rate": 0.01, "alpha": 0.9, "centered": True}),
        ("RMSprop",
         {"lr": 0.01, "alpha": 0.9, "centered": True}),
        ([1.1227763820668186, -0.4785156049032297, 0.3018942439125002, 0.7535191663990647],
         0.003517153775059491),
    ),
    "rmsprop momentum": (
        (optim.RMSprop,
         {"learning_rate": 0.002, "alpha": 0.95, "momentum": 0.8, "centered": True,
          "weight_decay": 0.1}),
        ("RMSprop",
         {"lr": 0.002, "alpha": 0.95, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
        ([0.8135983516038693, -0.25939660062755265, 0.13433695605950852, 0.6412279629752606],
         -0.0040476497748205545),
    ),
    "rmsprop upwards": (
        (optim.RMSprop,
         {"learning_rate": 0.002, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
        ("RMSprop",
         {"lr": 0.002, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
        ([-0.39533681654995234, -3.4729357317385943, -1.0487041656111908, 4.430475312415743],
         1.7203503665906457),
    ),
    "adagrad slowing": (
        (optim.Adagrad,
         {"learning_rate": 0.3, "learning_rate_decay": 0.05, "initial_accumulator_value": 0.5}),
        ("Adagrad",
         {"lr": 0.3, "lr_decay": 0.05, "initial_accumulator_value": 0.5}),
        ([1.7260688948249334, -0.6136048619123133, 0.3377998647345398, 1.3745464717644031],
         -0.014671800330875263),
    ),
    "adagrad upwards": (
        (optim.Adagrad,
         {"learning_rate": 0.1, "learning_rate_decay": 0.01, "weight_decay": 0.1,
          "maximize": True}),
        ("Adagrad",
         {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "maximize": True}),
        ([-1.030929649737559, -4.168829266351123, -1.8577249924405546, 5.108633206601341],
         2.4026947707013036),
    ),
    "adadelta upwards": (
        (optim.Adadelta,
         {"maximize": True}),
        ("Adadelta",
         {"maximize": True}),
        ([-0.23728907809870423, -3.253632420138828, 0.4383713305435397, 4.277288209405606],
         1.575991794001005),
    ),
    "adamax upwards": (
        (optim.Adamax,
         {"learning_rate": 0.01, "maximize": True, "weight_decay": 0.1}),
        ("Adamax",
         {"lr": 0.01, "maximize": True, "weight_decay": 0.1}),
        ([-0.8837730182063968, -3.856352438715153, -0.7802832261627202, 4.883882148741677],
         1.9005779934919005),
    ),
    "nadam decoupled": (
        (optim.NAdam,
         {"learning_rate": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
        ("NAdam",
         {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
        ([0.5720715345914735, -0.18712662029552957, 0.05577246787537707, 0.4374245495911319],
         0.016717823770778767),
    ),
    "nadam upwards": (
        (optim.NAdam,
         {"learning_rate": 0.01, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
        ("NAdam",
         {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
        ([-1.4220615677058615, -4.70798172599058, -2.5743993839844954, 5.571196499763209],
         2.9402568499168398),
    ),
}  # fmt: skip
KINDS: Any = [
    optim.SGD,
    optim.Adam,
    optim.AdamW,
    optim.RMSprop,
    optim.Adagrad,
    optim.Adadelta,
    optim.Adamax,
    optim.NAdam,
    optim.Lion,
]
MOMENTUM: Any = {optim.SGD: {"momentum": 0.9, "nesterov": True}}


def make(kind, parameters, **settings):
    return kind(parameters, **{**MOMENTUM.get(kind, {}), **settings})


def start(dtype: Any = float) -> Any:
    return [mg.Tensor(value, requires_grad=True, dtype=dtype, name=name)
            for name, value in zip("wb", START, strict=True)]  # fmt: skip


def moving(i):
    """Targets that move on: where a gradient vanishes, rounding decides where RMSprop goes."""
    return np.cos(np.arange(5.0) + i)


def descend(optimizer, parameters, steps, first=0):
    w, b = parameters
    path = []
    for i in range(first, first + steps):
        optimizer.zero_grad()
        r = A @ w + b - moving(i)
        loss = (r * r).mean() + (w**4.0).sum() * 0.01
        loss.backward()
        optimizer.step()
        path.append([*w.tolist(), b.item()])
    return np.array(path)


def gradients_of(parameters, values):
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = None if value is None else mg.tensor(np.array(value, parameter.dtype))
