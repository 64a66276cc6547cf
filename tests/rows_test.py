#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guards the list of hostile inputs (docs/server-access.md): each of its rows names a test at least, so that
nobody drops the last test of a row unseen. Run without arguments it checks the tree it stands in."""
import pathlib
import re
import sys

# How many rows each part of the list has: HTTP, access, JSON, prompts, schemas, WebSockets.
ROWS = {"H": 22, "A": 16, "J": 15, "P": 12, "S": 10, "W": 8}
NONE = ("A12", "A13", "A14")  # what must hold while addresses are fetched: none ever is (A11)
# A test in C++, in Python, in JavaScript: what stands behind is its name.
TEST = re.compile(r"""^\s*(?:TEST(?:_F|_P)?\(|async def test|def test|test\(['"])(.*)""")
ROW = re.compile(r"(?<![A-Za-z0-9])([A-Za-z])(\d\d)(?![A-Za-z0-9])")


def rows_of(lines):
    """The rows that tests in these lines are named after."""
    for line in lines:
        name = TEST.match(line)
        if name:
            yield from (letter.upper() + number for letter, number in ROW.findall(name.group(1)))


def missing(root):
    found = set()
    for folder, kinds in (("src", ("*_test.cc",)), ("tests", ("*_test.py", "*.test.mjs"))):
        for kind in kinds:
            for path in (root / folder).rglob(kind):
                if "node_modules" in path.parts:
                    continue
                found.update(rows_of(path.read_text().splitlines()))
    wanted = [f"{part}{number:02}" for part, count in ROWS.items() for number in range(1, count + 1)]
    return [row for row in wanted if row not in found and row not in NONE]


def check_the_checker():
    assert list(rows_of(["TEST_F(HttpTest, H16_Slow) {", "    def test_hostile_j06_j07(self):", "// H01",
                         "test('P09: markup', async", "TEST(X, UTF16_Ab12) {", "  EXPECT_EQ(A01, 1);"])) == [
        "H16", "J06", "J07", "P09"]


if __name__ == "__main__":
    check_the_checker()
    rows = missing(pathlib.Path(__file__).resolve().parent.parent)
    print("\n".join(f"{row}: no test is named after it" for row in rows) or "every row has its test")
    sys.exit(1 if rows else 0)
