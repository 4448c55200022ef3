"""What must hold of rows that ask the same; § is a section of the contract."""

import json
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.research.world.oracle import Oracle


class EqualRows:
    """A batch that has just ended, some of whose rows ask the same."""

    def __init__(self, oracle: "Oracle") -> None:
        self.oracle = oracle
        self.call = oracle.call
        self.rows = oracle.story.tables["rows.csv"]

    def a_run_is_of_one_row(self) -> None:
        """§ 10: no two rows have the same run."""
        rows = defaultdict(set)
        for line, run in self.oracle.stored:
            if run is not None:
                rows[run.id].add(line["row"])
        for id, numbers in rows.items():
            assert len(numbers) == 1, f"the rows {numbers} have run {id}"

    def no_row_is_started_twice(self) -> None:
        """§ 10: a start that may have been sent is not repeated."""
        asked = [question for _, question in self.rows]
        for question in {*asked}:
            sent = sum(call.starts[question] for call in self.oracle.calls)
            known = asked.count(question)
            assert sent <= known, f"{sent} starts of {known} rows"

    def what_has_run_is_adopted(self) -> None:
        """§ 10: --resume adopts the runs of rows in doubt, and the others stay in doubt."""
        call = self.call
        climate = self.oracle.story.world.climate
        is_sick = call.met or call.sent or self.oracle.may_lag
        # A list that noxcli can't read to its end shows no run that is alone.
        if "--resume" not in call.argv or is_sick or climate["lag"] or climate["cursors"]:
            return
        runs = self.oracle.started(*self.oracle.calls)
        lacks = len(runs) < len(self.rows)
        assert (call.code == 7) is lacks, f"{call.code} with {len(runs)} runs: {call.err[-300:]}"

    def stored_results_are_of_their_rows(self) -> None:
        """§ 10: a result is of a run of its row's question."""
        for line, run in self.oracle.stored:
            if run is not None:
                told = json.dumps(line)[:200]
                assert run.question == line["input"]["Question"], told
