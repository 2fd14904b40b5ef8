"""All the flows, one after the other: what runs every night."""

from flows.audio import audio
from flows.engine.stage import Chain
from flows.images import images
from flows.text import text

all = Chain("all", (images, text, audio))
