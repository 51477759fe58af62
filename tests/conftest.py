"""What the tests with real programs share: peers/ has the other servers and Postrider itself."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items):
    """What runs in one process when several share the work (make test): the tests of a file, which
    may share servers, and all that need the one test internet. What takes longest begins first."""
    items.sort(key=lambda item: item.path.name != "test_package.py")
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder == "internet" else item.path.name))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.has_failed = True


@pytest.fixture
def folder(request):
    """A folder that other users may enter, as servers with users of their own must; it goes when
    all went well (KEEP=1: it stays)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="postrider-test."))
    path.chmod(0o711)
    yield path
    if getattr(request.node, "has_failed", False) or os.environ.get("KEEP"):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)
