"""Data sets from outside, each described in a TOML file: from a description to a table of cleaned, split rows.

``description`` (and the ``catalogue`` that comes with the program) says where rows are and what they mean; ``reading``
gets them from a ``folder`` (``rows`` of texts, ``arrays`` of images) or a ``hub`` and shapes them (``fields``,
``images``) into a ``table``; ``cleaning`` drops near-duplicates (``near``) and splits.
"""
