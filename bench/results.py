"""What one run of a scenario against one server gave, and what its figures mean. Everything here becomes JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of a table."""

    key: str
    title: str
    unit: str
    better: Better = "lower"
    """Which way is good; `neither` for figures that are only there to be read."""


@dataclass(slots=True)
class Point:
    """One load of a ramp."""

    rate: float
    """Updates a second that were due."""
    deliveries_per_second: float
    p50_ms: float
    p99_ms: float
    passed: bool
    server_cores: float
    """Share of its core that the server used."""
    generator_cores: float


@dataclass(slots=True)
class Outcome:
    """One run of one scenario against one server."""

    values: dict[str, float] = field(default_factory=dict)
    """By key of the metric; a figure that could not be had is absent."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """By key of the metric: what was wrong with the content. A metric with a fault has failed, whatever its value."""
    notes: dict[str, str] = field(default_factory=dict)
    """By key of the metric: why a figure is absent, or what to know about it."""
    ramps: dict[str, list[Point]] = field(default_factory=dict)
    """By key of the metric that a ramp was for."""
    failure: str | None = None
    """Why the scenario as a whole could not be run to its end."""
    generator_cores: float = 0.0
    """The most the generator used of its own core during any measurement."""
    other_cores: float = 0.0
    """What everything else on the machine used meanwhile."""

    def fault(self, key: str, text: str) -> None:
        self.faults.setdefault(key, []).append(text)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Outcome":
        ramps = {key: [Point(**point) for point in points] for key, points in raw["ramps"].items()}
        return cls(**(raw | {"ramps": ramps}))
