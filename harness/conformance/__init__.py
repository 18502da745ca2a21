"""What every method owes, as checks that anyone can run on a method of their own: ``dataworth check METHOD``."""
