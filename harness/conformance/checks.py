"""The checks: each is one thing that every method owes, or that it says of itself."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from harness.conformance.asking import EXACT, Breach, Skipped, answered, close, few, home
from harness.conformance.bench import Asked, Bench, Kind, Subject
from harness.conformance.claims import (
    adds_up_over_contributors,
    gives_nothing_to_who_adds_nothing,
    shares_out_all_there_is,
    treats_copies_alike,
)
from harness.conformance.pools import ORDER
from harness.conformance.reachability import holds, reachable
from harness.conformance.sources import offences
from harness.errors import plain, reason_of
from harness.knobs import base_of, knobs_of, turned
from harness.running.isolation import Interference
from harness.settings import expected
from harness.types import (
    CLAIMS,
    FORMS,
    QUESTIONS,
    Additive,
    Form,
    JobSize,
    Method,
    Retraining,
    SetFunction,
    Valuation,
)

ROOTS = 12
"""Random streams over which a method is compared that draws at random: by means, within five standard errors."""

REST = 1e4
"""Operations that no declaration needs to tell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check.

    Args:
        why: of a failure or of what was skipped; of what is fine, what was looked at, where that is not plain.
    """

    check: str
    status: Literal["ok", "failed", "skipped"]
    why: str = ""


Check: TypeAlias = Callable[[Subject, Bench], str]
"""Says what it looked at.

Raises:
    Breach: the method does not keep to it.
    Skipped: there is nothing to check.
