"""Documents by their rules, and the directory that keeps them."""

import hashlib
from pathlib import Path

import pytest

from discussion_svc.domain.document import BEGINNINGS, LARGEST, Upload, describe
from discussion_svc.domain.refusal import (
    DiscussionError,
    DocumentMismatchError,
    DocumentMissingError,
    DocumentTooLargeError,
    MediaTypeError,
    TextMissingError,
)
from shared_chassis.object_store import ObjectDamagedError, ObjectMissingError, ObjectStore

TEXT = "Проект планировки".encode()


def test_a_document_is_known_by_its_bytes() -> None:
    """Its address is the SHA-256 of them; a plain text is UTF-8."""
    document = describe(Upload("plan.txt", "Text/Plain", TEXT))
    assert (document.sha256, document.size) == (hashlib.sha256(TEXT).hexdigest(), len(TEXT))
    assert (document.name, document.media_type) == ("plan.txt", "text/plain; charset=utf-8")


@pytest.mark.parametrize("media_type", BEGINNINGS)
def test_every_kind_of_document_is_taken_when_it_is_what_it_says(media_type: str) -> None:
    """A file begins as files of its kind do."""
    assert describe(Upload("plan", media_type, BEGINNINGS[media_type] + b"rest")).media_type.startswith(media_type)


@pytest.mark.parametrize(
    ("upload", "error"),
    [
        (Upload("plan.txt", "text/plain", b""), DocumentMissingError),
        (Upload("plan.txt", "text/plain", b"x" * (LARGEST + 1)), DocumentTooLargeError),
        (Upload("plan.html", "text/html", b"<script>"), MediaTypeError),
        (Upload("plan.svg", "image/svg+xml", b"<svg>"), MediaTypeError),
        (Upload("plan.pdf", "application/pdf", b"MZ"), DocumentMismatchError),
        (Upload("plan.txt", "text/plain", b"\xff\xfe"), DocumentMismatchError),
        (Upload("plan.txt", "text/plain", b"a\x00b"), DocumentMismatchError),
        (Upload(" / ", "text/plain", TEXT), TextMissingError),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(upload: Upload, error: type[DiscussionError]) -> None:
    """Empty, too large, of a kind that runs in a browser, or not what it is said to be."""
    with pytest.raises(error):
        describe(upload)


@pytest.mark.parametrize(
    ("given", "kept"), [("../../etc/plan.txt", "plan.txt"), ("C:\\docs\\план.txt", "план.txt"), ("a\r\nb.txt", "ab.txt")]
)
def test_a_name_is_kept_without_folders_and_control_characters(given: str, kept: str) -> None:
    """So that it harms no header and no disk."""
    assert describe(Upload(given, "text/plain", TEXT)).name == kept


def test_an_object_is_kept_under_its_hash_and_read_back(tmp_path: Path) -> None:
    """The same bytes are kept once, and nothing else is left behind."""
    store = ObjectStore(tmp_path / "objects")
    name = store.put(TEXT)
    assert store.put(TEXT) == name == hashlib.sha256(TEXT).hexdigest()
    assert store.get(name) == TEXT
    assert [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()] == [name]


def test_a_damaged_object_is_never_given_out(tmp_path: Path) -> None:
    """One changed byte is noticed."""
    store = ObjectStore(tmp_path)
    name = store.put(TEXT)
    (tmp_path / name[:2] / name).write_bytes(TEXT + b"!")
    with pytest.raises(ObjectDamagedError):
        store.get(name)


@pytest.mark.parametrize("name", ["0" * 64, "../../../etc/passwd", "..", ""])
def test_only_hashes_name_objects(tmp_path: Path, name: str) -> None:
    """Nothing outside the directory can be asked for."""
    with pytest.raises(ObjectMissingError):
        ObjectStore(tmp_path).get(name)


def test_an_interrupted_write_leaves_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object appears by the rename alone, and what was written beside it is cleared away."""

    def fail(_self: Path, _target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    store = ObjectStore(tmp_path)
    with pytest.raises(OSError, match="no space left"):
        store.put(TEXT)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
