"""A text, changed in two ways and joined: the smallest flow with members."""

from tasks.change import Member, change_text
from tasks.join import Join, join_texts
from tasks.read import Source, read_text

from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact
from tasks.section import Section

read = stage(read_text, "read")
change = stage(change_text, "change-{member}")
join = stage(join_texts, "join")


class Notes(Section):
    comment: str


class TinyParams(Params):
    heirs = ("members",)

    source: Source
    members: dict[str, Member]
    join: Join
    notes: Notes


@pipeline("tiny", TinyParams)
def tiny(p: TinyParams) -> Artifact:
    """Read a text, change it by each member, join what came out."""
    text = read(p.source)
    changed = [change(text, member, times=2) for member in p.members.values()]
    return join(changed, p.join)
