"""Data sets from outside: described in a TOML file each, read from a folder or a hub, cleaned and split."""
