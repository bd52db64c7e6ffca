"""Which spans speak: a span with the content of its log records; an agent's only where no call of a model does. Pure."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from ingest.bots.otlp.observation import Observation


def speaking_spans(observations: Sequence[Observation]) -> list[Observation]:
    """Return spans with the messages that are theirs to tell, in order of their times.

    An agent's span repeats what the calls of its models say.
    """
    spans = _with_logs(observations)
    told = {each.trace_id for each in spans if each.kind == "model" and each.has_content}
    found = [
        msgspec.structs.replace(each, inputs=[], outputs=[])
        if each.kind == "agent" and each.trace_id in told
        else each
        for each in spans
    ]
    return sorted(found, key=lambda each: (each.start, each.end, each.trace_id, each.span_id))


def _with_logs(observations: Sequence[Observation]) -> list[Observation]:
    """Return the spans; log records without their span count as one."""
    logs: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for each in sorted(observations, key=lambda each: each.start):
        if each.is_log:
            logs[each.trace_id, each.span_id].append(each)
    spans = [
        _joined(each, logs.pop((each.trace_id, each.span_id), []))
        for each in observations
        if not each.is_log
    ]
    return spans + [_joined(records[0], records) for records in logs.values()]


def _joined(span: Observation, records: Sequence[Observation]) -> Observation:
    if not records or (span.has_content and not span.is_log):
        return span
    return msgspec.structs.replace(
        span,
        inputs=[message for each in records for message in each.inputs],
        outputs=[message for each in records for message in each.outputs],
        end=max(span.end, records[-1].end),
    )
