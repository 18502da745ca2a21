"""``dataworth completion SHELL``, and what a shell offers behind each option."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, get_completion_class

PROGRAM, VARIABLE = "dataworth", "_DATAWORTH_COMPLETE"
"""The command that a shell completes, and the environment variable through which it asks."""

SHELLS = ("bash", "zsh", "fish")

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _one_of(names: Callable[[], Iterable[str]]) -> Offer:
    """One name."""
    return lambda _ctx, _param, typed: [CompletionItem(name) for name in names() if name.startswith(typed)]


def _some_of(names: Callable[[], Iterable[str]]) -> Offer:
    """Several names, separated by commas: the last one is being typed."""

    def offered(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
        before, comma, last = typed.rpartition(",")
        taken = before.split(",")
        return [CompletionItem(f"{before}{comma}{n}") for n in names() if n.startswith(last) and n not in taken]

    return offered


def _suites() -> list[str]:
    from harness.config import suite_folders, suites

    return list(suites(suite_folders()))


def _methods() -> list[str]:
    from harness.registry import methods

    return list(methods())


def _tasks() -> list[str]:
    from harness.registry import tasks

    return list(tasks())


def _questions() -> tuple[str, ...]:
    from harness.types import QUESTIONS

    return QUESTIONS


def _studies() -> list[str]:
    from harness.cli.studies import STUDIES

    return list(STUDIES)


def _suite_or_file(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """A suite's name, or where no name begins so, a file."""
    return _one_of(_suites)(ctx, param, typed) or [CompletionItem(typed, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
    """A folder."""
    return [CompletionItem(typed, type="dir")]


suite, suite_or_file = _one_of(_suites), _suite_or_file
method, methods = _one_of(_methods), _some_of(_methods)
task, tasks, questions = _one_of(_tasks), _some_of(_tasks), _some_of(_questions)
study = _one_of(_studies)
anything = _one_of(lambda: [*_suites(), *_tasks(), *_methods()])


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and the names of suites, tasks and methods.

    bash: eval "$(dataworth completion bash)" in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish: dataworth
    completion fish > ~/.config/fish/completions/dataworth.fish. The exit status is 0, or 2 for another shell.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click brings all of SHELLS"
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
