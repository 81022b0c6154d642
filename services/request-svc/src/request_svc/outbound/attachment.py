"""Pictures and documents as residents send them: judged by their bytes, and kept without what they tell beside.

A picture is decoded and written anew, so that nothing stays but what is seen: no place, no camera, no second file behind the end.
A PDF is read and written anew without its metadata, its scripts and the files inside it, and the pictures in it lose theirs.
"""

import io
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from request_svc.domain.refusal import AttachmentBrokenError, AttachmentTypeRefusedError
from shared_events.request import MediaType

MOST_PIXELS = 50_000_000
"""Pixels a picture may have: a file of a few kilobytes can unfold to any size."""

MOST_PAGES = 200
"""Pages a document may have."""

JPEG_QUALITY = 90

_BEGINNINGS: dict[bytes, MediaType] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"%PDF-": "application/pdf",
}
_FORMATS: dict[MediaType, str] = {"image/jpeg": "JPEG", "image/png": "PNG"}
_UNREAD = ("/A", "/AA", "/OpenAction", "/JS", "/JavaScript", "/FS", "/EF", "/AF", "/Metadata", "/PieceInfo")
"""What a document's parts may carry that nobody reads: actions, scripts, files inside, metadata."""

_PLACE_IN_XMP = (b"GPSLatitude", b"GPSLongitude", b"photoshop:City", b"Iptc4xmpCore:Location")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file as it is kept; `place_stripped` says that it had told where it was taken."""

    content: bytes
    media_type: MediaType
    place_stripped: bool


def clean(content: bytes) -> Cleaned:
    """Read a file as what its bytes say it is, and write it anew without what it tells beside.

    Raises `AttachmentTypeRefusedError` for other kinds of files, `AttachmentBrokenError` for one that cannot be read.
    """
    media_type = next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None)
    if media_type is None:
        raise AttachmentTypeRefusedError
    if media_type == "application/pdf":
        return _clean_document(content)
    return _clean_picture(content, media_type)


def _clean_picture(content: bytes, media_type: MediaType) -> Cleaned:
    form = _FORMATS[media_type]
    try:
        with Image.open(io.BytesIO(content), formats=[form]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise AttachmentBrokenError(f"A picture may have {MOST_PIXELS} pixels at most.")
            told_place = _tells_place(picture)
            upright = ImageOps.exif_transpose(picture)
            plain = upright.copy()
            plain.info = {name: value for name, value in upright.info.items() if name == "transparency"}
            written = io.BytesIO()
            plain.save(written, form, quality=JPEG_QUALITY, optimize=False)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, MemoryError) as error:
        raise AttachmentBrokenError from error
    return Cleaned(written.getvalue(), media_type, told_place)


def _tells_place(picture: Image.Image) -> bool:
    """Tell whether a picture says where it was taken, in its EXIF or XMP."""
    xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
    told = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return bool(picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)) or any(word in told for word in _PLACE_IN_XMP)


def _clean_document(content: bytes) -> Cleaned:
    try:
        writer = _pages_alone(PdfReader(io.BytesIO(content), strict=False))
        told_places = [_strip(part) for part in writer._objects]  # noqa: SLF001 - the library offers no walk over all objects
        writer.compress_identical_objects(remove_unreferenced=True)
        written = io.BytesIO()
        writer.write(written)
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise AttachmentBrokenError from error
    return Cleaned(written.getvalue(), "application/pdf", any(told_places))


def _pages_alone(reader: PdfReader) -> PdfWriter:
    """Take the pages of a document into a new one, and nothing else of it."""
    if reader.is_encrypted:
        raise AttachmentBrokenError("It is locked by a password.")
    if not 0 < len(reader.pages) <= MOST_PAGES:
        raise AttachmentBrokenError(f"A document may have 1 to {MOST_PAGES} pages.")
    writer = PdfWriter()
    for page in reader.pages:
        writer.add_page(page)
    writer.metadata = None
    return writer


def _strip(part: object) -> bool:
    """Take from a part of a document what nobody reads; tell whether a picture in it had said where it was taken."""
    if not isinstance(part, DictionaryObject):
        return False
    for key in _UNREAD:
        if key in part:
            del part[NameObject(key)]
    if isinstance(part, StreamObject) and part.get("/Filter") == "/DCTDecode":
        plain, told_place = without_metadata(part._data)  # noqa: SLF001 - the JPEG as it stands in the document
        part._data = plain  # noqa: SLF001 - as above
        return told_place
    return False


def without_metadata(jpeg: bytes) -> tuple[bytes, bool]:
    """Drop the segments of a JPEG that hold EXIF, XMP and comments, its picture untouched; and whether they told a place.

    Segments up to the start of the scan: marker (2 bytes), length (2 bytes, big-endian, with itself), content.
    """
    kept, place, told_place = bytearray(jpeg[:2]), 2, False
    while place + 4 <= len(jpeg) and jpeg[place] == 0xFF and jpeg[place + 1] != 0xDA:
        marker, length = jpeg[place + 1], int.from_bytes(jpeg[place + 2 : place + 4])
        segment = jpeg[place : place + 2 + length]
        if marker in {0xE1, 0xED, 0xFE}:
            told_place |= b"GPS" in segment or _has_place(segment)
        else:
            kept += segment
        place += 2 + length
    return bytes(kept) + jpeg[place:], told_place


def _has_place(segment: bytes) -> bool:
    """Tell whether an EXIF segment points to a block of places (tag 0x8825)."""
    return segment[4:10] == b"Exif\x00\x00" and (b"\x88\x25" in segment or b"\x25\x88" in segment)
