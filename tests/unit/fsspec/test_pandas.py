"""pandas, pyarrow and Dask write through the filesystem. They are large, so no other test needs them.

``python -m tests.unit.fsspec`` runs these where they are installed: ``pip install pandas pyarrow "dask[dataframe]"``.
"""

from __future__ import annotations

import pytest

from tests.unit.fsspec.conftest import options_for

pandas = pytest.importorskip("pandas", reason="pandas, pyarrow and Dask are too large for the group of the tests")

URL = "aios3://bucket/table"


class Poison:
    """Value that cannot be written."""

    def __str__(self) -> str:
        raise ValueError("poison")

    __repr__ = __str__


@pytest.fixture
def options(store):
    """Storage options for the store; the default blocks make parts of a megabyte."""
    return options_for(store) | {"transfer": {}}


@pytest.fixture
def frame():
    """Table of some megabytes as text."""
    return pandas.DataFrame({"a": range(200_000), "b": [f"row {number}" for number in range(200_000)]})


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_csv_is_written_and_read(store, options, frame, compression):
    frame.to_csv(URL, index=False, compression=compression, storage_options=options)
    assert pandas.read_csv(URL, compression=compression, storage_options=options).equals(frame)
    assert not store.open_uploads


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_table_that_cannot_be_written_leaves_no_csv(store, options, frame, compression):
    frame["b"] = [*frame["b"][:-1], Poison()]
    with pytest.raises(ValueError, match="poison"):
        frame.to_csv(URL, index=False, compression=compression, storage_options=options)
    assert (store.objects, store.open_uploads) == ({}, [])


def test_json_and_pickle_are_written_and_read(store, options, frame):
    frame.to_json(URL, storage_options=options)
    assert pandas.read_json(URL, storage_options=options).equals(frame)
    frame.to_pickle(URL, storage_options=options)
    assert pandas.read_pickle(URL, storage_options=options).equals(frame)


class TestArrow:
    """Parquet."""

    @pytest.fixture(autouse=True)
    def _needs_pyarrow(self):
        pytest.importorskip("pyarrow", reason="pandas needs it for Parquet")

    def test_parquet_is_written_and_read(self, store, options, frame):
        frame.to_parquet(URL, storage_options=options)
        assert pandas.read_parquet(URL, columns=["b"], storage_options=options).equals(frame[["b"]])
        assert not store.open_uploads

    def test_partitions_are_directories(self, store, options, frame):
        frame["part"] = frame["a"] % 3
        frame.to_parquet(URL, partition_cols=["part"], storage_options=options)
        assert {key.split("/")[1] for _, key in store.objects} == {"part=0", "part=1", "part=2"}
        assert len(pandas.read_parquet(URL, storage_options=options)) == len(frame)

    def test_a_writer_whose_block_raises_leaves_no_object(self, store, options, frame):
        import fsspec
        from pyarrow import Table
        from pyarrow.parquet import ParquetWriter

        fs, path = fsspec.url_to_fs(URL, **options)
        table = Table.from_pandas(frame)
        writing = ParquetWriter(path, table.schema, filesystem=fs)
        with pytest.raises(ValueError, match="stop"), writing as writer:
            writer.write_table(table)
            raise ValueError("stop")
        assert (store.objects, store.open_uploads) == ({}, [])


class TestDask:
    """One object for each partition."""

    @pytest.fixture
    def table(self, frame):
        """The table in three partitions."""
        dask = pytest.importorskip("dask")
        dataframe = pytest.importorskip("dask.dataframe")
        with dask.config.set(scheduler="threads"):
            yield dataframe.from_pandas(frame, npartitions=3)

    @pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # Dask of pandas 2 under pandas 3
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_a_table_is_written_and_read(self, store, options, table, frame, kind):
        import dask.dataframe

        getattr(table, f"to_{kind}")(URL, storage_options=options)
        pattern = f"{URL}/*.part" if kind == "csv" else URL
        found = getattr(dask.dataframe, f"read_{kind}")(pattern, storage_options=options).compute()
        assert found[["a", "b"]].to_numpy().tolist() == frame.to_numpy().tolist()
        assert not store.open_uploads

    def test_a_partition_that_fails_leaves_no_object_of_itself(self, store, options, table):
        poisoned = table.map_partitions(lambda part: part.assign(b=[*part["b"][:-1], Poison()]))
        with pytest.raises(ValueError, match="poison"):
            poisoned.to_csv(URL, storage_options=options, single_file=False)
        assert (store.objects, store.open_uploads) == ({}, [])
