"""Brightness, contrast and saturation equal torchvision's; a rotation of the hues keeps greys and luma."""

import pytest
import torch
from torchvision.transforms import functional as TF

from tasks.images.tones import YIQ, Tones, change_tones, draw_tones
from tests.tasks.images.recipe import draw_pictures, seeded

ADJUST = {"brightness": TF.adjust_brightness, "contrast": TF.adjust_contrast, "saturation": TF.adjust_saturation}


def make_tones(count: int = 2, **changed: float) -> Tones:
    """Return tones that change the first picture only."""
    values = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue_turns": 0.0}
    return Tones(**{name: torch.tensor([changed.get(name, own), *[own] * (count - 1)]) for name, own in values.items()})


@pytest.mark.parametrize("name", ADJUST)
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4, 2.0])
def test_one_change_is_torchvision_s(name: str, factor: float) -> None:
    batch = draw_pictures(2)
    changed = change_tones(batch, make_tones(**{name: factor}))
    # Its weights of red, green and blue add up to 0.9999 (0.2989, not 0.299), doubled by a factor of 2.
    torch.testing.assert_close(changed[0], ADJUST[name](batch[0], factor), atol=2e-4, rtol=0)
    torch.testing.assert_close(changed[1], batch[1], atol=2e-6, rtol=0)


def test_changes_that_cut_nothing_off_are_torchvision_s_one_after_the_other() -> None:
    batch = 0.4 + 0.2 * draw_pictures(1)
    changed = change_tones(batch, make_tones(1, brightness=1.1, contrast=1.3, saturation=0.7))
    expected = TF.adjust_saturation(TF.adjust_contrast(TF.adjust_brightness(batch, 1.1), 1.3), 0.7)
    torch.testing.assert_close(changed, expected, atol=2e-4, rtol=0)


def test_a_turn_of_the_hues_keeps_greys_and_luma_and_a_whole_one_is_none() -> None:
    grey, batch = draw_pictures(1)[:, :1].expand(-1, 3, -1, -1), 0.4 + 0.2 * draw_pictures(1)
    turn = make_tones(1, hue_turns=0.3)
    torch.testing.assert_close(change_tones(grey, turn), grey, atol=1e-5, rtol=0)
    weights = torch.tensor(YIQ[0]).view(1, 3, 1, 1)
    turned = change_tones(batch, turn)
    torch.testing.assert_close((turned * weights).sum(1), (batch * weights).sum(1), atol=1e-5, rtol=0)
    assert (turned - batch).abs().max() > 0.05
    torch.testing.assert_close(change_tones(batch, make_tones(1, hue_turns=1.0)), batch, atol=1e-5, rtol=0)


def test_a_third_of_a_turn_leads_from_red_to_green_or_blue() -> None:
    red = torch.tensor([0.8, 0.3, 0.3]).view(1, 3, 1, 1)
    turned = [change_tones(red, make_tones(1, hue_turns=turn)).flatten().argmax().item() for turn in (1 / 3, -1 / 3)]
    assert sorted(turned) == [1, 2]


def test_draws_lie_in_torchvision_s_ranges_and_fill_them() -> None:
    tones = draw_tones(2000, jitter=0.4, hue=0.1, generator=seeded())
    for factors in (tones.brightness, tones.contrast, tones.saturation):
        assert 0.6 <= factors.min() < 0.61 and 1.39 < factors.max() <= 1.4
    assert -0.1 <= tones.hue_turns.min() < -0.099 and 0.099 < tones.hue_turns.max() <= 0.1
    drawn = torch.stack([tones.brightness, tones.contrast, tones.saturation, tones.hue_turns])
    assert (torch.corrcoef(drawn) - torch.eye(4)).abs().max() < 0.1, "each is drawn by itself"
