# Two commands on a fresh machine: `make leaderboard` and `make test`.
# PYTHON chooses the interpreter (3.11 or 3.12), e.g. `make test PYTHON=python3.12`.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/ready

# Where Python may keep nothing, each process that tests translates all of them anew, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: leaderboard test slow lint environment clean

leaderboard: $(READY)
	$(BIN)/python runall.py

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

slow: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

environment: $(READY)

# The last line is for whoever starts Python beside a clone called dataworth: an editable install is looked for after
# folders, and that one would be taken for the package.
$(READY): pyproject.toml .ci/constraints.txt
	@test -n "$(PYTHON)" || { echo "dataworth needs Python 3.11 or 3.12; found neither. Install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[test]'
	@echo "$(CURDIR)/harness/api" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dataworth.pth"
	@touch $(READY)

clean:
	rm -rf .venv
