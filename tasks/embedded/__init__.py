"""The four tasks made by the program, on no foreign data: one file each, with its grammar or its digits.

The three text tasks share ``grammar`` (what a grammar is, and its texts in splits), ``text_generator`` (the language
model that writes their synthetic side), ``text_pools`` (dealing) and ``text_learner``.
"""
