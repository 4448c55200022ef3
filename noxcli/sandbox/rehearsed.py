"""Answers of a scenario file that differ by version, by input and by chance."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROMPT = "Prompt"  # the input that tells versions apart
Fill = Callable[[Any, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Noise:
    """How often an answer is another one, and how often there is none; shares of all answers."""

    bad: float = 0.0
    bad_output: Mapping[str, Any] = field(default_factory=dict)
    missing: float = 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """What a version answers: what it does not say of its own is the workflow's."""

    name: str
    prompt: str
    output: Mapping[str, Any]
    noise: Noise


@dataclass(frozen=True, slots=True)
class Case:
    """Another output for runs whose inputs contain these texts."""

    when: Mapping[str, str]
    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The answers of one workflow; the same seed has the same answers."""

    output: Mapping[str, Any]
    noise: Noise
    cases: Sequence[Case]
    variants: Sequence[Variant]
    seed: int
    fill: Fill

    def output_of(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The output of a run with these inputs."""
        variant = self._variant_of(inputs)
        found = {**self.output, **variant.output}
        for case in self.cases:
            if self._fits(case, inputs):
                found.update(case.output)
                break
        if self._happens("bad", variant.noise.bad, inputs):
            found.update(variant.noise.bad_output)
        return {name: self.fill(value, inputs) for name, value in found.items()}

    def is_missing(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a run with these inputs ends without an answer."""
        return self._happens("missing", self._variant_of(inputs).noise.missing, inputs)

    def _variant_of(self, inputs: Mapping[str, Any]) -> Variant:
        """The variant whose prompt is in that of the run, the longest one; else the first.

        Without versions, it is what the workflow says.
        """
        prompt = str(inputs.get(PROMPT, ""))
        found = [each for each in self.variants if each.prompt in prompt]
        if found:
            return max(found, key=lambda each: len(each.prompt))
        if self.variants:
            return self.variants[0]
        return Variant("", "", {}, self.noise)

    def _fits(self, case: Case, inputs: Mapping[str, Any]) -> bool:
        for label, text in case.when.items():
            wanted = str(self.fill(text, inputs))
            if wanted not in str(inputs.get(label, "")):
                return False
        return True

    def _happens(self, what: str, share: float, inputs: Mapping[str, Any]) -> bool:
        given = sorted((label, str(value)) for label, value in inputs.items())
        chance = random.Random(f"{self.seed} {what} {given}")  # noqa: S311 - nothing secret
        return chance.random() < share
