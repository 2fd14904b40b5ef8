"""Audio: from a raw archive of clips to one TorchScript ensemble."""

from pydantic import Field

from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact, Published, Role
from flows.shared import CURVE, DOUBTS, HISTORY, SCORES, register
from tasks import download, folds
from tasks.audio import (
    bands,
    clean,
    explain,
    label_audit,
    measures,
    member,
    predict,
    sample,
    sections,
    spectrograms,
    waveforms,
)
from tasks.audio.ensemble import SoundEnsemble
from tasks.files import name_shard
from tasks.learning import compute, ensemble, evaluate, export, train
from tasks.learning.label_audit import audit_predictions
from tasks.shard_tables import name_kept


class AudioParams(Params):
    """The sections of params/audio.yaml."""

    heirs = ("members",)

    sample: sample.SampleSection
    source: download.ShardedSource
    clean: clean.Clean
    folds: folds.UndatedFolds
    spectrogram: sections.Spectrogram
    waveform: sections.Waveform
    compute: compute.Compute
    members: dict[str, member.Member] = Field(min_length=1)
    ensemble: SoundEnsemble


# DVC's plots of the clips.
BALANCE = Published(plots={"balance.png": {}, "durations.png": {}})
# And of some clips of each class.
MEASURES = Published(plots={"loudness.png": {}, "tempo.png": {}})

make_sample = stage(sample.make_sample, "sample")
download_shards = stage(download.download_shards, "download", role=Role.ARCHIVE)
check_clips = stage(clean.check_clips, "check-{shard}")
clean_clips = stage(clean.clean_clips, "clean", role=Role.CLEAN_TABLE, publish=BALANCE)
measure_clips = stage(measures.measure_clips, "measures", publish=MEASURES)
split_folds = stage(folds.split_folds, "folds", role=Role.FOLDS)
precompute_spectrograms = stage(spectrograms.precompute_spectrograms, "spectrograms-{shard}")
precompute_waveforms = stage(waveforms.precompute_waveforms, "waveforms-{shard}")
measure_bands = {
    kind: stage(bands.measure_bands, f"bands-{kind}s-fold{{fold}}") for kind in ("spectrogram", "waveform")
}
find_lr = stage(train.find_lr, "lr-{member}-fold{fold}", role=Role.RANGE_TEST, learns=True, publish=CURVE)
fit = stage(train.fit, "fit-{member}-fold{fold}", role=Role.FIT, learns=True, publish=HISTORY)
build_ensemble = stage(ensemble.build_ensemble, "ensemble", role=Role.PREDICTIONS)
evaluate_ensemble = stage(evaluate.evaluate_predictions, "evaluate", role=Role.EVALUATION, learns=True, publish=SCORES)
audit_ensemble = stage(audit_predictions, "audit", role=Role.AUDIT, learns=True, publish=DOUBTS)
audit_sounds = stage(label_audit.audit_sounds, "audit", role=Role.AUDIT, learns=True, publish=DOUBTS)
export_ensemble = stage(export.export_ensemble, "export", learns=True, publish=register(predict, explain))


@pipeline("audio", AudioParams, reporter="flows.report.audio")
def audio(p: AudioParams) -> Artifact:
    """Make one TorchScript ensemble that classifies environmental sounds.

    Download, check, clean, measure loudness and tempo for the report, split into folds, precompute the members'
    features; for each fold measure mean and deviation of each frequency band, then find each member's learning rate and
    fit it; build and evaluate the ensemble, list doubtful labels, export the ensemble.
    """
    archive = download_shards(p.source, make_sample(p.sample) if p.source.archive == "sample" else None)
    shards = [archive.part(name_shard(number)) for number in range(p.source.shards)]
    clips = clean_clips(archive, [check_clips(shard) for shard in shards], p.clean)
    pairs = [(shard, clips.part(name_kept(number))) for number, shard in enumerate(shards)]
    measure_clips(archive, clips)
    split = split_folds(clips, p.folds)
    used = {settings.features for settings in p.members.values()}
    features = {}
    if "spectrogram" in used or p.folds.mode != "cross_validation":  # the audit reads them too
        features["spectrogram"] = [
            precompute_spectrograms(*pair, p.spectrogram, trim_db=p.clean.trim_db) for pair in pairs
        ]
    if "waveform" in used:
        features["waveform"] = [precompute_waveforms(*pair, p.waveform, trim_db=p.clean.trim_db) for pair in pairs]

    fitted = []
    for fold in p.folds.held_out:
        measured = {kind: measure_bands[kind](features[kind], split, fold=fold) for kind in sorted(used)}
        for name, settings in p.members.items():
            inputs = {"features": features[settings.features], "folds": split, "bands": measured[settings.features]}
            lr = find_lr(settings, p.compute, fold=fold, **inputs) if settings.lr == "auto" else None
            fitted.append(fit(settings, p.compute, lr, name=name, fold=fold, **inputs))

    together = build_ensemble(fitted, p.ensemble)
    evaluate_ensemble(together, clips)
    if p.folds.mode == "cross_validation":
        audit_ensemble(together, clips)
    else:
        audit_sounds(features["spectrogram"], clips, split, fold=p.folds.test)
    return export_ensemble(
        together, fitted, clips, p.members, p.ensemble, features=[features[kind][0] for kind in sorted(used)]
    )
