"""Makes pandas.parquet and spark.parquet: python3 make.py, with pandas and pyarrow."""

import datetime
import decimal

import pandas
import pyarrow
import pyarrow.parquet

# As pandas writes a frame with an index.
days = pandas.date_range("2024-01-30", periods=4, freq="D", name="day")
pandas.DataFrame(
    {
        "sales": [1.5, None, 1e300, -0.0],
        "shop": pandas.Categorical(["Köln", "a,b", None, 'say "x"']),
        "n": [1, 2, 3, 4],
        "open": [True, False, True, True],
        "at": days.tz_localize("Europe/Berlin") + pandas.Timedelta("90min"),
    },
    index=days,
).to_parquet("pandas.parquet", compression="snappy")

# Types that databases and Spark write, in two row groups.
table = pyarrow.table(
    {
        "date": pyarrow.array([datetime.date(1969, 12, 31), None, datetime.date(2024, 2, 29)]),
        "price": pyarrow.array([decimal.Decimal("-0.05"), decimal.Decimal("1234567890123.45"), None], pyarrow.decimal128(38, 2)),
        "small": pyarrow.array([decimal.Decimal("1.5"), decimal.Decimal("0.0"), decimal.Decimal("-12.3")], pyarrow.decimal128(5, 1)),
        "u": pyarrow.array([0, 2**64 - 1, 1], pyarrow.uint64()),
        "i": pyarrow.array([-128, 127, None], pyarrow.int8()),
        "f": pyarrow.array([0.1, 2.5, None], pyarrow.float32()),
        "ns": pyarrow.array([datetime.datetime(2024, 1, 1, 0, 0, 0, 1), None, datetime.datetime(1960, 1, 1)], pyarrow.timestamp("ns")),
        "text": ["x", "", None],
    }
)
pyarrow.parquet.write_table(table, "spark.parquet", row_group_size=2, compression="zstd", use_deprecated_int96_timestamps=True, store_decimal_as_integer=True)

# A column that is no plain column.
pyarrow.parquet.write_table(pyarrow.table({"a": [[1, 2], [3]]}), "lists.parquet")
