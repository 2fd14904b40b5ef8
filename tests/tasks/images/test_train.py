"""From the smallest size to the exported file: weights carry over, and every prediction is of an unseen picture."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.errors import UserError
from tasks.images.ensemble import PictureEnsemble
from tasks.images.error_analysis import analyse_errors
from tasks.images.predict import open_model, read_given
from tasks.images.script import Square, assemble
from tasks.images.transforms import FlipAverage, to_pictures
from tasks.learning.answers import ask_model
from tasks.learning.ensemble import build_ensemble
from tasks.learning.evaluate import evaluate_predictions
from tasks.learning.export import export_ensemble
from tasks.learning.grad_cam import map_activations
from tasks.learning.predictions import read_predictions
from tasks.learning.script import gather_voters
from tasks.learning.served import load_script
from tasks.learning.train import find_lr, fit
from tasks.learning.weights import read_state_dict
from tasks.report import Silent
from tasks.tables import read_rows
from tests.tasks.images.toys import make_learner, make_pictures, make_size
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
NETWORK = make_learner()
MEMBERS = {"cnnnet": NETWORK}
MEAN = PictureEnsemble(method="mean", metric="accuracy", sizes="all")


def train(toy: Toy, pixels: int, before: Path | None = None, *, rate: float = 2e-3, **values: object) -> Path:
    """Fit at one size; return the fit's folder."""
    member, size = make_learner(**values), make_size(pixels)
    inputs = {"features": [toy.folder(f"px{pixels}")], "folds": toy.folder("folds"), "size": size, "before": before}
    lr, out = toy.folder(f"lr{pixels}"), toy.folder(f"fit{pixels}")
    (lr / "lr.json").write_text(json.dumps({"lr": rate}))
    names = {"name": "cnnnet", "size_name": f"px{pixels}", "fold": 5, "done": 0, "epochs": size.epochs}
    kept = toy.folder(f"checkpoints{pixels}")
    fit(member, COMPUTE, lr, **names, out=out, report=Silent(), checkpoints=kept, **inputs)
    return out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Toy, list[Path]]:
    """A member fitted at two sizes, the ensemble of both fits, and its export; tests only read it."""
    toy = make_pictures(tmp_path_factory.mktemp("pictures"))
    small = train(toy, 64)
    fitted = [small, train(toy, 72, small)]
    build_ensemble(fitted, MEAN, out=toy.folder("ensemble"), report=Silent())
    places = toy.folder("ensemble"), fitted, toy.folder("examples")
    export_ensemble(*places, MEMBERS, MEAN, out=toy.folder("export"), report=Silent())
    return toy, fitted


def test_a_larger_size_goes_on_from_the_smaller_ones_weights(trained: tuple[Toy, list[Path]], tmp_path: Path) -> None:
    small = read_state_dict(trained[1][0] / "state_dict.pt")
    large = read_state_dict(train(make_pictures(tmp_path, (72,)), 72, trained[1][0], rate=1e-12) / "state_dict.pt")
    for name, value in small.items():
        torch.testing.assert_close(large[name], value)


def test_the_range_test_starts_from_the_smaller_ones_weights_too(
    trained: tuple[Toy, list[Path]], tmp_path: Path
) -> None:
    toy = trained[0]
    curves = []
    for name, before in (("anew", None), ("on", trained[1][0])):
        (tmp_path / name).mkdir()
        inputs = {
            "features": [toy.folder("px72")],
            "folds": toy.folder("folds"),
            "size": make_size(72),
            "before": before,
        }
        find_lr(NETWORK, COMPUTE, fold=5, out=tmp_path / name, report=Silent(), **inputs)
        curves.append([float(row["loss"]) for row in read_rows(tmp_path / name / "curve.csv")])
        assert 1e-5 < json.loads((tmp_path / name / "lr.json").read_text())["lr"] < 1
    assert np.mean(curves[1][:10]) < np.mean(curves[0][:10])


