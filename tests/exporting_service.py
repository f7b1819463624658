"""A service whose figures and traces go into a file, as an operator's OpenTelemetry would take them.

python -m tests.exporting_service FILE serve --http …
"""

import sys

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from cleanlist_mcp.cli.main import main

if __name__ == "__main__":
    with open(sys.argv.pop(1), "w", encoding="utf-8") as out:
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
        trace.set_tracer_provider(traces)
        figures = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(out=out))])
        metrics.set_meter_provider(figures)
        try:
            main()
        finally:
            figures.shutdown()
            traces.shutdown()
