"""The same results as restic's own tests of its policies, where they are at hand.

The file is not part of this repository: it lies beside a checkout, in ``shared/retention``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.factories import snapshot

from evs_snap.plan.retention import Keep, judge

RESULTS = Path(__file__).parents[4] / "shared" / "retention" / "restic-policies.json"


@pytest.mark.skipif(not RESULTS.is_file(), reason="restic's results are not at hand")
def test_every_result_of_restics_is_ours() -> None:
    results: dict[str, Any] = json.loads(RESULTS.read_text())
    rows = [snapshot(f"{n:03}", made=text) for n, text in enumerate(results["times"])]
    assert len(results["cases"]) == 21
    for case in results["cases"]:
        policy = dict(case["policy"])
        within = timedelta(hours=policy.pop("within_hours", 0)) or None
        verdicts = judge(rows, Keep(**policy, within=within), now=datetime(2026, 1, 1, tzinfo=UTC))
        kept = [v for v in verdicts if v.keep]
        moments = [datetime.fromisoformat(text) for text in case["keep"]]
        assert [v.snapshot.created_at for v in kept] == moments, case["policy"]
        oldest = [any("oldest" in reason for reason in reasons) for reasons in case["reasons"]]
        assert [any("oldest" in r for r in v.reasons) for v in kept] == oldest, case["policy"]
