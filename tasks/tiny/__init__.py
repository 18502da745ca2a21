"""Tiny tasks, one of each form: they train in milliseconds, and methods are checked on them."""
