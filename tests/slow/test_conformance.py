"""Every method of the table as it stands, by every check of ``dataworth check``."""

from __future__ import annotations

import pytest

from harness import registry
from harness.conformance.bench import Bench, Subject
from harness.conformance.checks import findings
from methods import METHODS
from tests.harness.small_runs import THIRD_PARTY

pytestmark = THIRD_PARTY


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_to_everything(name: str) -> None:
    subject = Subject(name, registry.method(name), lambda: registry.method(name))
    assert [finding for finding in findings(subject, Bench()) if finding.status == "failed"] == []
