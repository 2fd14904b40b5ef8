"""Images: from an archive or a list of addresses to one TorchScript ensemble."""

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact, Published, Role
from flows.shared import CURVE, DOUBTS, HISTORY, SCORES, register
from tasks import download, folds
from tasks.files import name_shard
from tasks.images import (
    addresses,
    clean,
    error_analysis,
    explain,
    label_audit,
    member,
    predict,
    resize,
    sample,
    sections,
)
from tasks.images.ensemble import PictureEnsemble
from tasks.learning import compute, ensemble, evaluate, export, train
from tasks.learning.label_audit import audit_predictions
from tasks.shard_tables import name_kept


class ImagesParams(Params):
    """The sections of params/images.yaml."""

    heirs = ("sizes", "members")

    sample: sample.SampleSection
    source: download.ShardedSource
    addresses: addresses.Addresses
    clean: clean.CleanPictures
    folds: folds.UndatedFolds
    compute: compute.Compute
    sizes: dict[str, sections.Size]
    members: dict[str, member.Member] = Field(min_length=1)
    ensemble: PictureEnsemble

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        if self.source.archive == download.ADDRESSES and not self.addresses.file:
            raise ValueError(
                "source.archive is addresses, but addresses.file is empty: --set addresses.file=PATH names a CSV table "
                "with the columns url, class and type"
            )
        return self

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        sections.check_sizes(self.sizes, {name: settings.sizes for name, settings in self.members.items()})
        return self


# DVC's plots of the pictures' sizes and classes, and of the ensemble's errors.
BALANCE = Published(plots={"balance.png": {}, "sizes.png": {}})
SHEETS = Published(
    plots={
        "learning_curves.csv": {"x": "epoch", "y": "train_loss", "title": "training loss over the sizes"},
        **{name: {} for name in ("learning_curves.png", "worst.png", "uncertain.png", "maps.png")},
    }
)
DOUBT_SHEET = replace(DOUBTS, plots={**DOUBTS.plots, "sheet.png": {}})

make_sample = stage(sample.make_sample, "sample")
download_shards = stage(download.download_shards, "download", role=Role.ARCHIVE)
fetch_addresses = stage(addresses.fetch_addresses, "download", role=Role.ARCHIVE)
check_pictures = stage(clean.check_pictures, "check-{shard}")
clean_pictures = stage(clean.clean_pictures, "clean", role=Role.CLEAN_TABLE, publish=BALANCE)
split_folds = stage(folds.split_folds, "folds", role=Role.FOLDS)
resize_pictures = stage(resize.resize_pictures, "pixels{pixels}-{shard}")
find_lr = stage(train.find_lr, "lr-{member}-fold{fold}", role=Role.RANGE_TEST, learns=True, publish=CURVE)
fit = stage(train.fit, "fit-{member}-{size}-fold{fold}", role=Role.FIT, learns=True, publish=HISTORY)
build_ensemble = stage(ensemble.build_ensemble, "ensemble", role=Role.PREDICTIONS)
evaluate_ensemble = stage(evaluate.evaluate_predictions, "evaluate", role=Role.EVALUATION, learns=True, publish=SCORES)
analyse_errors = stage(error_analysis.analyse_errors, "errors", learns=True, publish=SHEETS)
audit_ensemble = stage(audit_predictions, "audit", role=Role.AUDIT, learns=True, publish=DOUBTS)
audit_pictures = stage(label_audit.audit_pictures, "audit", role=Role.AUDIT, learns=True, publish=DOUBT_SHEET)
export_ensemble = stage(export.export_ensemble, "export", learns=True, publish=register(predict, explain))


@pipeline("images", ImagesParams, reporter="flows.report.images")
def images(p: ImagesParams) -> Artifact:
    """Make one TorchScript ensemble that classifies pictures.

    Download or fetch, check, clean, split into folds, resize once to each size;
    for each fold and member find the learning rate at the smallest size, and fit from the smallest to the largest;
    build and evaluate the ensemble, draw its errors and activation maps, list doubtful labels, export the ensemble.
    """
    archive = get_archive(p)
    shards = [archive.part(name_shard(number)) for number in range(p.source.shards)]
    checked = [check_pictures(shard, max_pixels=p.clean.max_pixels) for shard in shards]
    pictures = clean_pictures(archive, checked, p.clean)
    split = split_folds(pictures, p.folds)
    pairs = [(shard, pictures.part(name_kept(number))) for number, shard in enumerate(shards)]
    squares = {n: [resize_pictures(*pair, pixels=n) for pair in pairs] for n in sections.list_pixels(p.sizes)}

    courses = [fit_sizes(p, name, fold, squares, split) for fold in p.folds.held_out for name in p.members]
    fitted = [size for course in courses for size in course]
    voters = fitted if p.ensemble.sizes == "all" else [course[-1] for course in courses]

    together = build_ensemble(voters, p.ensemble)
    evaluate_ensemble(together, pictures)
    analyse_errors(together, squares[max(squares)], pictures, fitted, p.members)
    if p.folds.mode == "cross_validation":
        audit_ensemble(together, pictures)
    else:
        audit_pictures(squares[max(squares)], pictures, split, fold=p.folds.test)
    return export_ensemble(together, voters, pictures, p.members, p.ensemble)


def get_archive(p: ImagesParams) -> Artifact:
    """Fetch the pictures one by one, or their archive, which may be the embedded sample."""
    if p.source.archive == download.ADDRESSES:
        return fetch_addresses(p.addresses, shards=p.source.shards)
    return download_shards(p.source, make_sample(p.sample) if p.source.archive == download.SAMPLE else None)


def fit_sizes(
    p: ImagesParams, name: str, fold: int, squares: dict[int, list[Artifact]], split: Artifact
) -> list[Artifact]:
    """Fit a member at each of its sizes in the round that holds out `fold`; each fit starts from the previous one.

    The rate found at the first size serves all: a range test at the largest would take longer than the training there.
    """
    member = p.members[name]
    sizes = sections.pick_sizes(p.sizes, member.sizes)
    first = next(iter(sizes.values()))
    lr = None
    if member.lr == "auto":
        lr = find_lr(member, p.compute, fold=fold, features=squares[first.pixels], folds=split, size=first)
    fitted: list[Artifact] = []
    for size_name, size in sizes.items():
        before = fitted[-1] if fitted else None
        inputs = {"features": squares[size.pixels], "folds": split, "size": size, "before": before}
        done, epochs = sections.count_epochs(sizes if member.cycle == "all" else {size_name: size}, size_name)
        names = {"name": name, "size_name": size_name, "fold": fold}
        fitted.append(fit(member, p.compute, lr, **names, **inputs, done=done, epochs=epochs))
    return fitted
