"""``dataworth check METHOD``: what every method owes, check by check."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import registry
from harness.conformance.bench import Bench, Subject
from harness.conformance.checks import CHECKS, Finding
from harness.conformance.checks import findings as findings_of
from harness.registry import Broken

STYLES = {"ok": "green", "failed": "red", "skipped": "dim"}


def check_method(console: Console, name: str) -> int:
    """Check and print; the exit status.

    Raises:
        UserError: there is no such method, or it has no such knob.
    """
    if ":" in name and os.getcwd() not in sys.path:  # as ``python -m`` has it; a command has not
        import_module("dataworth")  # now, for a clone called so would be taken for it once its folder is looked in
        sys.path.insert(0, os.getcwd())
    spelling, method = registry.found(name)
    if isinstance(method, Broken):
        return _printed(console, spelling, [Finding("loads", "failed", method.reason)], 0.0)
    started, bench, findings = time.monotonic(), Bench(), [Finding("loads", "ok")]
    subject = Subject(spelling, method, lambda: registry.found(name)[1])
    with console.status("") as status:
        for one in findings_of(subject, bench):
            findings.append(one)
            status.update(f"{len(findings)} of {len(CHECKS) + 1}")
    return _printed(console, spelling, findings, time.monotonic() - started)


def _printed(console: Console, name: str, findings: list[Finding], seconds: float) -> int:
    table = Table(title=Text(name), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", min_width=min(36, max(len(finding.check) for finding in findings)))
    table.add_column("", no_wrap=True)
    table.add_column("why")
    for finding in findings:
        table.add_row(finding.check, Text(finding.status, style=STYLES[finding.status]), Text(finding.why))
    console.print(table, highlight=False)
    failed = sum(finding.status == "failed" for finding in findings)
    skipped = sum(finding.status == "skipped" for finding in findings)
    asked = len(findings) - skipped
    ended = f"{failed} of {asked} checks failed" if failed else f"keeps to all {asked} checks"
    rest = f"; {skipped} more were skipped, for what is told beside them" if skipped else ""
    console.print(Text(f"{name}: {ended}{rest} ({seconds:.1f} s)."), soft_wrap=True)
    return 1 if failed else 0
