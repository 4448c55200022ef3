"""Situations of a gate, each with the code and the sentences that it must end with.

What is expected was worked out by hand from the rules, not read from what noxcli prints.
Answers are letters, one for each run of a row in a version, the last one for all further runs:
`g` good, `b` bad, `c` bad with the score of a good one, `f` a run that fails, `s` one that is
stopped, `v` a rude one, `x` without a number as its score; a digit is a score, good from 3 on.
With a judge, `n` is an answer that is never judged, and `o` one whose first judgement fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

GOOD = ("--assert", "{of}.A == 'good'")
SCORE = ("--score", "{of}.Score")
ALONE = ("--max-parallel", "1")  # answers come in the order of their places
ALLOW = ("--allow-missing",)
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """So many rows that are alike: their answers in BASE and in NEW, and their columns."""

    count: int
    base: str = "g"
    new: str = "g"
    columns: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Worth:
    """What a green is worth: of `rows` that can fail, `good` of all answers of rounds pass.

    `fallen` are the differences of scores that are not zero, among so many `pairs`.
    """

    rows: int
    good: int
    answers: int
    pairs: int = 0
    fallen: Sequence[float] = ()


@dataclass(frozen=True)
class Situation:
    """What is asked, and what must come of it."""

    name: str
    rows: Sequence[Rows]
    code: int
    argv: Sequence[str] = GOOD
    classes: Mapping[str, int] = field(default_factory=dict)  # but for rows that are the same
    error: str = ""  # a part of the last message
    said: Sequence[str] = ()  # all notes, but for lost runs and the worth
    lost: tuple[int, int] = (0, 0)  # runs without a result, in BASE and NEW
    lost_by_judge: int = 0
    later: int = 0  # runs of the same line afterwards, for answers without a result
    worth: Worth | None = None
    is_judged: bool = False
    sides: Sequence[str] = ("--base", "base", "--new", "new")

    def judged(self) -> "Situation":
        """The same situation, with a judge that decides what is good."""
        name = f"{self.name}, with a judge"
        lost = self.lost_by_judge
        for rows in self.rows:
            if "x" in (rows.base, rows.new):  # is judged twice, in vain
                lost += 2
        return replace(self, name=name, is_judged=True, lost_by_judge=lost)


def rows_of(*groups: Rows, of: int = 12) -> Sequence[Rows]:
    """Return these rows, and so many that stay the same that they are `of` in all."""
    given = sum(each.count for each in groups)
    return [*groups, Rows(of - given)]


def counted(broken: int, fixed: int) -> str:
    answers = "answer" if broken == 1 else "answers"
    were = "was" if fixed == 1 else "were"
    return f"{broken} {answers} broke and {fixed} {were} fixed"


def often(broken: int, fixed: int, percent: str) -> str:
    these = f"{broken} or more of these {broken + fixed}"
    return f"an unchanged workflow breaks {these} in {percent} of 100 comparisons"


def rarely(broken: int, fixed: int) -> str:
    """Return the sentence on NEW as a whole, where it is worse."""
    return f"{counted(broken, fixed)}: {often(broken, fixed, 'less than 1')}"


def seemed(count: int) -> str:
    """Return the sentence on rows that chance explains."""
    return f"seemed broken: {count} row{' varies' if count == 1 else 's vary'}"


def neither(count: int) -> str:
    rows = "row passes" if count == 1 else "rows pass"
    return f"{count} {rows} in neither version, and could not break"


# NEW as a whole: broken, fixed, and how often chance does that, in percent.

RED_AT_ONCE = [(8, 0), (10, 1), (12, 2), (14, 3), (18, 5)]
NEVER_DECIDED = [
    *[(7, 0, "less than 1"), (9, 1, "1"), (11, 2, "1"), (13, 3, "1"), (17, 5, "less than 1")],
    *[(2, 0, "25"), (3, 0, "12"), (4, 1, "19"), (5, 2, "23"), (6, 3, "25")],
]
GREEN_AT_ONCE = [
    *[(1, 0, "50"), (2, 1, "50"), (3, 1, "31"), (5, 3, "36"), (3, 2, "50")],
    *[(6, 4, "38"), (4, 2, "34"), (1, 1, "75"), (0, 3, ""), (0, 8, "")],
]
# How often each of so many rows is bad in NEW's rounds, in how many rounds it is worse then.
RED_LATER = [(4, "bggggb", 2, 8), (3, "bggggbb", 3, 9), (2, "bggggbbb", 4, 8)]


def situations_of_the_whole() -> list[Situation]:
    """The sign test: at most .0065 is red, at most .3 asks for another round."""
    found = []
    for broken, fixed in RED_AT_ONCE:
        size = broken + fixed + 4
        found.append(
            Situation(
                f"{broken} broke and {fixed} were fixed",
                rows_of(Rows(broken, "g", "b"), Rows(fixed, "b", "g"), of=size),
                11,
                classes={"unclear": broken, "fixed": fixed},
                error=f"NEW is worse as a whole: {counted(broken, fixed)} in 1 round; "
                "no row alone is confirmed",
                said=[rarely(broken, fixed)],
            )
        )
    for broken, fixed, percent in NEVER_DECIDED:
        size = broken + fixed + 4
        undecided = f"not decided after 5 rounds: {counted(broken, fixed)}"
        chance = often(broken, fixed, percent)
        green = Situation(
            f"{broken} broke once and {fixed} were fixed",
            rows_of(Rows(broken, "g", "bg"), Rows(fixed, "bg", "g"), of=size),
            0,
            classes={"varies": broken, "fixed": fixed},
            said=[f"{undecided}; green", chance, seemed(broken)],
            worth=Worth(size, 10 * size - broken - fixed, 10 * size),
        )
        found.append(green)
        if broken in (7, 9, 2):
            found.append(
                replace(
                    green,
                    name=f"{green.name}, and undecided fails",
                    argv=(*GOOD, "--fail-on", "undecided"),
                    code=11,
                    error=f"{undecided} (",
                    said=[chance, seemed(broken)],
                    worth=None,
                )
            )
    for broken, fixed, percent in GREEN_AT_ONCE:
        said = []
        if broken:
            said = [f"{counted(broken, fixed)}: {often(broken, fixed, percent)}", seemed(broken)]
        found.append(
            Situation(
                f"{broken} broke once, {fixed} were fixed, which chance does",
                rows_of(Rows(broken, "g", "bg"), Rows(fixed, "bg", "g")),
                0,
                classes={"varies": broken, "fixed": fixed},
                said=said,
                worth=Worth(12, 24 - broken - fixed, 24),
            )
        )
    for rows, letters, rounds, broken in RED_LATER:
        found.append(
            Situation(
                f"{rows} rows are bad in each of {rounds} rounds",
                rows_of(Rows(rows, "g", f"{letters}g")),
                11,
                classes={"varies": rows},
                error=f"NEW is worse as a whole: {counted(broken, 0)} in {rounds} rounds",
                said=[rarely(broken, 0), seemed(rows)],
            )
        )
    found += [
        Situation(
            "4 rows are bad in four rounds, and one was fixed in each",
            rows_of(Rows(4, "g", "bggggbbbg"), Rows(1, "bbbbg", "g")),
            11,
            classes={"varies": 4, "fixed": 1},
            error=f"NEW is worse as a whole: {counted(16, 4)} in 4 rounds",
            said=[rarely(16, 4), seemed(4)],
        ),
        Situation(
            "2 rows break once, and a third is fixed in the second round",
            rows_of(Rows(2, "g", "bg"), Rows(1, "gbg", "g")),
            0,
            classes={"varies": 2},
            said=[f"{counted(2, 1)}: {often(2, 1, '50')}", seemed(2)],
            worth=Worth(12, 48 - 3, 48),
        ),
    ]
    return found


# Single rows: NEW's answers are one of the round, four of the screen, twelve of the re-runs.

BREAKS = {
    "is bad for ever": ("g", "b"),
    "fails for ever": ("g", "f"),
    "is bad and fails in turn": ("g", "bfbfb"),
    "is bad by the least lead": ("g", "bbbbbbbbbbgggggggg"),
    "is bad in the second half of its re-runs": ("g", "bbbbbgggggggbbbbbg"),
    "passes two of four at first": ("g", "bggbbb"),
    "passes no more than a noisy base by seven": ("ggggggggbbbbbg", "bbbbbb"),
    "leads a base that fails twice": ("gggggggggggffg", "bbbbbbbbbbbbgggggg"),
    "failed once in BASE, and is bad in NEW": ("fg", "b"),
}
VARIES = {
    "was bad once": ("g", "bg"),
    "failed once": ("g", "fg"),
    "passes three of four at first": ("g", "bgggbg"),
    "passes three of four after a failed run": ("g", "ffgggg"),
    "is bad by less than the least lead": ("g", "bbbbbbbbbgggggggggg"),
    "is bad by four of a noisy base": ("gggggbbbbbbbbg", "bbbbbb"),
    "is as noisy in both versions": ("ggbgbgbgbgbgbg", "bbbbgbgbgbgbgbgbgg"),
}


def situations_of_rows() -> list[Situation]:
    found = []
    for name, (base, new) in BREAKS.items():
        found.append(
            Situation(
                f"a row {name}",
                rows_of(Rows(1, base, new)),
                11,
                argv=(*GOOD, *ALONE),
                classes={"broken": 1},
                error="1 row is broken (",
            )
        )
    for name, (base, new) in VARIES.items():
        found.append(
            Situation(
                f"a row {name}",
                rows_of(Rows(1, base, new)),
                0,
                argv=(*GOOD, *ALONE),
                classes={"varies": 1},
                said=[f"{counted(1, 0)}: {often(1, 0, '50')}", seemed(1)],
                worth=Worth(12, 23, 24),
            )
        )
    # The more rows are serious, the more each has to lead: 5, 6, 7, 7, 7 for 1, 2, 3, 4 and 7.
    for count, lead, percent in ((2, 6, "25"), (3, 7, "12"), (4, 7, "6"), (7, 7, "less than 1")):
        broken = "b" * lead + "g" * 13
        varies = "b" * (lead - 1) + "g" * 14
        found += [
            Situation(
                f"{count} rows lead by {lead}",
                rows_of(Rows(count, "g", f"bbbbb{broken}")),
                11,
                argv=(*GOOD, *ALONE),
                classes={"broken": count},
                error=f"{count} rows are broken (",
            ),
            Situation(
                f"{count} rows lead by {lead - 1}",
                rows_of(Rows(count, "g", f"bbbbb{varies}")),
                0,
                argv=(*GOOD, *ALONE),
                classes={"varies": count},
                said=[
                    f"not decided after 5 rounds: {counted(count, 0)}; green",
                    often(count, 0, percent),
                    seemed(count),
                ],
                worth=Worth(12, 120 - count, 120),
            ),
        ]
    found += [
        Situation(
            "one row is broken, two vary",
            rows_of(Rows(1, "g", "b"), Rows(2, "g", "bg")),
            11,
            classes={"broken": 1, "varies": 2},
            error="1 row is broken, 2 vary (",
        ),
        Situation(
            "all of six rows are bad",
            [Rows(6, "g", "b")],
            11,
            classes={"broken": 6},
            error="6 rows are broken (",
        ),
        Situation("the only row is bad", [Rows(1, "g", "b")], 11, classes={"broken": 1}),
        Situation("the only row is the same", [Rows(1)], 0, worth=Worth(1, 2, 2)),
        Situation("nothing differs", [Rows(12)], 0, worth=Worth(12, 24, 24)),
        Situation("two rows cannot show a loss everywhere", [Rows(2)], 0, worth=Worth(2, 4, 4)),
        Situation(
            "a row failed in BASE, and is bad in NEW, for ever",
            rows_of(Rows(1, "f", "b")),
            8,
            classes={"new": 1},
            error="of 12 rows, 1 has no answer to judge",
            said=["seemed broken: 1 row never passes in BASE", neither(1)],
        ),
        Situation(
            "a row failed in BASE, and was bad in NEW once",
            rows_of(Rows(1, "fg", "bg")),
            0,
            classes={"varies": 1},
            said=[seemed(1)],
            worth=Worth(12, 22, 24),
        ),
        Situation(
            "a row fails in both",
            rows_of(Rows(1, "f", "f")),
            0,
            said=[neither(1), "1 row failed in both BASE and NEW"],
            worth=Worth(12, 22, 24),
        ),
        Situation(
            "a row is bad in both, as others were once",
            rows_of(Rows(1, "b", "b"), Rows(2, "g", "bg")),
            0,
            classes={"varies": 2},
            said=[
                f"not decided after 5 rounds: {counted(2, 0)}; green",
                often(2, 0, "25"),
                seemed(2),
                neither(1),
            ],
            worth=Worth(12, 120 - 2 - 10, 120),
        ),
        Situation(
            "a row is bad in both once, and passes in later rounds",
            rows_of(Rows(1, "bg", "bg"), Rows(2, "g", "bg")),
            0,
            classes={"varies": 2},
            said=[
                f"not decided after 5 rounds: {counted(2, 0)}; green",
                often(2, 0, "25"),
                seemed(2),
            ],
            worth=Worth(12, 120 - 2 - 2, 120),
        ),
        Situation(
            "a row is bad in BASE and fails in NEW",
            rows_of(Rows(3, "b", "f")),
            0,
            said=[neither(3)],
            worth=Worth(12, 18, 24),
        ),
        Situation(
            "all rows are fixed",
            [Rows(12, "b", "g")],
            0,
            classes={"fixed": 12},
            worth=Worth(12, 12, 24),
        ),
        Situation(
            "no row passes",
            [Rows(6, "b", "b")],
            2,
            error="no row passes in either version (12 runs), so none could break",
        ),
        Situation(
            "all runs fail",
            [Rows(6, "f", "f")],
            2,
            error="no row passes in either version (12 runs), so none could break",
        ),
    ]
    return found


def situations_of_losses() -> list[Situation]:
    """Answers without a result: once more in a round, four times for a suspect."""
    lost_once = [("NEW", "g", "sg", (0, 1)), ("BASE", "sg", "g", (1, 0))]
    lost_for_ever = [("NEW", "g", "s", (0, 2)), ("BASE", "s", "g", (2, 0))]
    found = []
    for side, base, new, lost in lost_once:
        found.append(
            Situation(
                f"an answer of {side} is lost once",
                rows_of(Rows(1, base, new)),
                0,
                lost=lost,
                worth=Worth(12, 24, 24),
            )
        )
    for side, base, new, lost in lost_for_ever:
        missing = Situation(
            f"a row is lost in {side}",
            rows_of(Rows(1, base, new)),
            8,
            classes={"missing": 1} if side == "NEW" else {"new": 1},
            error="of 12 rows, 1 has no answer to judge",
            lost=lost,
        )
        found.append(missing)
        allowed = replace(
            missing,
            name=f"{missing.name}, and that is allowed",
            argv=(*GOOD, *ALLOW),
            code=0,
            error="",
            later=1,
            worth=Worth(11, 23, 23),
        )
        found.append(allowed)
    found += [
        Situation(
            "each answer is lost once",
            [Rows(12, "sg", "sg")],
            0,
            lost=(12, 12),
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "all answers of NEW are lost",
            [Rows(12, "g", "s")],
            8,
            classes={"missing": 12},
            error="of 12 rows, 12 have no answer to judge",
            lost=(0, 24),
        ),
        Situation(
            "all answers of NEW are lost, and that is allowed",
            [Rows(6, "g", "s")],
            2,
            argv=(*GOOD, *ALLOW),
            error="but no row has an answer on both sides",
        ),
        Situation(
            "ten of twelve rows are lost in NEW, and that is allowed",
            rows_of(Rows(10, "g", "s")),
            0,
            argv=(*GOOD, *ALLOW),
            classes={"missing": 10},
            lost=(0, 20),
            worth=Worth(2, 14, 14),
        ),
        Situation(
            "a row that breaks is lost in NEW at first",
            rows_of(Rows(1, "g", "sb")),
            11,
            classes={"broken": 1},
            error="1 row is broken (",
            lost=(0, 1),
        ),
        Situation(
            "a row is broken, and another one is lost",
            rows_of(Rows(1, "g", "b"), Rows(1, "g", "s")),
            11,
            classes={"broken": 1, "missing": 1},
            error="1 row is broken (",
            lost=(0, 2),
        ),
        Situation(
            "eight are bad at once, and one is lost",
            rows_of(Rows(8, "g", "b"), Rows(1, "g", "s")),
            11,
            classes={"unclear": 8, "missing": 1},
            error="NEW is worse as a whole: 8 answers broke and 0 were fixed in 1 round",
            said=[rarely(8, 0)],
            lost=(0, 2),
        ),
    ]
    # What the twelve re-runs of one suspect come to, on both sides; - is lost, after four tries.
    # The last number is what the same line asks afterwards: these, and four of each side more where
    # eight were enough for "varies" before.
    suspects = [
        ("------gggggg", "bbbbbbbbbbbb", "broken", 6),
        ("------gggggg", "ggggggbbbbbg", "broken", 6),
        ("------gggggg", "bbbbbbggbbbb", "varies", 6 + 2 * 4),
        ("--------gggg", "bbbbbbbbbbbb", "not confirmed", 0),
        ("gggggggggggg", "------------", "not confirmed", 0),
        ("gggggggggggg", "-bbbbb------", "broken", 7),
        ("gggggggggggg", "-bbbbg------", "varies", 7),
        ("gggggggggggg", "-bbbb-------", "not confirmed", 0),
        ("-g-g-g-g", "bgbgbgbg", "varies", 4 + 2 * 4),
    ]
    for base, new, state, later in suspects:
        both = f"{base} in BASE, {new} in NEW"
        lost = (4 * base.count("-"), 4 * new.count("-"))
        answers = (f"g{with_tries(base)}", f"bbbbb{with_tries(new)}")
        one = Situation(
            f"the re-runs of a row are {both}",
            rows_of(Rows(1, *answers)),
            11,
            argv=(*GOOD, *ALONE),
            classes={"broken": 1},
            lost=lost,
            later=later,
            error=f"1 row is {state} (",
        )
        if state == "varies":
            one = replace(
                one,
                code=0,
                classes={"varies": 1},
                error="",
                said=[f"{counted(1, 0)}: {often(1, 0, '50')}", seemed(1)],
                worth=Worth(12, 23, 24),
            )
        found.append(one)
    found += [
        Situation(
            "a suspect's screen is lost three times, and passes then",
            rows_of(Rows(1, "g", "b" + 3 * "ssss" + "g")),
            0,
            classes={"varies": 1},
            lost=(0, 12),
            said=[f"{counted(1, 0)}: {often(1, 0, '50')}", seemed(1)],
            worth=Worth(12, 23, 24),
        ),
        Situation(
            "a suspect's screen is lost, and clears nothing",
            rows_of(Rows(1, "g", "b" + 4 * "ssss" + "b")),
            11,
            classes={"broken": 1},
            lost=(0, 16),
            later=4,
            error="1 row is broken (",
        ),
    ]
    return found


def with_tries(answers: str) -> str:
    """Return the letters of these answers in the order of asking.

    Four are asked together. Then those that are lost are asked again, three times.
    """
    letters = ""
    for start in range(0, len(answers), 4):
        four = answers[start : start + 4].replace("-", "s")
        letters += four + 3 * ("s" * four.count("s"))
    return letters + "g"


def situations_of_a_judge() -> list[Situation]:
    """Judgements that are lost: they are asked again, and their answers are not."""
    found = [
        Situation(
            "a judgement is lost once",
            rows_of(Rows(1, "g", "o")),
            0,
            lost_by_judge=1,
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "each judgement of NEW is lost once",
            [Rows(12, "g", "o")],
            0,
            lost_by_judge=12,
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "an answer of NEW is never judged",
            rows_of(Rows(1, "g", "n")),
            8,
            classes={"missing": 1},
            error="of 12 rows, 1 has no answer to judge",
            lost_by_judge=2,
        ),
        Situation(
            "an answer of BASE is never judged",
            rows_of(Rows(1, "n", "g")),
            8,
            classes={"new": 1},
            error="of 12 rows, 1 has no answer to judge",
            lost_by_judge=2,
        ),
        Situation(
            "an answer is never judged, and that is allowed",
            rows_of(Rows(1, "g", "n")),
            0,
            argv=(*GOOD, *ALLOW),
            classes={"missing": 1},
            lost_by_judge=2,
            worth=Worth(11, 23, 23),
        ),
        Situation(
            "no answer of NEW is ever judged",
            [Rows(6, "g", "n")],
            8,
            classes={"missing": 6},
            error="of 6 rows, 6 have no answer to judge",
            lost_by_judge=12,
        ),
        Situation(
            "no answer of NEW is ever judged, and that is allowed",
            [Rows(6, "g", "n")],
            2,
            argv=(*GOOD, *ALLOW),
            error="but no row has an answer on both sides",
        ),
        Situation(
            "a suspect is never judged again",
            rows_of(Rows(1, "g", "bn")),
            11,
            classes={"broken": 1},
            error="1 row is not confirmed (",
            lost_by_judge=4 * 16,
        ),
        Situation(
            "an answer is lost once, and its judgement then",
            rows_of(Rows(1, "g", "so")),
            0,
            lost=(0, 1),
            lost_by_judge=1,
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "a row is broken by a judge that stumbles",
            rows_of(Rows(1, "o", "b"), Rows(3, "o", "o")),
            11,
            classes={"broken": 1},
            error="1 row is broken (",
            lost_by_judge=7 + 12,
        ),
        Situation(
            "the judge scores all the same",
            [Rows(12, "4", "4")],
            0,
            argv=SCORE,
            worth=Worth(0, 0, 0, pairs=12),
        ),
        Situation(
            "a score that nothing judged",
            rows_of(Rows(1, "5", "n")),
            8,
            argv=SCORE,
            classes={"missing": 1},
            error="of 12 rows, 1 has no answer to judge",
            lost_by_judge=2,
        ),
    ]
    return [replace(each, is_judged=True) for each in found]


# Scores: so many of so many rows fall by so much, which is seen in so many rounds.
FALLS = [(8, 40, "5", "1", 1), (9, 40, "5", "1", 1), (7, 40, "5", "1", 2), (6, 40, "5", "1", 2)]
FALLS += [(6, 6, "5", "1", 2), (12, 12, "5", "4", 1), (12, 12, "4", "3", 1), (7, 7, "9", "8", 1)]


def situations_of_scores() -> list[Situation]:
    found = []
    for count, size, base, new, rounds in FALLS:
        fell = (int(base) - int(new)) * count / size
        word = "round" if rounds == 1 else "rounds"
        fall = Situation(
            f"{count} of {size} scores fall from {base} to {new}",
            rows_of(Rows(count, base, new), of=size),
            11,
            argv=SCORE,
            error=f"NEW is worse as a whole: the score fell by {fell:.3g} in {rounds} {word}",
        )
        rise = replace(
            fall,
            name=f"{count} of {size} scores rise from {new} to {base}",
            rows=rows_of(Rows(count, new, base), of=size),
        )
        found.append(fall)
        if count in (8, 12):
            lower = replace(
                rise,
                name=f"{rise.name}, and lower is better",
                argv=(*SCORE, "--lower-is-better"),
                error=fall.error.replace("fell", "rose"),
            )
            differences = [float(int(base) - int(new))] * count
            green = replace(
                rise, code=0, error="", worth=Worth(0, 0, 0, pairs=size, fallen=differences)
            )
            found += [lower, green]
    ten = [(1, "4"), (1, "3"), (1, "5"), (2, "4"), (1, "2"), (1, "4"), (1, "3"), (1, "5"), (1, "4")]
    found += [
        Situation(
            "ten scores fall by 1.2",
            [Rows(count, "5", new) for count, new in ten],
            11,
            argv=SCORE,
            error="NEW is worse as a whole: the score fell by 1.2 in 1 round",
        ),
        Situation(
            "six scores fall once",
            rows_of(Rows(6, "5", "15"), of=40),
            0,
            argv=SCORE,
            said=["not decided after 5 rounds: only 6 scores differ, their sum is -24; green"],
            worth=Worth(0, 0, 0, pairs=200, fallen=[-4.0] * 6),
        ),
        Situation(
            "one score falls once",
            rows_of(Rows(1, "5", "45")),
            0,
            argv=SCORE,
            said=["not decided after 5 rounds: only 1 score differs, their sum is -1; green"],
            worth=Worth(0, 0, 0, pairs=60, fallen=[-1.0]),
        ),
        Situation(
            "six scores fall once, and undecided fails",
            rows_of(Rows(6, "5", "15")),
            11,
            argv=(*SCORE, "--fail-on", "undecided"),
            error="not decided after 5 rounds: only 6 scores differ, their sum is -24 (",
        ),
        Situation(
            "three scores fall, and three rise",
            rows_of(Rows(3, "5", "3"), Rows(3, "3", "5")),
            0,
            argv=SCORE,
            worth=Worth(0, 0, 0, pairs=12, fallen=[-2.0] * 3 + [2.0] * 3),
        ),
        Situation(
            "ten scores fall, and ten rise",
            [Rows(10, "5", "4"), Rows(10, "4", "5")],
            0,
            argv=SCORE,
            worth=Worth(0, 0, 0, pairs=20, fallen=[-1.0] * 10 + [1.0] * 10),
        ),
        Situation(
            "one large fall and six small ones, once",
            rows_of(Rows(1, "6", "16"), Rows(6, "6", "56"), of=16),
            0,
            argv=SCORE,
            said=["not decided after 5 rounds: the score fell by 0.138; green"],
            worth=Worth(0, 0, 0, pairs=80, fallen=[-5.0] + [-1.0] * 6),
        ),
        Situation(
            "five scores rise",
            rows_of(Rows(5, "3", "5")),
            0,
            argv=SCORE,
            worth=Worth(0, 0, 0, pairs=12, fallen=[2.0] * 5),
        ),
        Situation(
            "a score of NEW is no number",
            rows_of(Rows(1, "5", "x")),
            8,
            argv=SCORE,
            error="of 12 rows, 1 has no answer to judge",
            lost=(0, 2),
            classes={"missing": 1},
        ),
        Situation(
            "a score of BASE is no number",
            rows_of(Rows(1, "x", "5")),
            8,
            argv=SCORE,
            error="of 12 rows, 1 has no answer to judge",
            lost=(2, 0),
            classes={"new": 1},
        ),
        Situation(
            "a run without a score fails for ever",
            rows_of(Rows(1, "5", "f")),
            11,
            argv=SCORE,
            classes={"broken": 1},
            error="1 row is broken (",
        ),
    ]
    # With a check and a score, each look is at .0026.
    both = (*GOOD, *SCORE)
    for broken, fixed, percent in ((8, 0, "less than 1"), (11, 1, "less than 1")):
        size = broken + fixed + 4
        found.append(
            Situation(
                f"{broken} broke once and {fixed} were fixed, beside scores",
                rows_of(Rows(broken, "g", "cg"), Rows(fixed, "cg", "g"), of=size),
                0,
                argv=both,
                classes={"varies": broken, "fixed": fixed},
                said=[
                    f"not decided after 5 rounds: {counted(broken, fixed)}; green",
                    often(broken, fixed, percent),
                    seemed(broken),
                ],
                worth=Worth(size, 10 * size - broken - fixed, 10 * size, pairs=5 * size),
            )
        )
    for broken, fixed in ((9, 0), (12, 1)):
        found.append(
            Situation(
                f"{broken} broke and {fixed} were fixed, beside scores",
                rows_of(Rows(broken, "g", "c"), Rows(fixed, "c", "g"), of=broken + fixed + 4),
                11,
                argv=both,
                classes={"unclear": broken, "fixed": fixed},
                error=f"NEW is worse as a whole: {counted(broken, fixed)} in 1 round",
                said=[rarely(broken, fixed)],
            )
        )
    found += [
        Situation(
            "all pass, and all scores fall",
            [Rows(12, "5", "3")],
            11,
            argv=both,
            error="NEW is worse as a whole: the score fell by 2 in 1 round",
        ),
        Situation(
            "a row breaks, and its score falls",
            rows_of(Rows(1, "5", "1")),
            11,
            argv=both,
            classes={"broken": 1},
            error="1 row is broken (",
        ),
        Situation(
            "nothing differs in checks and scores",
            [Rows(12)],
            0,
            argv=both,
            worth=Worth(12, 24, 24, pairs=12),
        ),
    ]
    return found


def want(word: str) -> Columns:
    return {"want": word}


def expecting(answer: str) -> Columns:
    return {"$expect": {"A": answer}}


NOTHING: Columns = {}  # expected


CONTAINS = ("--keep", "want", "--assert", "contains(output.A, row.want)")
NOTHING_CHECKED = {
    "no check at all": ((), "a gate without a check can't fail"),
    "--never alone": (("--never", "output.A == 'rude'"), "a gate without a check can't fail"),
    "a constant": (("--assert", "`true`"), "names nothing of the result"),
    "a constant score": (("--score", "`5`"), "names nothing of the result"),
    "an empty text that is contained": (("--assert", "contains(output.A, '')"), "empty"),
    "an empty text at the start": (("--assert", "starts_with(output.A, '')"), "empty"),
    "an empty text at the end": (("--assert", "ends_with(output.A, '')"), "empty"),
    "an empty expression": (("--assert", "matches(output.A, '')"), "empty"),
    "an output that is nowhere": (("--assert", "output.B == null"), "no such output"),
    "a column that is nowhere": (("--assert", "output.A != row.Want"), "row.Want"),
    "a bare word": (("--assert", "output.A != bad"), "bad"),
    "a bare true": (("--assert", "output.A != true"), "true"),
    "a group that is nowhere": ((*GOOD, "--by", "team"), "no row has such a column"),
    "a score of an output that is nowhere": (("--score", "output.B"), "no such output"),
    "a lower score without one": ((*GOOD, "--lower-is-better"), "needs --score"),
}


def situations_of_checks() -> list[Situation]:
    """Checks that check nothing, or little."""
    found = []
    for name, (argv, error) in NOTHING_CHECKED.items():
        found.append(
            Situation(
                f"nothing is checked: {name}",
                [Rows(3, columns=want("good"))],
                2,
                argv=("--keep", "want", *argv),
                error=error,
            )
        )
    found += [
        Situation(
            "two of twelve rows have an expectation",
            [Rows(2, columns=expecting("good")), Rows(10, columns=NOTHING)],
            0,
            argv=(),
            worth=Worth(2, 24, 24),
        ),
        Situation(
            "all rows have an expectation",
            [Rows(12, columns=expecting("good"))],
            0,
            argv=(),
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "no row has an expectation",
            [Rows(12, columns={"$expect": ""})],
            2,
            argv=(),
            error="expect",
        ),
        Situation(
            "an expectation breaks",
            [Rows(1, "g", "b", expecting("good")), Rows(11, columns=expecting("good"))],
            11,
            argv=(),
            classes={"broken": 1},
            error="1 row is broken (",
        ),
        Situation(
            "an answer breaks of which nothing is expected",
            [Rows(1, "g", "b", NOTHING), Rows(11, columns=expecting("good"))],
            0,
            argv=(),
            classes={"changed": 1},
            worth=Worth(11, 24, 24),
        ),
        Situation(
            "ten of twelve rows look for an empty text",
            [Rows(2, columns=want("good")), Rows(10, columns=want(""))],
            0,
            argv=CONTAINS,
            worth=Worth(2, 24, 24),
        ),
        Situation(
            "sixty rows look for a text, and sixty for an empty one",
            [Rows(30, columns=want("good")), Rows(30, columns=want(""))],
            0,
            argv=CONTAINS,
            worth=Worth(30, 120, 120),
        ),
        Situation(
            "a check that no answer can take",
            [Rows(6)],
            2,
            argv=("--assert", "output.Score > 'many'"),
            error="no row passes in either version (12 runs), so none could break",
        ),
        Situation(
            "a constant text as score",
            [Rows(12)],
            0,
            argv=("--score", "length(output.A)"),
            worth=Worth(0, 0, 0, pairs=12),
        ),
        Situation("an empty table", [], 2, error="no rows"),
    ]
    return found


RUDE = ("--assert", "output.Score > `0`", "--never", "contains(output.A, 'rude')")


def situations_of_never() -> list[Situation]:
    return [
        Situation(
            "NEW is rude once",
            rows_of(Rows(1, "g", "vg")),
            11,
            argv=RUDE,
            classes={"broken": 1},
            error="--never holds in 1 row (24 runs)",
        ),
        Situation(
            "NEW is rude twice",
            rows_of(Rows(2, "g", "vg")),
            11,
            argv=RUDE,
            classes={"broken": 2},
            error="--never holds in 2 rows (24 runs)",
        ),
        Situation(
            "BASE alone is rude",
            rows_of(Rows(3, "v", "g")),
            0,
            argv=RUDE,
            classes={"changed": 3},
            worth=Worth(12, 24, 24),
        ),
        Situation(
            "NEW is rude in the second round",
            rows_of(Rows(1, "g", "gvg"), Rows(2, "g", "bg")),
            11,
            argv=(*GOOD, *RUDE[2:]),
            classes={"broken": 1, "varies": 2},
            error="--never holds in 1 row (",
        ),
        Situation(
            "NEW is rude when a row is tried again",
            rows_of(Rows(1, "g", "bvggg")),
            0,
            argv=(*GOOD, *RUDE[2:]),
            classes={"varies": 1},
            said=[f"{counted(1, 0)}: {often(1, 0, '50')}", seemed(1)],
            worth=Worth(12, 23, 24),
        ),
        Situation(
            "what must never be can not be applied",
            rows_of(Rows(1, "g", "x")),
            11,
            argv=(*GOOD, "--never", "output.Score < `0`"),
            classes={"broken": 1},
            error="--never holds in 1 row (24 runs)",
        ),
        Situation(
            "a failed run says nothing rude",
            rows_of(Rows(1, "g", "fg")),
            0,
            argv=(*GOOD, *RUDE[2:]),
            classes={"varies": 1},
            said=[f"{counted(1, 0)}: {often(1, 0, '50')}", seemed(1)],
            worth=Worth(12, 23, 24),
        ),
        Situation(
            "NEW is rude, and worse as a whole",
            rows_of(Rows(8, "g", "b"), Rows(1, "g", "v")),
            11,
            argv=(*GOOD, *RUDE[2:]),
            classes={"unclear": 8, "broken": 1},
            error="--never holds in 1 row (24 runs)",
            said=[rarely(9, 0)],
        ),
    ]


SAME = ("--base", "base", "--new", "base")
NOTHING_WORSE = "BASE and NEW do not differ, so nothing can be worse: each row ran once, in BASE"


def situations_of_sides() -> list[Situation]:
    same = (*GOOD, "--allow-same")
    return [
        Situation("both sides are one version", [Rows(3)], 2, sides=SAME, error="do not differ"),
        Situation(
            "both sides are one version, and that is allowed",
            [Rows(3)],
            0,
            argv=same,
            sides=SAME,
            said=[NOTHING_WORSE],
        ),
        Situation(
            "one version has rows that fail",
            [Rows(3), Rows(2, "b"), Rows(1, "f")],
            0,
            argv=same,
            sides=SAME,
            classes={"fails": 3},
            said=[NOTHING_WORSE],
        ),
        Situation(
            "one version has no row that passes",
            [Rows(3, "b")],
            2,
            argv=same,
            sides=SAME,
            error="no row passes (3 runs)",
        ),
        Situation(
            "one version lacks an answer",
            [Rows(3), Rows(1, "s")],
            8,
            argv=same,
            sides=SAME,
            classes={"missing": 1},
            error="of 4 rows, 1 has no answer to judge",
        ),
        Situation(
            "one version is rude",
            [Rows(3), Rows(1, "v")],
            11,
            argv=(*RUDE, "--allow-same"),
            sides=SAME,
            error="--never holds in 1 row",
        ),
        Situation(
            "NEW differs by an input alone",
            rows_of(Rows(1, "g", "b")),
            11,
            sides=("--base", "base", "--new-input", "P=new"),
            said=["an input that all rows share differs: 'P'"],
            classes={"broken": 1},
            error="1 row is broken (",
        ),
    ]


def all_situations() -> list[Situation]:
    """All of them, those that a judge can decide with a judge, too."""
    by_answers = [
        *situations_of_the_whole(),
        *situations_of_rows(),
        *situations_of_losses(),
        *situations_of_scores(),
    ]
    by_a_judge = [each.judged() for each in by_answers]
    alone = [*situations_of_checks(), *situations_of_never(), *situations_of_sides()]
    return [*by_answers, *alone, *by_a_judge, *situations_of_a_judge()]