"""


def findings(subject: Subject, bench: Bench) -> Iterator[Finding]:
    """Every check of one method, one after another."""
    for name, check in CHECKS.items():
        yield found(name, check, subject, bench)


def failures(method: Method) -> list[str]:
    """What a method does not keep to, a sentence each."""
    name = type(method).__name__
    subject = Subject(name, method, lambda: copy.copy(method))
    return [f"{one.check}: {one.why}" for one in findings(subject, Bench()) if one.status == "failed"]


def found(name: str, check: Check, subject: Subject, bench: Bench) -> Finding:
    try:
        return Finding(name, "ok", plain(check(subject, bench)))
    except Skipped as reason:
        return Finding(name, "skipped", plain(str(reason)))
    except Breach as reason:
        return Finding(name, "failed", plain(str(reason)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the method raises
        return Finding(name, "failed", reason_of(error))


# --- what it is -----------------------------------------------------------------------------------


def is_a_frozen_dataclass(subject: Subject, bench: Bench) -> str:
    method = subject.method
    if not dataclasses.is_dataclass(method) or not method.__dataclass_params__.frozen:
        raise Breach("it is no frozen dataclass; write @dataclass(frozen=True) above its class")
    if sum(isinstance(method, family) for family in (SetFunction, Additive, Retraining)) != 1:
        raise Breach("it extends more than one of SetFunction, Additive and Retraining")
    again = subject.again()
    if again != method or repr(again) != repr(method):
        raise Breach("made twice, it is not the same; draw nothing when it is made, and let repr() tell its settings")
    words = {"source", "passes", "choices", "claims"} & {field.name for field in dataclasses.fields(method)}
    if words:
        raise Breach(f"{', '.join(sorted(words))} would be knobs; annotate them as ClassVar")
    return method.family


def says_what_it_is(subject: Subject, bench: Bench) -> str:
    method = subject.method
    for name in ("summary", "source", "passes"):
        text = getattr(method, name)
        if not isinstance(text, str) or not text.strip():
            what = "a docstring" if name == "summary" else f"{name} = '...'"
            raise Breach(f"it says no {name}; give its class {what}")
    for name in ("summary", "source", "passes", "choices"):
        if "\n" in getattr(method, name):
            raise Breach(f"its {name} has more than one line")
    if strange := [claim for claim in method.claims if claim not in CLAIMS]:
        raise Breach(f"it claims {', '.join(map(repr, strange))}; there are: {', '.join(CLAIMS)}")
    return ""


def tells_of_its_knobs(subject: Subject, bench: Bench) -> str:
    knobs = knobs_of(subject.method)
    for knob in knobs:
        if not knob.meaning:
            raise Breach(f"its docstring does not tell of {knob.name} under Args")
        for kind in knob.kinds:
            if kind.of in (int, float) and not kind.is_literal and str(kind.range) == "":
                takes = expected(knob.kinds)
                raise Breach(f"{knob.name} takes {takes}, whichever; annotate it as Count, Positive or with a range")
        turned(subject.method, base_of(subject.name), ((knob.name, knob.example),))
    return ", ".join(knob.name for knob in knobs) or "none"


# --- its answers ----------------------------------------------------------------------------------


def gives_one_finite_value_a_contributor(subject: Subject, bench: Bench) -> str:
    form = home(subject, bench)
    for question in QUESTIONS if subject.method.by_question else QUESTIONS[-1:]:  # the others answer all alike
        answered(subject, bench, question, form=form)
    return form


def runs_on_every_form_or_says_why(subject: Subject, bench: Bench) -> str:
    reasons = []
    for form in FORMS:
        asked = bench.ask(subject, "shapley", form=form)
        if isinstance(asked.answer, str):
            reasons.append(f"{form}: {asked.answer}")
    return "; ".join(reasons)


def says_the_same_again(subject: Subject, bench: Bench) -> str:
    """From a fresh start, whatever other methods were asked before."""
    form = home(subject, bench)
    for question in QUESTIONS if subject.method.by_question else QUESTIONS[-1:]:
        one, other = answered(subject, bench, question, form=form), bench.ask_afresh(subject, question, form=form)
        assert isinstance(one.answer, Valuation)
        assert isinstance(other.answer, Valuation)
        if not np.allclose(one.answer.values_SC, other.answer.values_SC, rtol=1e-5, atol=1e-8):
            raise Breach(
                f"asked {question} twice with the same seeds, it says {few(one.values_C)} and {few(other.values_C)}; "
                "draw from problem.stream alone"
            )
    return ""


def does_not_mind_the_order_of_contributors(subject: Subject, bench: Bench) -> str:
    """Exactly, or, for one that draws at random, on average."""
    form = home(subject, bench)
    one, other = (answered(subject, bench, "shapley", kind, form).values_C for kind in ("plain", "relabelled"))
    if close(other[list(ORDER)], one, EXACT):
        return "exactly"
    sizes = len(one), len(bench.pool("plain", form).train)
    if not bench.thorough and subject.method.budget(*sizes).retrainings:
        raise Skipped("it samples coalitions")
    differences = []
    for root in range(1, ROOTS + 1):
        plain_C, moved_C = (
            bench.ask_afresh(subject, "shapley", kind, form, root).values_C for kind in ("plain", "relabelled")
        )
        differences.append(moved_C[list(ORDER)] - plain_C)
    mean_C, spread_C = np.mean(differences, axis=0), np.std(differences, axis=0, ddof=1)
    allowed_C = 5 * spread_C / np.sqrt(ROOTS) + EXACT * max(np.abs(one).max(), 1e-12)
    if (np.abs(mean_C) > allowed_C).any():
        raise Breach(
            f"with contributors in another order, values differ by {few(mean_C)} on average of {ROOTS} seeds; let "
            "nothing depend on a contributor's place"
        )
    return f"on average of {ROOTS} seeds, for it draws at random"


def leaves_all_as_it_was(subject: Subject, bench: Bench) -> str:
    """The data, fits, the learner, torch's and the process's settings, others' functions."""
    for form in FORMS:
        try:
            bench.ask(subject, "shapley", form=form)
        except Interference as error:
            raise Breach(str(error)) from error
        except Exception:  # another check's
            continue
    return ""


# --- its bill -------------------------------------------------------------------------------------


def pays_for_every_retraining_and_pass(subject: Subject, bench: Bench) -> str:
    asked = answered(subject, bench, "shapley", form=home(subject, bench))
    assert isinstance(asked.answer, Valuation)
    cost = asked.answer.cost
    billed = (cost.forward_passes + cost.gradient_passes) * asked.examples
    if asked.passed > 1.001 * billed + 0.5:
        raise Breach(
            f"{asked.passed:.0f} rows went through the model and {billed:.0f} were billed; use problem.learner alone"
        )
    if asked.retrained > cost.retrainings:
        raise Breach(f"{asked.retrained:g} models were trained and {cost.retrainings:g} billed")
    return f"{cost.retrainings:g} retrainings, {billed:.0f} rows"


def keeps_to_its_budget(subject: Subject, bench: Bench) -> str:
    form = home(subject, bench)
    asked, pool = answered(subject, bench, "shapley", form=form), bench.pool("plain", form)
    assert isinstance(asked.answer, Valuation)
    cost, budget = asked.answer.cost, subject.method.budget(len(pool.contributors), len(pool.train))
    if cost.retrainings > budget.fits + budget.retrainings + 1e-9:
        trains = f"{budget.fits} fits and {budget.retrainings:g} retrainings"
        raise Breach(f"it trained {cost.retrainings:g} models and budgets {trains}")
    recipe = bench.recipe(form)
    passes = budget.passes(len(pool.train), len(pool.validation), recipe.steps, recipe.batch_size)
    if cost.gradient_passes > passes + 1e-6:
        raise Breach(f"it took {cost.gradient_passes:g} gradient passes over the examples and budgets {passes:g}")
    return ""


