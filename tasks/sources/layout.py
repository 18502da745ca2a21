"""How a file's bytes hold its rows: format, encoding, separator; as a description says it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.sources.description import Format, Source

SEPARATORS = {"csv": ",", "tsv": "\t"}
"""What stands between values where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of a description of the same names; None where it leaves them out."""

    format: Format
    separator: str | None = None
    encoding: str | None = None
    inside: str | None = None

    @classmethod
    def of(cls, source: Source) -> Layout:
        return cls(source.files_format, source.separator, source.encoding, source.inside)

    @property
    def sep(self) -> str:
        """What stands between the values of a row.

        Raises:
            KeyError: the format knows none.
        """
        return self.separator or SEPARATORS[self.format]

    @property
    def is_utf8(self) -> bool:
        """Whether readers take the file as it is; they take a byte order mark for none of its text."""
        return self.encoding is None or self.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
