"""The public names: these and no others, documented, typed, and with the bases that callers catch."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.resources
import inspect
import pkgutil
import subprocess
import sys

import pytest

import aios3

DRIVERS = {"S3StorageDriver", "AmazonS3StorageDriver", "GoogleStorageDriver"}
OPTIONS = {"TransferConfig", "RetryPolicy", "Timeouts", "Credentials", "CredentialsProvider", "ANONYMOUS", "Provider"}
OPTIONS |= {"Anonymous", "Observer", "RefreshableCredentials"}
VALUES = {"UploadReceipt", "UploadedPart", "UploadProgress", "Container", "StorageObject", "PendingUpload"}
VALUES |= {"RecoveredUpload", "UploadCheckpoint", "Verification", "MultipartUpload", "PartsUploaded", "CommitRequest"}
EXTRAS = {"PROVIDERS", "ResponseOverrides", "UploadAccess", "UploadAttributes", "UploadWriter", "OpenedObject"}
EXTRAS |= {"command_output"}
EXTRAS |= {"CopyAttributes", "DeleteOptions", "ListOptions", "ReadOptions"}
VALUES |= {"CommonPrefix", "ObjectVersion", "DeletionFailure", "DeletionResult"}
VALUES |= {
    "ObservedAttempt",
    "ObservedOperation",
    "ObservedRetry",
    "ObservedUpload",
    "ObservedUploadEnd",
    "UploadTiming",
}
"""What signatures name and users need for their own: the table, the keyword arguments, what is open, a source."""

TREE = {
    "StorageError": (Exception,),
    "ConfigurationError": ("StorageError", ValueError),
    "ObjectTooLargeError": ("StorageError",),
    "SizeMismatchError": ("StorageError",),
    "PartLimitError": ("StorageError",),
    "ResponseError": ("StorageError",),
    "ContainerNotFoundError": ("ResponseError",),
    "ObjectNotFoundError": ("ResponseError",),
    "UploadNotFoundError": ("ResponseError",),
    "AccessDeniedError": ("ResponseError",),
    "CredentialsError": ("ResponseError",),
    "PreconditionFailedError": ("ResponseError",),
    "ConflictError": ("ResponseError",),
    "ThrottledError": ("ResponseError",),
    "TransportError": ("StorageError", OSError),
    "TransportTimeoutError": ("TransportError", TimeoutError),
    "IntegrityError": ("StorageError",),
    "CompletionUnknownError": ("StorageError",),
    "SourceStalledError": ("StorageError", TimeoutError),
    "DriverClosedError": ("StorageError",),
    "UploadSuspendedError": ("DriverClosedError",),
    "CommandError": (Exception,),
}


def test_exactly_these_names_are_public():
    """A name that is added here is a promise; one that is taken away breaks somebody."""
    assert set(aios3.__all__) == DRIVERS | OPTIONS | VALUES | EXTRAS | set(TREE)
    assert len(aios3.__all__) == len(set(aios3.__all__))


@pytest.mark.parametrize("name", sorted(set(aios3.__all__) - {"ANONYMOUS", "PROVIDERS"}))
def test_every_public_class_is_documented(name):
    """With a docstring of its own, and so are its public methods and properties."""
    found = getattr(aios3, name)
    assert found.__doc__ or any(base.__doc__ for base in found.__mro__[1:-1])
    assert not (found.__doc__ or "").startswith(f"{name}(")  # what a dataclass writes by itself
    for attribute, member in inspect.getmembers(found):
        if attribute.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        assert inspect.getdoc(member), f"{name}.{attribute}"


@pytest.mark.parametrize("name", sorted(TREE))
def test_the_error_tree_is_as_drawn(name):
    """Callers catch by base, also by the built-in ones."""
    bases = tuple(getattr(aios3, base) if isinstance(base, str) else base for base in TREE[name])
    assert getattr(aios3, name).__bases__ == bases
    assert name in (sys.modules["aios3.errors"].__doc__ or "")


def test_every_error_of_the_package_is_public():
    """No module keeps an error to itself that callers could meet."""
    found = {name for name, value in vars(sys.modules["aios3.errors"]).items() if inspect.isclass(value)}
    assert found == set(TREE)
    assert set(sys.modules["aios3.errors"].__all__) == found


@pytest.mark.parametrize("name", sorted(VALUES | {"TransferConfig", "RetryPolicy", "Timeouts", "Credentials"}))
def test_values_cannot_be_changed(name):
    """What the library hands out or takes is frozen."""
    parameters = getattr(getattr(aios3, name), "__dataclass_params__")  # noqa: B009
    assert parameters.frozen
    assert dataclasses.is_dataclass(getattr(aios3, name))


def test_the_three_drivers_are_one():
    """The two named ones only preset the provider."""
    assert issubclass(aios3.AmazonS3StorageDriver, aios3.S3StorageDriver)
    assert issubclass(aios3.GoogleStorageDriver, aios3.S3StorageDriver)
    for preset in (aios3.AmazonS3StorageDriver, aios3.GoogleStorageDriver):
        assert {name for name in vars(preset) if not name.startswith("__")} == {"default_provider"}


CONTRACT = {
    "upload_object_via_stream", "upload_object", "open_upload", "aclose",
    "iterate_containers", "get_container", "create_container", "delete_container",
    "iterate_container_objects", "get_object", "open_object", "download_object_as_stream", "download_object",
    "delete_object", "delete_objects", "copy_object", "iterate_object_versions",
    "get_container_cdn_url", "get_object_cdn_url", "create_download_url", "create_upload_url",
    "create_multipart_upload", "upload_parts", "upload_part", "copy_part", "create_part_url", "iterate_parts",
    "complete_multipart_upload", "abort_multipart_upload",
    "iterate_multipart_uploads", "cleanup_multipart_uploads", "find_checkpoint", "find_checkpoints", "recover",
}  # fmt: skip


def test_a_driver_has_the_methods_of_the_contract_and_no_others():
    """Names follow Libcloud's storage driver."""
    found = {name for name in dir(aios3.S3StorageDriver) if not name.startswith("_")}
    assert found == CONTRACT | {"default_provider"}


def test_the_marker_of_typed_packages_ships():
    """Type checkers look for it inside the package."""
    assert importlib.resources.files("aios3").joinpath("py.typed").is_file()


def test_every_module_can_be_imported_and_lists_what_it_gives():
    """``__all__`` names what is there."""
    for module_info in pkgutil.walk_packages(aios3.__path__, "aios3."):
        module = importlib.import_module(module_info.name)
        assert module.__doc__ or module.__file__.endswith("__init__.py")
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module_info.name}.{name}"


def test_importing_the_package_imports_no_test_code():
    """The local store and pytest stay out of production, the web and the command line out of other programs."""
    unwanted = ("aios3.testing", "aios3.web", "aios3.cli", "aios3.fsspec", "fsspec", "click", "rich", "pytest")
    script = f"import aios3, sys; print([n for n in sys.modules if n.startswith({unwanted})])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.strip() == "[]"
