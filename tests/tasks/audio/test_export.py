"""The export is one file from waveforms to probabilities, has the same bytes each time, and needs only torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tasks.audio.decode import read_clip
from tasks.audio.ensemble import SoundEnsemble
from tasks.audio.member import Member
from tasks.audio.predict import open_model
from tasks.audio.script import assemble, read_front_ends
from tasks.audio.sections import Waveform
from tasks.errors import UserError
from tasks.learning.answers import ask_model
from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.ensemble import scale_probabilities
from tasks.learning.export import export_ensemble
from tasks.learning.fitted import Fit, write_fit
from tasks.learning.networks import build_network
from tasks.learning.script import gather_voters
from tasks.learning.served import batch_features, load_script
from tasks.learning.torchscript import ExportError, check_alone
from tasks.report import Silent
from tests.tasks.learning.toys import FRONT_END, PLAIN, make_member

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
LABELS = ["dog", "rain", "sea, waves"]
RAW = {"sample_rate_hz": 4000, "clip_s": 0.5}
MEMBERS = {
    "mel": make_member(),
    "raw": make_member(network="audionet", features="waveform", **PLAIN),
}


def make_stages(root: Path) -> tuple[Path, list[Path], list[Path], Path]:
    """Write an ensemble of two members in two rounds, with random weights."""
    shapes = {"mel": (16, 24), "raw": (2000,)}
    fitted = [write_fitted(root, name, fold, shapes[name]) for fold in (1, 2) for name in MEMBERS]
    rounds = [{"fold": fold, "weights": {"mel": 0.7, "raw": 0.3}, "reason": ""} for fold in (1, 2)]
    ensemble, clips = root / "ensemble", root / "clips"
    ensemble.mkdir(), clips.mkdir()
    (ensemble / "ensemble.json").write_text(json.dumps({"rounds": rounds, "temperature": 1.0}))
    rows = "".join(f'{n},"{name}"\n' for n, name in enumerate(LABELS))
    (clips / "classes.csv").write_text("label,category\n" + rows)
    features = []
    for name, values in (("spectrograms", FRONT_END), ("waveforms", RAW)):
        (root / name).mkdir()
        (root / name / "front_end.json").write_text(json.dumps(values))
        features.append(root / name)
    return ensemble, fitted, features, clips


def write_fitted(root: Path, name: str, fold: int, shape: tuple[int, ...]) -> Path:
    folder = root / f"{name}-{fold}"
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(fold)
        network = build_network(MEMBERS[name], 3, shape)
    (folder / "state_dict.pt").write_bytes(save_to_bytes(network.state_dict()))
    write_fit(folder, Fit(name, fold, 3, shape))
    return folder


def export(root: Path, members: dict[str, Member] = MEMBERS) -> Path:
    out = root / "export"
    out.mkdir(parents=True)
    ensemble, fitted, features, clips = make_stages(root)
    places, mean = (ensemble, fitted, clips), SoundEnsemble(method="mean", metric="accuracy")
    export_ensemble(*places, members, mean, out=out, report=Silent(), features=features)
    return out


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that tests only read."""
    return export(tmp_path_factory.mktemp("first"))


def test_two_exports_from_two_folders_are_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    again = export(tmp_path / "elsewhere" / "deeper")
    for name in ("model.pt", "labels.json", "export.json", "example.npy"):
        assert (exported / name).read_bytes() == (again / name).read_bytes(), name


def test_no_path_of_this_machine_stands_in_the_file(exported: Path) -> None:
    content = (exported / "model.pt").read_bytes()
    for path in (str(Path(__file__).parents[3]), str(Path(torch.__file__).parent), str(exported)):
        assert path.encode() not in content


def test_the_file_carries_labels_rate_and_length(exported: Path) -> None:
    model = load_script(exported / "model.pt")
    assert model.labels == LABELS == json.loads((exported / "labels.json").read_text())
    assert (model.sample_rate_hz, model.n_samples) == (8000, 4000)
    assert json.loads((exported / "export.json").read_text())["members"] == ["mel", "raw"]


def test_it_answers_like_the_python_model_padded_or_trimmed(exported: Path, tmp_path: Path) -> None:
    ensemble, fitted, features, _ = make_stages(tmp_path)
    python = assemble(gather_voters(ensemble, fitted, MEMBERS), LABELS, features=features).model
    script = load_script(exported / "model.pt")
    for samples in (4000, 1500, 9000):
        waveforms = 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(samples))
        with torch.inference_mode():
            probabilities = script(waveforms)
            torch.testing.assert_close(probabilities, python(waveforms), atol=1e-5, rtol=0)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(3))


def test_it_is_the_weighted_mean_of_members_and_rounds(exported: Path, tmp_path: Path) -> None:
    _, fitted, features, _ = make_stages(tmp_path)
    waveforms = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(1))
    front_ends, expected = read_front_ends(features), torch.zeros(2, 3)
    for folder in fitted:
        name, _, _ = folder.name.partition("-")
        kind = MEMBERS[name].features
        network = build_network(MEMBERS[name], 3, (16, 24) if name == "mel" else (2000,)).eval()
        network.load_state_dict(torch.load(folder / "state_dict.pt", weights_only=True))
        with torch.inference_mode():
            share = {"mel": 0.35, "raw": 0.15}[name]
            expected += share * network(front_ends.make(kind)(waveforms)).softmax(1)
    torch.testing.assert_close(load_script(exported / "model.pt")(waveforms), expected, atol=1e-5, rtol=0)


