"""Uploads from the workers of a Dask cluster: one object of many pieces, or many files.

The extra ``dask`` installs what this package needs besides aios3.
"""

from __future__ import annotations

from aios3._extras import of_extra

with of_extra("dask", "distributed"):
    from .file_uploads import FailedFile, FilesUploaded, upload_files
    from .object_upload import upload_from_workers

__all__ = ["FailedFile", "FilesUploaded", "upload_files", "upload_from_workers"]
