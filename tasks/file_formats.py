"""Names the format of a picture, sound or archive that cannot be read, and the command that converts it."""

HEIC = "convert it to JPEG, for example with `heif-convert IN OUT.jpg`"
SOUND = "convert it to WAV, for example with `ffmpeg -i IN OUT.wav`"
PICTURE = "convert it to PNG, for example with `magick IN OUT.png`"
UNPACK = "unpack it, for example with `7z x IN -oOUT`"
# Of the ISO container: the brand behind `ftyp`.
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), ("HEIC", HEIC)),
    b"M4A ": ("M4A", SOUND), b"M4B ": ("M4A", SOUND), b"qt  ": ("MOV", SOUND), b"crx ": ("CR3", PICTURE),
}  # fmt: skip
STARTS = {
    b"#!AMR": ("AMR", SOUND), b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": ("WMA", SOUND), b"\x1a\x45\xdf\xa3": ("WebM", SOUND),
    b"\xff\xf1": ("AAC", SOUND), b"\xff\xf9": ("AAC", SOUND), b"8BPS": ("PSD", PICTURE), b"%PDF": ("PDF", PICTURE),
    b"<svg": ("SVG", PICTURE), b"%!PS": ("EPS", PICTURE), b"\x00\x00\x00\x0cJXL ": ("JPEG XL", PICTURE),
    b"\xff\x0a": ("JPEG XL", PICTURE), b"\x00\x00\x00\x0cjP  ": ("JPEG 2000", PICTURE),
    b"Rar!\x1a\x07": ("RAR", "unpack it, for example with `unrar x IN OUT/`"), b"7z\xbc\xaf\x27\x1c": ("7z", UNPACK),
    b"MSCF": ("CAB", UNPACK), b"\x1f\x9d": ("compress (.Z)", UNPACK), b"LZIP": ("lzip", "unpack it with `lzip -d IN`"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", "unpack it with `zstd -d IN`"),
    b"\x04\x22\x4d\x18": ("LZ4", "unpack it with `lz4 -d IN OUT`"),
}  # fmt: skip


def name_format(start: bytes) -> str:
    """Return the format that a file's first bytes (16 or more) name, with how to convert it; "" if it is unknown."""
    is_iso = start[4:8] == b"ftyp"
    known = BRANDS.get(start[8:12], ("MP4", SOUND)) if is_iso else _find_start(start)
    return f"{known[0]}: cannot be read; {known[1]}" if known else ""


def _find_start(start: bytes) -> tuple[str, str] | None:
    return next((known for mark, known in STARTS.items() if start.startswith(mark)), None)
