"""The columns of an event as an Arrow schema: that of every segment of the lake."""

import pyarrow as pa

from ingest.contract import COLUMNS, ColumnType

_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int16": pa.int16(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
}

SCHEMA = pa.schema([pa.field(column.name, _TYPES[column.type]) for column in COLUMNS])