def test_its_probabilities_are_those_of_the_ensemble_at_its_temperature(tmp_path: Path) -> None:
    ensemble, fitted, features, _ = make_stages(tmp_path)
    model = assemble(gather_voters(ensemble, fitted, MEMBERS), LABELS, features=features).model
    waveforms = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain = model(waveforms).numpy()
        model.temperature = 0.5
        np.testing.assert_allclose(model(waveforms).numpy(), scale_probabilities(plain, 0.5), atol=1e-6)


def test_a_process_with_torch_alone_reads_it(exported: Path) -> None:
    code = (
        "import sys, torch; m = torch.jit.load(sys.argv[1]); p = m(torch.zeros(2, m.n_samples)); "
        "print(tuple(p.shape), *[n for n in ('tasks', 'torchaudio', 'librosa') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code, exported / "model.pt"], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 3)", done.stderr


def test_a_file_that_differs_from_the_python_model_is_an_error(exported: Path) -> None:
    example = np.load(exported / "example.npy")
    with torch.inference_mode():
        right = load_script(exported / "model.pt")(torch.from_numpy(example)).numpy()
    with pytest.raises(ExportError, match="differs from the Python model"):
        check_alone(exported / "model.pt", example, right + 2e-4)


def test_predict_names_the_most_probable_classes_of_any_sound_file(exported: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2))
    files = [tmp_path / "a.wav", tmp_path / "b.flac", tmp_path / "c.ogg"]
    for file in files:
        soundfile.write(file, noise, 44100)
    heard = ask_model(open_model(exported / "model.pt"), files, top=2)
    assert [each.file for each in heard] == files
    for each in heard:
        (first, high), (second, low) = each.classes
        assert {first, second} < set(LABELS) and 1 >= high >= low >= 0
    assert len(ask_model(open_model(exported / "model.pt"), files[:1], top=99)[0].classes) == 3


def test_predict_cuts_silent_ends_as_the_features_were_cut(tmp_path: Path) -> None:
    ensemble, fitted, features, _ = make_stages(tmp_path)
    for folder in features:
        values = json.loads((folder / "front_end.json").read_text())
        (folder / "front_end.json").write_text(json.dumps(values | {"trim_db": 40.0}))
    assembled = assemble(gather_voters(ensemble, fitted, MEMBERS), LABELS, features=features)
    script = torch.jit.script(assembled.model)
    script.save(tmp_path / "model.pt")
    noise = np.random.default_rng(0).normal(0, 0.1, 3000)
    soundfile.write(tmp_path / "late.wav", np.concatenate([np.zeros(20_000), noise]), 8000)
    clip = read_clip(tmp_path / "late.wav", Waveform(sample_rate_hz=8000, clip_s=0.5), trim_db=40.0)
    with torch.inference_mode():
        expected = script(torch.from_numpy(clip)[None]).numpy()
    np.testing.assert_allclose(open_model(tmp_path / "model.pt").predict_proba([tmp_path / "late.wav"]), expected)
    assert clip.any() and assembled.facts["trim_db"] == 40.0


def test_sounds_in_one_call_are_predicted_as_each_alone_in_their_order(exported: Path, tmp_path: Path) -> None:
    served, files = open_model(exported / "model.pt"), []
    for n in range(6):
        tone = 0.1 * np.sin(np.arange(3000 + 500 * n) * 0.1 * (n + 1))
        soundfile.write(tmp_path / f"{n}.wav", tone, 8000)
        files.append(tmp_path / f"{n}.wav")
    alone = np.concatenate([served.predict_proba([file]) for file in files])
    np.testing.assert_allclose(served.predict_proba(files), alone, atol=1e-6)
    (tmp_path / "3.wav").write_bytes(b"no sound")
    with pytest.raises(UserError, match=r"3\.wav"):
        served.predict_proba(files)


def test_features_of_different_shapes_or_too_many_bytes_are_in_different_batches() -> None:
    shapes = [(2, 3)] * 70 + [(2, 4)] * 2 + [(2, 3)] + [(2**24, 2)] * 3
    items = [[torch.zeros(1, dtype=torch.uint8).expand(1, *shape)] for shape in shapes]
    assert [len(batch) for batch in batch_features(items)] == [64, 6, 2, 1, 3]
    large = [[torch.zeros(1, dtype=torch.uint8).expand(1, 2**27)]] * 5
    assert [len(batch) for batch in batch_features(large)] == [2, 2, 1]


@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_a_file_that_is_no_sound_is_refused(exported: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"talk\.wav"):
        ask_model(open_model(exported / "model.pt"), [path], top=1)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no exported model"), (b"PK\x03\x04rest", "cannot be read as a TorchScript file")]
)
def test_a_model_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content:
        (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        ask_model(open_model(tmp_path / "model.pt"), [], top=1)
