"""Files residents send: judged by their bytes, kept without what they tell beside, or refused."""

import io

import pytest
from files import document, picture
from PIL import Image
from pypdf import PdfReader

from request_svc.domain.refusal import AttachmentBrokenError, AttachmentTypeRefusedError
from request_svc.outbound import clean
from request_svc.outbound.attachment import without_metadata


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_picture_is_kept_without_the_place_it_was_taken_at(form: str) -> None:
    """Nor anything else that is not seen."""
    sent = picture(form)
    assert b"flat 12" in sent
    kept = clean(sent)
    assert kept.place_stripped
    assert kept.media_type == f"image/{form.lower()}"
    with Image.open(io.BytesIO(kept.content)) as seen:
        assert seen.size == (48, 32)
        assert dict(seen.getexif()) == {}
        assert not seen.getexif().get_ifd(0x8825)
    assert b"flat 12" not in kept.content
    assert b"Exif" not in kept.content


def test_a_place_told_in_xmp_alone_is_stripped_and_counted() -> None:
    """Some cameras write it there."""
    kept = clean(picture(place=False, xmp=b"<x:xmpmeta exif:GPSLatitude='55,47.5N'/>"))
    assert kept.place_stripped
    assert b"GPSLatitude" not in kept.content


def test_a_picture_that_told_no_place_is_said_to_have_told_none() -> None:
    """The fact counts, so it is exact."""
    assert not clean(picture(place=False)).place_stripped


def test_a_picture_stays_the_right_way_up() -> None:
    """What EXIF said of it is done to it."""
    with Image.open(io.BytesIO(clean(picture(turned=True)).content)) as seen:
        assert seen.size == (32, 48)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_second_file_behind_the_end_of_a_picture_is_not_kept(form: str) -> None:
    """A polyglot is a picture and nothing else."""
    assert b"<script>" not in clean(picture(form) + b"PK\x03\x04<script>alert(1)</script>").content


@pytest.mark.parametrize(
    "sent",
    [
        b"GIF89a" + b"\x00" * 50,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"MZ\x90\x00",
        b"PK\x03\x04",
        b" %PDF-1.7",
        b"\xff\xd8",
    ],
    ids=["gif", "svg", "program", "archive", "pdf-with-a-head", "two-bytes"],
)
def test_other_kinds_of_files_are_refused(sent: bytes) -> None:
    """Whatever they are called."""
    with pytest.raises(AttachmentTypeRefusedError):
        clean(sent)


def bomb() -> bytes:
    """Make a PNG of a few kilobytes that unfolds to 64 million pixels."""
    written = io.BytesIO()
    Image.new("1", (8000, 8000)).save(written, "PNG")
    assert len(written.getvalue()) < 20_000
    return written.getvalue()


@pytest.mark.parametrize(
    "sent",
    [
        picture()[:200],
        picture("PNG")[:90],
        b"\xff\xd8\xff" + b"not a picture" * 20,
        b"%PDF-1.7 not a document",
        document()[:150],
        document(locked=True),
        document(pages=201),
        bomb(),
        picture("PNG")[:8] + picture(),
    ],
    ids=[
        "half-a-jpeg",
        "half-a-png",
        "jpeg-head",
        "pdf-head",
        "half-a-pdf",
        "locked",
        "too-many-pages",
        "bomb",
        "png-head-on-jpeg",
    ],
)
def test_what_cannot_be_read_as_what_it_says_it_is_is_refused(sent: bytes) -> None:
    """Nothing of it is kept."""
    with pytest.raises(AttachmentBrokenError):
        clean(sent)


def test_a_document_is_kept_without_its_scripts_files_and_author() -> None:
    """Its pages alone are kept."""
    sent = document(jpeg=picture(), pages=2)
    kept = clean(sent)
    assert kept.media_type == "application/pdf"
    assert kept.place_stripped
    reader = PdfReader(io.BytesIO(kept.content))
    assert len(reader.pages) == 2
    assert reader.metadata is None or "/Author" not in reader.metadata
    for told in (b"Ivan", b"script", b"a file inside", b"JavaScript", b"EmbeddedFile", b"Exif"):
        assert told not in kept.content, told
    assert b"\xff\xd8\xff" in kept.content


def test_a_jpeg_inside_a_document_loses_its_metadata_and_not_a_pixel() -> None:
    """Segments are dropped; the scan stays byte for byte."""
    sent = picture()
    plain, told = without_metadata(sent)
    assert told
    with Image.open(io.BytesIO(sent)) as before, Image.open(io.BytesIO(plain)) as after:
        assert before.tobytes() == after.tobytes()
        assert dict(after.getexif()) == {}


def test_the_same_file_is_cleaned_to_the_same_bytes() -> None:
    """So sending it twice keeps it once."""
    for sent in (picture(), picture("PNG"), document(jpeg=picture())):
        assert clean(sent) == clean(sent)