def declares_how_its_algebra_grows(subject: Subject, bench: Bench) -> str:
    """Without a fall where there is more, and no slower than what was measured beside passes and training."""
    form, method = home(subject, bench), subject.method
    base, more = _size(bench, "plain", form), [_size(bench, kind, form) for kind in ("larger", "wider")]
    for question in QUESTIONS:
        declared = [method.algebra(dataclasses.replace(size, question=question)) for size in (base, *more)]
        if np.isnan(declared).all():
            return "not declared, so its hours at reference scale are not told"
        if not np.isfinite(declared).all() or min(declared) < 0 or min(declared[1:]) < declared[0]:
            raise Breach(f"its algebra is {declared} for a pool, for more examples, for more contributors ({question})")
    if not bench.thorough:
        return ""
    (small, rows), *measured = [_own(bench.ask_afresh(subject, "shapley", kind, form)) for kind in GROWING]
    each = small / rows if rows else 0.0
    for size, (own, passed), more_of in zip(more, measured, ("examples", "contributors"), strict=True):
        said = method.algebra(size)
        if own - each * passed > 1.5 * said + 0.1 * own + REST:
            raise Breach(
                f"with more {more_of} it took {own - each * passed:.3g} operations beside what its passes and "
                f"retrainings grow by, and declares {said:.3g}"
            )
    return ""


GROWING: tuple[Kind, ...] = ("plain", "larger", "wider")


def _size(bench: Bench, kind: Kind, form: Form) -> JobSize:
    pool = bench.pool(kind, form)
    parameters, features = bench.width(kind, form)
    counts = len(pool.contributors), len(pool.train), len(pool.validation)
    return JobSize("shapley", *counts, parameters, features, bench.recipe(form).optimiser)


def _own(asked: Asked) -> tuple[float, float]:
    """Operations that were not training's, and rows that went through the model."""
    assert isinstance(asked.answer, Valuation)
    cost = asked.answer.cost
    return cost.flops - asked.training_flops, (cost.forward_passes + cost.gradient_passes) * asked.examples


# --- what it can reach ----------------------------------------------------------------------------


def asks_the_problem_alone(subject: Subject, bench: Bench) -> str:
    """Its code names no way to what a problem keeps to itself, and it took none when it was asked."""
    if found := offences(type(subject.method).__module__):
        raise Breach(f"{'; '.join(found[:3])}: a method knows its problem, and of this project the types alone")
    heard = [*dict.fromkeys(event for form in FORMS for event in bench.ask(subject, "shapley", form=form).heard)]
    if heard:
        raise Breach(f"when it was asked, it used {', '.join(heard)}")
    return ""


def holds_nothing_of_the_truth(subject: Subject, bench: Bench) -> str:
    """After it was asked, nothing of the test split can be reached from it."""
    form = home(subject, bench)
    answered(subject, bench, "shapley", form=form)
    reached = reachable(subject.method)
    if any(holds(reached, column) for column in bench.pool("plain", form).test.columns.values()):
        raise Breach("the test split can be reached from it")
    return ""


CHECKS: Mapping[str, Check] = {
    "is a frozen dataclass of one family": is_a_frozen_dataclass,
    "says what it is, where it comes from and what it costs": says_what_it_is,
    "tells of its knobs": tells_of_its_knobs,
    "gives one finite value a contributor": gives_one_finite_value_a_contributor,
    "runs on every form of task, or says why not": runs_on_every_form_or_says_why,
    "says the same again": says_the_same_again,
    "does not mind the order of contributors": does_not_mind_the_order_of_contributors,
    "leaves data, parameters and the process as they were": leaves_all_as_it_was,
    "pays for every retraining and pass": pays_for_every_retraining_and_pass,
    "keeps to its budget": keeps_to_its_budget,
    "declares how its algebra grows": declares_how_its_algebra_grows,
    "gives nothing to who adds nothing": gives_nothing_to_who_adds_nothing,
    "treats exact copies alike": treats_copies_alike,
    "adds up over contributors": adds_up_over_contributors,
    "shares out all there is": shares_out_all_there_is,
    "asks the problem alone": asks_the_problem_alone,
    "holds nothing of the truth": holds_nothing_of_the_truth,
}
