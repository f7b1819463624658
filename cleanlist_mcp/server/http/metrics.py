"""The figures of `measures` for OpenTelemetry, by its API alone: until an operator adds its SDK they go nowhere."""

from collections.abc import Callable, Mapping

from opentelemetry.metrics import Meter, MeterProvider, get_meter

from cleanlist_mcp import __version__
from cleanlist_mcp.measures import FIGURES, Figure, listen

Record = Callable[[float, Mapping[str, str]], None]


def report_figures(provider: MeterProvider | None = None) -> None:
    """Give every figure to OpenTelemetry from now on; to the provider of this process unless another one is named."""
    meter = get_meter("cleanlist_mcp", __version__, meter_provider=provider)
    records = {figure.name: _record(meter, figure) for figure in FIGURES}
    listen(lambda figure, amount, labels: records[figure.name](amount, labels))


def _record(meter: Meter, figure: Figure) -> Record:
    if figure.unit == "s":
        histogram = meter.create_histogram(figure.name, figure.unit, figure.about)
        return lambda amount, labels: histogram.record(amount, dict(labels))
    counter = meter.create_counter(figure.name, figure.unit, figure.about)
    return lambda amount, labels: counter.add(amount, dict(labels))
