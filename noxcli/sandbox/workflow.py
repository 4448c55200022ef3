"""A workflow in service."""

from noxcli.sandbox.faults import FaultQueue
from noxcli.sandbox.graph import Graph
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.switches import Switches, with_overrides


class Workflow:
    """A scenario in service."""

    def __init__(self, scenario: Scenario, switches: Switches) -> None:
        self.scenario = scenario
        self.graph = Graph(scenario)
        self.switches = with_overrides(switches, scenario.switches)
        self.arm()

    def arm(self) -> None:
        """Reset all faults."""
        self.faults = FaultQueue(self.scenario.faults)
        self.refusals_left = self.switches.gateway_refusals