def test_only_held_out_pictures_are_predicted(trained: tuple[Toy, list[Path]]) -> None:
    for part, fold in (("valid", 4), ("test", 5)):
        predictions = read_predictions(trained[1][1] / f"{part}.csv")
        assert set(predictions.examples.tolist()) == {n for n in range(60) if n // 3 % 5 + 1 == fold}


def test_the_error_analysis_writes_drawings_and_tables(trained: tuple[Toy, list[Path]]) -> None:
    toy, fitted = trained
    report = RecordingReport()
    evaluate_predictions(toy.folder("ensemble"), toy.folder("examples"), out=toy.folder("scores"), report=report)
    out = toy.folder("errors")
    analyse_errors(
        toy.folder("ensemble"), [toy.folder("px72")], toy.folder("examples"), fitted, MEMBERS, out=out, report=report
    )
    for name in ("worst.png", "uncertain.png", "maps.png", "learning_curves.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100
    curves = read_rows(out / "learning_curves.csv")
    assert [(row["size"], row["epoch"]) for row in curves] == [
        (f"px{64 if n <= 3 else 72}", str(n)) for n in range(1, 7)
    ]
    listed = [float(row["p_actual"]) for row in read_rows(out / "errors.csv")]
    assert len(listed) == 12 and listed == sorted(listed)


def test_the_export_answers_pictures_of_any_size_as_the_stages_did(trained: tuple[Toy, list[Path]]) -> None:
    toy, _ = trained
    script = load_script(toy.folder("export") / "model.pt")
    expected = read_predictions(toy.folder("ensemble") / "test.csv")
    large = torch.from_numpy(np.load(toy.folder("px72") / "features.npy"))[expected.examples]
    with torch.inference_mode():
        answer = script(large.permute(0, 3, 1, 2)).numpy()
        wide = script(large[:, 8:60].permute(0, 3, 1, 2))
    # The smaller pictures were not resampled from the larger ones, as the exported model does it.
    np.testing.assert_allclose(answer, expected.probabilities, atol=0.15)
    assert wide.shape == (12, 3)
    torch.testing.assert_close(wide.sum(1), torch.ones(12))


def test_the_export_is_the_mean_of_the_networks_it_holds(trained: tuple[Toy, list[Path]]) -> None:
    toy, fitted = trained
    model = assemble(gather_voters(toy.folder("ensemble"), fitted, MEMBERS), ["a", "b", "c"]).model
    pictures = torch.randint(0, 256, (2, 3, 80, 90), dtype=torch.uint8)
    with torch.inference_mode():
        alone = [view.networks[0](view.front_end(pictures)).softmax(1) for view in model.views]
        torch.testing.assert_close(model(pictures), torch.stack(alone).mean(0))


def test_files_and_folders_are_predicted(trained: tuple[Toy, list[Path]], tmp_path: Path) -> None:
    toy, _ = trained
    pictures = np.load(toy.folder("px72") / "features.npy")
    for n in (0, 1):
        Image.fromarray(pictures[n]).save(tmp_path / f"{n}.png")
    served = open_model(toy.folder("export") / "model.pt")
    answers = ask_model(served, read_given([".", "1.png"], tmp_path, Silent()), top=2)
    assert [answer.file.name for answer in answers] == ["0.png", "1.png", "1.png"]
    assert answers[1].classes == answers[2].classes and len(answers[0].classes) == 2
    (tmp_path / "2.png").write_text("no picture")
    with pytest.raises(UserError, match=r"2\.png"):
        ask_model(served, read_given(["2.png"], tmp_path, Silent()), top=2)


def test_a_mirrored_picture_gets_the_same_answer_when_both_are_looked_at() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 4, 5))
    pictures = torch.rand(6, 3, 4, 4)
    twice = FlipAverage(network)
    torch.testing.assert_close(twice(pictures), twice(pictures.flip(-1)))
    torch.testing.assert_close(twice(pictures).exp().sum(1), torch.ones(6))
    mean = (network(pictures).softmax(1) + network(pictures.flip(-1)).softmax(1)) / 2
    torch.testing.assert_close(twice(pictures).softmax(1), mean)


def test_pictures_are_shown_channels_last_between_0_and_1() -> None:
    batch = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8)
    shown = to_pictures(batch)
    assert shown.shape == (2, 3, 5, 7) and shown.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(shown[1, 2, 3, 4], batch[1, 3, 4, 2] / 255)


def test_a_square_is_the_middle_of_a_picture() -> None:
    wide = torch.zeros((1, 3, 8, 20), dtype=torch.uint8)
    wide[..., 6:14] = torch.randint(0, 256, (1, 3, 8, 8))
    torch.testing.assert_close(Square(8)(wide), wide[..., 6:14] / 255)


def test_maps_lie_where_the_class_is_and_leave_no_hook(trained: tuple[Toy, list[Path]]) -> None:
    class Corner(torch.nn.Module):
        """Says class 1 by what it sees at a place."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = torch.nn.Conv2d(3, 1, 1, bias=False)
            torch.nn.init.ones_(self.seen.weight)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.stack([torch.zeros(len(pictures)), self.seen(pictures).mean((1, 2, 3))], 1)

        def layer_groups(self) -> list[list[torch.nn.Module]]:
            return [[torch.nn.Identity()], [self.seen]]

    picture = torch.zeros(1, 3, 9, 9)
    picture[..., 6, 2] = 1
    network = Corner()
    maps = map_activations(network, picture)
    assert maps is not None and divmod(int(maps.argmax()), 9) == (6, 2)
    assert not network.seen._forward_hooks
    assert map_activations(torch.nn.Flatten(), picture) is None


def test_a_network_for_one_size_says_so_when_it_is_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"simplenet cannot use sizes all: .* it learns at one size"):
        train(make_pictures(tmp_path, (64,)), 64, network="simplenet", width=0)


def test_weights_of_another_network_are_refused_with_the_keys_that_differ(
    trained: tuple[Toy, list[Path]], tmp_path: Path
) -> None:
    toy = make_pictures(tmp_path)
    weights = tmp_path / "other.pt"
    torch.save({"seen.weight": torch.ones(2)}, weights)
    with pytest.raises(UserError, match=r"of another architecture: .*missing .*features.*unknown \(seen\.weight\)"):
        train(toy, 64, weights=str(weights))


def test_the_head_learns_alone_before_the_first_size_only(trained: tuple[Toy, list[Path]], tmp_path: Path) -> None:
    toy = make_pictures(tmp_path)
    values = {"weights": str(trained[1][0] / "state_dict.pt"), "head_epochs": 1}
    small = train(toy, 64, **values)
    large = train(toy, 72, small, **values)
    assert [len(read_rows(folder / "history.csv")) for folder in (small, large)] == [4, 3]
