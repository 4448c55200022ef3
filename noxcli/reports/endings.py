"""A short text for each exit code, for a row of a batch or the head of a page."""

BECAME = {
    0: "completed",
    1: "failed",
    2: "rejected, nothing started",
    3: "stopped",
    4: "API key rejected",
    5: "not found",
    6: "lost contact",
    7: "in doubt",
    8: "not finished",
    9: "completed, output not fully delivered",
    10: "paused for human input",
    11: "completed, assertion failed",
    75: "not started: server unavailable",
    124: "still running at the timeout",
}
