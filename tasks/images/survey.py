"""What a folder of pictures holds, from names and headers; nothing is decoded."""

from collections import Counter
from functools import partial
from pathlib import Path

from tasks.class_folders import find_layout
from tasks.clean_table import Dropped
from tasks.files import list_folder
from tasks.images.clean import CleanPictures, InspectedFile, find_fault
from tasks.images.pictures import SUFFIXES, inspect_header
from tasks.parallel import map_cores
from tasks.survey import Survey


def survey_pictures(archive: Path, clean: CleanPictures) -> Survey:
    """Return what the clean stage would find in the names and headers. Raises UserError when it has no classes."""
    layout = find_layout(list_folder(archive), SUFFIXES)
    headers = map_cores(partial(inspect_header, max_pixels=clean.max_pixels), [entry.file for entry in layout.entries])
    pairs = zip(layout.entries, headers, strict=True)
    files = [InspectedFile(entry, picture) for entry, picture in pairs if not entry.file.path.name.startswith(".")]
    faults = [find_fault(file, clean) for file in files]
    counts = Counter((f.entry.split, f.entry.category) for f, fault in zip(files, faults, strict=True) if not fault)
    dropped = [Dropped(f.entry.name, fault) for f, fault in zip(files, faults, strict=True) if fault]
    fewest = min(Counter(category for _, category in counts.elements()).values(), default=0)
    settings = {"clean.min_per_class": fewest} if 0 < fewest < clean.min_per_class else {}
    remarks = ["The run decodes every picture, and sets damaged ones and duplicates aside too."]
    return Survey("pictures", [layout.describe()], counts, dropped, settings, remarks)
