"""The work for one row: store its files before the start, deliver its output after the end."""

from collections.abc import Callable
from typing import Any

from noxcli.batch.rows import Row
from noxcli.errors import Undelivered
from noxcli.files import reason_of
from noxcli.fixed import fixed
from noxcli.inputs.sources import OnlyFiles
from noxcli.inputs.uploads import Uploader
from noxcli.models import Run, Workflow
from noxcli.outputs.await_output import with_output
from noxcli.outputs.delivered import Delivered
from noxcli.outputs.expand import complete_inline
from noxcli.outputs.filenames import safe_stem
from noxcli.place import Place
from noxcli.retry import Patience
from noxcli.timing import Clock

LONGEST_ID = 60  # bytes of a row's own id in the name of its directory


@fixed
class RowWork:
    """The work for each row besides its run. Called from several threads; `patience` creates a new one each time."""

    api: Any  # paced
    clock: Clock
    patience: Callable[[], Patience]
    place: Place | None  # the parent of the rows' directories
    workflow: Workflow | None = None  # as far as it was read

    def store(self, row: Row) -> dict[str, Any]:
        """Return the row's input object with every file stored. Raises what the API raises."""
        uploader = Uploader(self.api, self.patience(), self.clock, lambda _: None, OnlyFiles())
        return row.inputs.stored(uploader.store)

    def deliver(self, row: Row, run: Run) -> Delivered:
        """Deliver the output of the row's completed run. Raises Undelivered, and what the API raises."""
        run = with_output(self.api, run, self.patience(), self.workflow)
        if self.place is None:
            return complete_inline(self.api, run.output, self.patience())
        from noxcli.outputs.save import Filing  # loaded only to write files

        name = row_folder(row.number, row.id)
        try:
            place = self.place.below(name, make=True)
        except OSError as error:
            raise Undelivered(f"can't write to the directory {self.place.path / name}: {reason_of(error)}") from None
        with place:
            return Filing(self.api, self.patience(), place).deliver(run)


def row_folder(number: int, row_id: str | None) -> str:
    """Return the name of the directory of a row's files."""
    stem = f"{number:06}"
    return stem if row_id is None else f"{stem}-{safe_stem(row_id, LONGEST_ID)}"
