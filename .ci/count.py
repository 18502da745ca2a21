"""``count.py FILE...``: one line that counts the tests of several JUnit files; status 1 unless all of them are well."""

import sys
from xml.etree import ElementTree

suites = [suite for file in sys.argv[1:] for suite in ElementTree.parse(file).getroot().iter("testsuite")]
tests, failures, errors, skipped = (
    sum(int(suite.attrib[key]) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
)
failed = failures + errors
passed = tests - failed - skipped
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0 or any(int(suite.attrib["tests"]) == 0 for suite in suites) or not suites)
