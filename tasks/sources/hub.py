"""A data set of the hub by name, through ``datasets``; code that comes with a data set is never run."""

from __future__ import annotations

import re
import sys
from typing import Any

from harness.errors import UserError
from harness.files import rows_folder
from tasks.sources.description import Source
from tasks.sources.rows import quiet

PATIENCE = 10.0
"""Seconds that the hub has to say that it knows a data set, before it counts as out of reach."""

COMMIT = re.compile("[0-9a-f]{40}")


def fetch(source: Source) -> Any:
    """The split as a ``datasets.Dataset``; where the source streams, only the rows that its limit asks for.

    Raises:
        UserError: the hub cannot be reached, or does not have what was asked for.
    """
    from datasets import load_dataset

    _check_reachable(source)
    kept = rows_folder()
    with quiet(bars=sys.stderr.isatty()):
        try:
            found = load_dataset(
                source.hub,
                source.config,
                split=source.split,
                revision=source.revision,
                streaming=source.streaming,
                cache_dir=str(kept / "hub") if kept else None,
            )
            return _first_rows(found, source) if source.streaming else _that_revision(found, source)
        except UserError:
            raise
        except Exception as error:  # the library raises what its parts raise: connection, format, name
            raise _explained(source, error) from error


def _check_reachable(source: Source) -> None:
    """One quick request, because ``datasets`` itself tries for half a minute before it gives a hub up."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    if constants.HF_HUB_OFFLINE:  # then only the cache is looked at
        return
    assert source.hub is not None
    try:
        HfApi().dataset_info(source.hub, revision=source.revision, timeout=PATIENCE)
    except GatedRepoError as error:
        raise UserError(
            f"{source.name}: the hub asks for permission before it gives {_described(source)}. Ask for it on the data "
            f"set's page, set HF_TOKEN, or use a local copy: {_local(source)}."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{source.name}: the hub has no revision {source.revision!r} of {source.hub}.") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{source.name}: the hub has no data set {source.hub!r}, or not for you (HF_TOKEN).") from error
    except HfHubHTTPError as error:
        raise _unreachable(source, f"it answers {error.response.status_code}") from error
    except Exception as error:  # whatever the HTTP library of the day raises where no connection comes about
        raise _unreachable(source, str(error) or type(error).__name__) from error


def _that_revision(found: Any, source: Source) -> Any:
    """The rows, once they are known to be of the commit that was asked for.

    Where the hub does not answer, ``datasets`` gives whichever version its cache took in last, without a word.
    """
    folders = [str(file["filename"]) for file in found.cache_files]
    if source.revision and COMMIT.fullmatch(source.revision) and not all(source.revision in name for name in folders):
        raise UserError(
            f"{source.name}: the hub does not answer, and the cache has another version of {source.hub} than revision "
            f"{source.revision}. Try again with the hub in reach, or use a local copy: {_local(source)}."
        )
    return found


def _first_rows(stream: Any, source: Source) -> Any:
    """As many rows from the start of each of the set's files, ``limit`` in all; spread, as sets are often sorted.

    Rows that ``where`` does not want are passed over.
    """
    from datasets import Dataset

    from tasks.sources.fields import wanted_row

    assert source.limit is not None
    shards = max(stream.num_shards, 1)
    rows: list[dict[str, Any]] = []
    for index in range(shards):
        share = source.limit * (index + 1) // shards - source.limit * index // shards
        if share:
            part = stream.shard(num_shards=shards, index=index) if shards > 1 else stream
            wanted = (row for row in _raw(part) if wanted_row(source, row, stream.features))
            rows += [row for row, _ in zip(wanted, range(share), strict=False)]
    if not rows:
        raise UserError(f"{source.name}: {_described(source)} has no row that is wanted. Look at where.")
    return Dataset.from_list(rows, features=stream.features)


def _raw(stream: Any) -> Any:
    """The stream with its images as bytes, so that only those that are kept get decoded."""
    from datasets import Image

    for name, feature in (stream.features or {}).items():
        if isinstance(feature, Image):
            stream = stream.cast_column(name, Image(decode=False))
    return stream


def _explained(source: Source, error: Exception) -> UserError:
    """What went wrong after the hub had said that it knows the data set."""
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, ConnectionError) or "HF_HUB_OFFLINE" in said:
        return _unreachable(source, said)
    if "scripts are no longer supported" in said:
        return UserError(
            f"{source.name}: {source.hub} is a program that makes the data set, and programs from the hub are not run. "
            f"Get its files yourself and use them: {_local(source)}."
        )
    return UserError(f"{source.name}: {_described(source)} cannot be loaded from the hub: {said}.")


def _unreachable(source: Source, why: str) -> UserError:
    from huggingface_hub import constants

    cached = "" if source.streaming else "; or set HF_HUB_OFFLINE=1 to use what an earlier run has fetched"
    return UserError(
        f"{source.name}: the hub cannot be reached at {constants.ENDPOINT} ({why.rstrip('.')}). Asked for was "
        f"{_described(source)}. Where there is no network, use a local copy: {_local(source)}{cached}."
    )


def _described(source: Source) -> str:
    """``owner/name, config plain_text, split train, revision e62``."""
    parts = {"config": source.config, "split": source.split, "revision": source.revision}
    return ", ".join([f"the data set {source.hub}", *(f"{key} {value}" for key, value in parts.items() if value)])


def _local(source: Source) -> str:
    """What to write in the description in place of the hub."""
    drop = [key for key in ("hub", "config", "split", "revision", "streaming") if getattr(source, key)]
    return (
        "put its files in the data folder, and in a copy of the source's TOML file write path = "
        f'"{source.name}/*.parquet" in place of {", ".join(drop)}'
    )
