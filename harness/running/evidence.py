"""Whether a truth's retrainings are still those that it was found from: a digest of them stands in the other ledger."""

from __future__ import annotations

import hashlib

from harness.errors import UserError
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.truth.truth import Plan


def check_outcomes(methods: Ledger, truth_key: str, engine: Engine, asked: Plan) -> None:
    """Refuse outcomes that are not those which the truth was found from before.

    Args:
        methods: the ledger of everything but truths' retrainings.

    Raises:
        UserError: they were changed since.
    """
    kept = methods.answer(_key(truth_key))
    if kept is None or engine.missing(asked.jobs):  # some were no numbers, and are trained again
        return
    if kept != {"digest": _digest(engine, asked)}:
        raise UserError(
            f"its retrainings in {engine.ledger.path.name} are not those that it was found from before: something has "
            "changed them since. Start anew with --fresh, and leave out, or run with --isolated, what may have done so"
        )


def keep_digest(methods: Ledger, truth_key: str, engine: Engine, asked: Plan) -> None:
    """For ``check_outcomes``, when the run goes on."""
    digest = {"digest": _digest(engine, asked)}
    if methods.answer(_key(truth_key)) != digest:
        methods.keep_answer(_key(truth_key), digest)


def _key(truth_key: str) -> str:
    return f"outcomes/{truth_key}"


def _digest(engine: Engine, asked: Plan) -> str:
    digest = hashlib.sha256()
    for job, found in zip(asked.jobs, engine.outcomes(asked.jobs), strict=True):
        digest.update(repr((*job, found.utility, found.accuracy, found.folds, found.validation)).encode())
    return digest.hexdigest()
