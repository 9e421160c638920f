"""Many patients in, one Assessment each out.

charts.py     charts in memory, one after the other
many.py       more than memory holds: read, sorted by patient on disk, assessed, merged
crew.py       the processes that do it, and their end
tally.py      how far they are, for the bar on a terminal
"""

from cds_service.batch.charts import assess_charts, issue_of, with_issues

__all__ = ["assess_charts", "issue_of", "with_issues"]
