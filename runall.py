"""``python runall.py`` runs the leaderboard, ``--help`` tells the rest; the same as the command ``dataworth``."""

from harness.cli import main

if __name__ == "__main__":
    main()
