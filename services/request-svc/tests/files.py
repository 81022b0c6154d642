"""Pictures and documents for tests: with a place in them, with a second file behind their end, and worse."""

import io

from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject, TextStringObject

KAZAN_LATITUDE = (IFDRational(55), IFDRational(47), IFDRational(4771, 100))


def picture(
    form: str = "JPEG",
    size: tuple[int, int] = (48, 32),
    *,
    place: bool = True,
    turned: bool = False,
    xmp: bytes | None = None,
) -> bytes:
    """Draw a picture that tells where it was taken, and which way up it is."""
    exif = Image.Exif()
    exif[0x010E] = "At home, flat 12"
    if turned:
        exif[0x0112] = 6
    if place:
        exif.get_ifd(0x8825).update({1: "N", 2: KAZAN_LATITUDE, 3: "E", 4: KAZAN_LATITUDE})
    written = io.BytesIO()
    beside: dict[str, bytes] = {"comment": b"Rear window, flat 12"} if form == "JPEG" else {}
    if xmp is not None and form == "JPEG":
        beside["xmp"] = xmp
    Image.linear_gradient("L").resize(size).convert("RGB").save(written, form, exif=exif.tobytes(), **beside)
    return written.getvalue()


def document(*, jpeg: bytes | None = None, pages: int = 1, locked: bool = False) -> bytes:
    """Write a document that says who wrote it, runs a script, carries a file, and perhaps shows a picture."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    writer.add_metadata({"/Author": "Ivan at home"})
    script = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("alert('from a script')")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(script)
    writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): DictionaryObject(script)})
    writer.add_attachment("secret.txt", b"a file inside a file")
    if jpeg is not None:
        shown = DecodedStreamObject()
        shown._data = jpeg
        shown.update(
            {
                NameObject("/Type"): NameObject("/XObject"),
                NameObject("/Subtype"): NameObject("/Image"),
                NameObject("/Width"): NumberObject(48),
                NameObject("/Height"): NumberObject(32),
                NameObject("/ColorSpace"): NameObject("/DeviceRGB"),
                NameObject("/BitsPerComponent"): NumberObject(8),
                NameObject("/Filter"): NameObject("/DCTDecode"),
            }
        )
        pictures = DictionaryObject({NameObject("/Im0"): writer._add_object(shown)})
        writer.pages[0][NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): pictures})
    if locked:
        writer.encrypt("password")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()
