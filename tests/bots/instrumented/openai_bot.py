"""A bot on the SDK of OpenAI, instrumented by opentelemetry-instrumentation-openai-v2."""

import json
import sys

from openai import OpenAI
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}},
    },
}


def main(model_url: str, questions: list[str]) -> None:
    """Answer the questions, each in a trace, with the whole chat in every request."""
    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(tracers)
    set_logger_provider(loggers)
    OpenAIInstrumentor().instrument()
    client = OpenAI(base_url=model_url, api_key="none", max_retries=0)
    messages: list[object] = [{"role": "system", "content": "Be brief."}]
    for question in questions:
        messages.append({"role": "user", "content": question})
        with trace.get_tracer("bot").start_as_current_span("turn") as turn:
            turn.set_attribute("session.id", "openai-chat")
            _answer(client, messages)
    tracers.shutdown()
    loggers.shutdown()


def _answer(client: OpenAI, messages: list[object]) -> None:
    while True:
        done = client.chat.completions.create(model="stand-in", messages=messages, tools=[TOOL])
        message = done.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return
        for call in message.tool_calls:
            result = json.dumps({"status": "sent"})
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
