"""Text: from a raw archive of tweets to one TorchScript ensemble."""

from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import pipeline, stage
from flows.engine.graph.stage import Artifact, Published, Role
from flows.shared import CURVE, DOUBTS, HISTORY, SCORES, register
from tasks import download, folds
from tasks.learning import compute, ensemble, evaluate, export, train
from tasks.learning.label_audit import audit_predictions
from tasks.text import (
    augment,
    clean,
    label_audit,
    member,
    ngrams,
    predict,
    pretrain,
    sample,
    sections,
    slices,
    tokens,
    transformer,
    translate,
)
from tasks.text.ensemble import TextEnsemble


class TextParams(Params):
    """The sections of params/text.yaml."""

    heirs = ("pretrain", "members", "transformers")

    sample: sample.SampleSection
    source: download.Source
    clean: sections.CleanTweets
    folds: folds.Folds
    translate: translate.Translate
    tokens: sections.Tokens
    augment: augment.Augment
    compute: compute.Compute
    pretrain: pretrain.Pretrain
    members: dict[str, member.Member]
    ngrams: dict[str, sections.Ngrams]
    transformers: dict[str, transformer.Transformer]
    ensemble: TextEnsemble


# DVC's plots of the tweets, and of the ensemble's accuracy on kinds of tweets.
BALANCE = Published(plots={"balance.png": {}, "lengths.png": {}})
SLICES = Published(plots={"slices.csv": {"x": "accuracy", "y": "slice", "template": "bar_horizontal"}})

make_sample = stage(sample.make_sample, "sample")
download_archive = stage(download.download_archive, "download", role=Role.ARCHIVE)
clean_tweets = stage(clean.clean_tweets, "clean", role=Role.CLEAN_TABLE, publish=BALANCE)
split_folds = stage(folds.split_folds, "folds", role=Role.FOLDS)
translate_texts = stage(translate.translate_texts, "translated-fold{fold}")
tokenise = stage(tokens.tokenise, "tokens-fold{fold}")
find_language_lr = stage(train.find_lr, "lr-lm-fold{fold}", role=Role.RANGE_TEST, learns=True, publish=CURVE)
pretrain_encoder = stage(pretrain.pretrain_encoder, "lm-fold{fold}", learns=True, publish=HISTORY)
find_lr = stage(train.find_lr, "lr-{member}-fold{fold}", role=Role.RANGE_TEST, learns=True, publish=CURVE)
fit = stage(train.fit, "fit-{member}-fold{fold}", role=Role.FIT, learns=True, publish=HISTORY)
tokenise_subwords = stage(transformer.tokenise_subwords, "tokens-{transformer}")
fit_ngrams = stage(ngrams.fit_ngrams, "fit-{ngrams}-fold{fold}", role=Role.FIT, learns=True)
build_ensemble = stage(ensemble.build_ensemble, "ensemble", role=Role.PREDICTIONS)
build_with_all_members = stage(ensemble.build_ensemble, "ensemble-all-members")
evaluate_ensemble = stage(evaluate.evaluate_predictions, "evaluate", role=Role.EVALUATION, learns=True, publish=SCORES)
score_slices = stage(slices.score_slices, "slices", publish=SLICES)
audit_ensemble = stage(audit_predictions, "audit", role=Role.AUDIT, learns=True, publish=DOUBTS)
audit_texts = stage(label_audit.audit_texts, "audit", role=Role.AUDIT, learns=True, publish=DOUBTS)
export_ensemble = stage(export.export_ensemble, "export", learns=True, publish=register(predict))


@pipeline("text", TextParams, reporter="flows.report.text")
def text(p: TextParams) -> Artifact:
    """Make one TorchScript ensemble that classifies the sentiment of tweets.

    Download, clean, split into folds;
    for each fold back-translate training tweets if `translate` asks for it, tokenise the tweets, pretrain a language
    model if a member or the augmentation needs one, then find each member's learning rate and fit it, fit the
    classifiers of n-grams, and the transformers, which have their own tokens;
    build the ensemble, and another one with the transformers, evaluate both, score kinds of tweets, list doubtful
    labels; export the ensemble.
    """
    archive = download_archive(p.source, make_sample(p.sample) if p.source.archive == "sample" else None)
    tweets = clean_tweets(archive, p.clean)
    split = split_folds(tweets, p.folds)
    subwords = {name: tokenise_subwords(tweets, settings) for name, settings in p.transformers.items()}

    words, fitted, outside = [], [], []
    for fold in p.folds.held_out:
        texts = translate_texts(tweets, split, p.translate, fold=fold) if p.translate.translated_share else tweets
        words.append(tokenise(texts, split, p.tokens, fold=fold))
        inputs, language = {"tokens": words[-1], "folds": split}, None
        if p.augment.uses_vectors or any(settings.weights == "pretrained" for settings in p.members.values()):
            lr = find_language_lr(p.pretrain, p.compute, fold=fold, **inputs) if p.pretrain.lr == "auto" else None
            language = pretrain_encoder(p.pretrain, p.compute, lr, fold=fold, **inputs)
        for name, settings in p.members.items():
            start = language if settings.weights == "pretrained" else None
            lr = find_lr(settings, p.compute, fold=fold, **inputs, language=start) if settings.lr == "auto" else None
            altered = {"augment": p.augment, "language": language if p.augment.uses_vectors else start}
            fitted.append(fit(settings, p.compute, lr, name=name, fold=fold, **inputs, **altered))
        fitted += [
            fit_ngrams(tweets, words[-1], split, settings, name=name, fold=fold) for name, settings in p.ngrams.items()
        ]
        for name, own in p.transformers.items():
            inputs = {"tokens": subwords[name], "folds": split}
            lr = find_lr(own, p.compute, fold=fold, **inputs) if own.lr == "auto" else None
            outside.append(fit(own, p.compute, lr, name=name, fold=fold, **inputs))

    together = build_ensemble(fitted, p.ensemble)
    evaluate_ensemble(together, tweets, build_with_all_members(fitted + outside, p.ensemble) if outside else None)
    score_slices(together, tweets, words)
    if p.folds.mode == "cross_validation":
        audit_ensemble(together, tweets)
    else:
        audit_texts(tweets, split, fold=p.folds.test)
    return export_ensemble(together, fitted, tweets, p.members, p.ensemble, tokens=words, solved=p.ngrams)
