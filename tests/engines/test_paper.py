"""Jobs of engines that do not run here: each fits the engine's API, and noxcli accepts its command line."""

import json
import re
import subprocess

import pytest

from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY
from tests.engines.farm import ENGINES, ROWS, Farm, needs_engine, recipe
from tests.process import HUNG

# Each reads the job from stdin, and fails if the engine's API would reject it.
VALIDATORS = {
    "Kubernetes": """
import sys, kubernetes_validate, yaml
kubernetes_validate.validate(yaml.safe_load(sys.stdin), "1.34", strict=True)
""",
    "Argo": """
import sys, yaml
from hera.workflows.models import Workflow
Workflow.model_validate(yaml.safe_load(sys.stdin))
""",
    "AWS Batch": """
import json, sys
import botocore.session
from botocore.validate import validate_parameters
model = botocore.session.get_session().get_service_model("batch")
validate_parameters(json.load(sys.stdin), model.operation_model("SubmitJob").input_shape)
""",
}
# A word of each job, and a replacement that makes it wrong.
MISTAKES = {
    "Kubernetes": ("backoffLimitPerIndex: 3", "backoffLimitPerIndex: three"),
    "Argo": ("withSequence:", "withItems:"),
    "AWS Batch": ('"size"', '"sizes"'),
}
CODES = {
    "Slurm": r"\n  (6[ |0-9]+)\)",
    "GitHub Actions": r"case \$code in (6[ |0-9]+)\)",
    "GitLab": r"exit_codes: \[(.*)\]",
    "Argo": r"in \[(6.*)\]",
    "AWS Batch": r'"onExitCode": "(\d+)"',
}


@pytest.mark.engine
@pytest.mark.parametrize("engine", VALIDATORS)
def test_a_job_fits_what_the_api_takes(engine: str) -> None:
    needs_engine("kubernetes-validate")
    job = recipe(engine)
    for text, good in ((job, True), (job.replace(*MISTAKES[engine]), False)):
        done = subprocess.run(
            [ENGINES / "schemas/bin/python", "-c", VALIDATORS[engine]],
            input=text,
            capture_output=True,
            text=True,
            timeout=HUNG,
            check=False,
        )
        assert (done.returncode == 0) == good, done.stderr[-1000:]


@pytest.mark.parametrize("engine", CODES)
def test_an_engine_retries_what_the_page_says(engine: str) -> None:
    codes = {int(code) for found in re.findall(CODES[engine], recipe(engine)) for code in re.findall(r"\d+", found)}
    # If noxcli is killed, Slurm requeues the task itself, and GitHub takes the job away.
    assert codes >= set(ENGINES_RETRY) - ({143} if engine in {"Slurm", "GitHub Actions"} else set())
    assert codes.isdisjoint(ENGINES_FAIL)


@pytest.mark.parametrize(
    ("engine", "index", "share"),
    [
        ("Kubernetes", {"JOB_COMPLETION_INDEX": "1"}, "2/8"),
        ("AWS Batch", {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "8"}, "2/8"),
        ("Argo", {}, "2/8"),
    ],
)
def test_its_line_runs_its_share(farm: Farm, engine: str, index: dict[str, str], share: str) -> None:
    text = recipe(engine).replace("{{inputs.parameters.index}}", "2")
    if engine == "AWS Batch":
        line = json.loads(text)["containerOverrides"]["command"][2].replace("/work", str(farm.where))
    else:
        line = re.sub(r"\s+", " ", re.findall(r"- >-\n(.*?null)", text, re.DOTALL)[0])
    farm.run("env", *(f"{name}={value}" for name, value in index.items()), "sh", "-c", line)
    (directory,) = farm.where.glob("shard-*")
    header = json.loads((directory / "batch.jsonl").read_text().splitlines()[0])
    assert header["shard"] == share
    assert len((directory / "results.jsonl").read_text().splitlines()) == ROWS // 8
