"""The rows of advice in the guide for EHRs are those of the code, in its order."""

import re
from itertools import groupby
from pathlib import Path

from cds_service.clinical.advice.firing import FIRING

GUIDE = Path(__file__).parents[2] / "docs" / "ehr.md"


def test_the_guide_lists_the_rows_in_their_order() -> None:
    table = GUIDE.read_text("utf-8").partition("## Which advice, and when")[2]
    listed = re.findall(r"^\| ([AS]\d+) \|", table, flags=re.MULTILINE)
    known = [row for row, _ in groupby(row.id for row in FIRING)]
    first = list(dict.fromkeys(known))
    assert listed == [*first, "A18"]
