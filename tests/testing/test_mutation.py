"""A sample of the mistakes of mutation.py: what is found, and that the registry is left alone."""

import numpy as np

from minigrad.primitive import REGISTRY
from tests.testing.mutation import (
    OPS,
    SURVIVORS,
    Mutant,
    changes,
    mutants_of,
    outcome_of,
    planted,
    reason_of,
    rewritten,
    sampled,
    tree_of,
)

SAMPLE = 160  # of some 4,700; all of them: python -m tests.testing.mutation


def test_a_sample_of_mutants_of_every_op_is_killed():
    mutants = sampled(0, SAMPLE)
    assert {m.op for m in mutants} == set(OPS)
    assert len({m.kind for m in mutants}) >= 20
    outcomes = {mutant: outcome_of(mutant) for mutant in mutants}
    survived = [m for m, outcome in outcomes.items() if outcome == "survived"]
    assert [str(m) for m in survived if not reason_of(m)] == []
    killed = sum(outcome == "killed" for outcome in outcomes.values())
    assert killed >= 0.7 * SAMPLE  # the others compute what the rule computes
    assert len(survived) <= 2  # of all 4,700 one in two hundred does, each for a reason


def test_the_mutants_of_a_rule_are_what_can_be_wrong_with_it():
    made = {(m.input, m.kind, m.what) for m in mutants_of(REGISTRY["multiply"])}
    assert {
        ("a", "operand dropped", "g * b -> g"),
        ("a", "operand dropped", "g * b -> b"),
        ("a", "other operator", "g * b -> g / b"),
        ("a", "g as ones", "g -> g * 0.0 + 1.0"),
        ("b", "other argument", "a -> g"),
        ("b", "result negated", "the result"),
    } <= made
    assert len(made) == 2 * (7 + 11) - 2


def test_every_rule_has_mutants_and_says_what_it_is():
    for name, op in OPS.items():
        for x, rule in op.rules.items():
            tree = tree_of(rule)
            assert tree.args.args[0].arg == rule.__code__.co_varnames[0]
            assert next(rewritten(op, x), None) is not None, (name, x)


def test_a_mutant_is_in_place_only_while_it_is_planted():
    op = REGISTRY["exp"]
    rule = op.rules["x"]
    mutant = Mutant("exp", "x", "of this test", "zero", lambda: lambda g, out: g * 0.0)
    assert outcome_of(mutant) == "killed"
    with planted(mutant):
        assert op.rules["x"] is not rule
    assert op.rules["x"] is rule
    same = Mutant("exp", "x", "of this test", "the same", lambda: lambda g, out: out * g)
    assert outcome_of(same) == "equivalent"
    fine = Mutant("exp", "x", "of this test", "off", lambda: lambda g, out: out * g * (1 + 1e-13))
    assert outcome_of(fine) == "equivalent"
    far = Mutant(
        "exp", "x", "of this test", "out of reach", lambda: lambda g, out: g * np.minimum(out, 1e9)
    )
    assert outcome_of(far) == "equivalent"  # as far as the declared cases go


def test_survivors_are_mutants():
    for name, told in SURVIVORS:
        assert any(told in (m.what, m.kind) for m in mutants_of(OPS[name])), (name, told)
    assert list(changes(tree_of(OPS["exp"].rules["x"]), ["g"])) == []
