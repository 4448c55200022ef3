"""A request to the API: what it is about, and its query and body, checked as FastAPI does it."""

import math
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from noxcli.sandbox.answers import Invalid
from noxcli.sandbox.faults import Fault
from noxcli.sandbox.filestore import StoredFile
from noxcli.sandbox.json_toml import decoded
from noxcli.sandbox.run import Run
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.workflow import Workflow
from noxcli.sandbox.workspace import Workspace

_TRUE = ("true", "1", "on", "yes")
_FALSE = ("false", "0", "off", "no")


class ApiRequest(Request):
    """What the path names is looked up when it is used; what does not exist is a 404."""

    fault: Fault | None = None  # what goes wrong with the answer's body

    @property
    def workspace(self) -> Workspace:
        """The state behind the API."""
        workspace: Workspace = self.app.state.workspace
        return workspace

    @property
    def workflow(self) -> Workflow:
        """The workflow in the path."""
        return self.workspace.workflow(self.path_params["workflow_id"])

    @property
    def run(self) -> Run:
        """The run in the path, which has to be one of the workflow if that is also there."""
        workflow = None
        if "workflow_id" in self.path_params:
            workflow = self.workflow
        return self.workspace.run(self.path_params["run_id"], workflow)

    @property
    def file(self) -> StoredFile:
        """The file in the path."""
        return self.workspace.file(self.path_params["file_id"])

    @property
    def owner(self) -> Workflow | None:
        """The workflow whose faults and switches apply, if there is one."""
        try:
            if "workflow_id" in self.path_params:
                return self.workflow
            if "run_id" in self.path_params:
                return self.run.workflow
            if "file_id" in self.path_params:
                return self.workspace.workflows.get(self.file.owner)
        except HTTPException:
            pass  # the endpoint reports what is missing
        return None

    @property
    def switches(self) -> Switches:
        """The switches of that workflow, or of the whole server."""
        return (self.owner or self.workspace).switches

    def flag(self, name: str, default: str = "false") -> bool:
        """A boolean of the query."""
        text = self.query_params.get(name, default).lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise Invalid(
            ["query", name],
            "Input should be a valid boolean, unable to interpret input",
            "bool_parsing",
        )

    def choice(self, name: str, words: Sequence[str]) -> str:
        """One of these words of the query; the first if it is missing."""
        text = self.query_params.get(name, words[0])
        if text not in words:
            listed = ", ".join([repr(word) for word in words])
            raise Invalid(["query", name], f"Input should be {listed}", "literal_error")
        return text

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A whole number from 1 of the query."""
        text = self.query_params.get(name, str(default))
        try:
            value = int(text)
        except ValueError:
            raise Invalid(
                ["query", name], "Input should be a valid integer", "int_parsing"
            ) from None
        if value < 1:
            raise Invalid(
                ["query", name], "Input should be greater than or equal to 1", "greater_than_equal"
            )
        if most is not None and value > most:
            raise Invalid(
                ["query", name], f"Input should be less than or equal to {most}", "less_than_equal"
            )
        return value

    def page(self, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The items of the requested page, and the envelope around them.

        The parameter is called `size`; `page_size`, which SDK 0.6.0 sends as well, has no effect.
        """
        most = self.switches.page_limit
        at = self.number("page", 1)
        size = self.number("size", min(self.switches.page_size, most), most)
        envelope = {
            "total": len(items),
            "page": at,
            "size": size,
            "pages": math.ceil(len(items) / size),
        }
        return items[(at - 1) * size : at * size], envelope

    async def content(self, *required: str) -> dict[str, Any]:
        """The JSON object in the body, which has these fields."""
        try:
            value = decoded(await self.body() or b"null")
        except ValueError:
            raise Invalid(["body"], "JSON decode error", "json_invalid") from None
        if value is None:
            raise Invalid(["body"], "Field required", "missing")
        if not isinstance(value, dict):
            raise Invalid(["body"], "Input should be a valid dictionary", "model_attributes_type")
        for name in required:
            if name not in value:
                raise Invalid(["body", name], "Field required", "missing")
        return value

    async def start(self) -> Run:
        """The run that the body starts: its `input` is there, and is an object."""
        body = await self.content("input")
        if not isinstance(body["input"], dict):
            raise Invalid(["body", "input"], "Input should be a valid dictionary", "dict_type")
        return self.workspace.start(self.workflow, body)
