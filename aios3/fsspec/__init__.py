"""Filesystem of fsspec over the driver (extra ``fsspec``), whose writers discard what an exception interrupts.

fsspec finds it by the name ``aios3`` in the metadata of the installed package. An import of this module registers it
too, for a package that is not installed.
"""

try:
    import fsspec
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "aios3.fsspec needs the package 'fsspec': pip install 'aios3-upload[fsspec]'", name=error.name
    ) from error

from aios3.fsspec.filesystem import Aios3FileSystem

__all__ = ["Aios3FileSystem"]

fsspec.register_implementation("aios3", Aios3FileSystem, clobber=True)
