"""Training of ResNet-18: examples per second compared with the book's loop, and with a fixed batch."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam, AdamW
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

from benchmarks.pictures_input import (
    BATCH_SIZE,
    MEMBER,
    N_THREADS,
    gather_pictures,
    open_resized,
    resize_ours,
    time_call,
)
from benchmarks.table import Figure
from tasks.images.sections import Size
from tasks.images.transforms import make_batch_augment, to_pictures
from tasks.learning.compute import Compute
from tasks.learning.device import Device, open_device
from tasks.learning.examples import Examples, Parts
from tasks.learning.group import Group
from tasks.learning.lesson import Lesson
from tasks.learning.loop import Learner
from tasks.learning.transforms import Transforms, keep_network
from tasks.report import Silent

PIXELS = 128
N_ROUNDS = 3
LOOP_TARGET, LIMIT_TARGET = 2, 0.9
SIZE = Size(pixels=PIXELS, epochs=N_ROUNDS, batch_size=BATCH_SIZE, strength=1.0)


def measure() -> list[Figure]:
    """Train on synthetic JPEGs, or on ants and bees if ANTS_AND_BEES is their path; the three sides alternate."""
    device = open_device(Compute(device="auto", precision="auto", threads=N_THREADS, replicas=1))
    with TemporaryDirectory() as place:
        folder = Path(place)
        name = gather_pictures(folder)
        resize_ours(folder, PIXELS)
        examples = open_resized(folder, PIXELS)
        learner = make_learner(examples, device)
        loader, book = make_loader(folder), resnet18(num_classes=2)
        read_once(loader)  # starts the workers
        fixed = FixedBatch(device)
        # Pictures per second; the maximum of each side, because other load on the machine can only slow it down.
        rounds = [
            (train_by_book(book, loader), fixed.train(len(examples)), time_epoch(learner, epoch))
            for epoch in range(N_ROUNDS)
        ]
    by_book, limit, ours = (max(side) for side in zip(*rounds, strict=True))
    what = f"ResNet-18 at {PIXELS} px, pictures/s, {name}"
    return [
        make_figure(what, f"the book's loop {by_book:.0f}", ours, ours / by_book, LOOP_TARGET),
        make_figure(what, f"one fixed batch {limit:.0f}", ours, ours / limit, LIMIT_TARGET),
    ]


def make_figure(what: str, peer: str, ours: float, ratio: float, target: float) -> Figure:
    """Return a figure."""
    return Figure(what, peer, f"{ours:.0f}", f"{ratio:.2f}", f"{target}", ratio >= target)


def time_epoch(learner: Learner, epoch: int) -> float:
    """Train one epoch; return its pictures per second."""
    learner.run_epoch(epoch)
    return learner.throughput.examples_per_s


def make_learner(examples: Examples, device: Device, group: Group | None = None) -> Learner:
    """Return our training, with the augmentation of the row `pictures_input`, EMA and gradient clipping."""
    lesson = Lesson(
        parts=Parts(examples, None, examples),
        recipe=MEMBER.model_copy(update={"ema_decay": 0.99}),
        schedule=SIZE,
        transforms=Transforms(prepare=to_pictures, augment=make_batch_augment(MEMBER, 1.0), wrap=keep_network),
        device=device,
        seed=1,
    )
    return Learner(resnet18(num_classes=2), lesson, 1e-3, Silent(), group)


class FixedBatch:
    """The lower limit of a step's time: one batch that is already a tensor; forward, backward and update."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.network = device.place(resnet18(num_classes=2)).train()
        self.optimiser = AdamW(self.network.parameters(), fused=True)
        pictures = torch.rand(BATCH_SIZE, 3, PIXELS, PIXELS)
        self.batch = device.move(pictures).contiguous(memory_format=torch.channels_last)
        self.labels = device.move(torch.arange(BATCH_SIZE) % 2)

    def train(self, count: int) -> float:
        """Train on about `count` pictures; return how many a second."""
        steps = -(-count // BATCH_SIZE)
        return steps * BATCH_SIZE / time_call(lambda: [self.step() for _ in range(steps)])

    def step(self) -> None:
        """Update the weights once."""
        with self.device.autocast():
            logits = self.network(self.batch)
        loss = F.cross_entropy(logits.float(), self.labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


def make_loader(folder: Path) -> DataLoader:
    """Return the book's input, which decodes and resizes the files again in every epoch."""
    transform = transforms.Compose(
        [
            transforms.Resize((PIXELS, PIXELS)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    pictures = ImageFolder(str(folder / "pictures"), transform)
    return DataLoader(pictures, BATCH_SIZE, shuffle=True, num_workers=2, persistent_workers=True)


def read_once(loader: DataLoader) -> None:
    """Read an epoch."""
    for _ in loader:
        pass


def train_by_book(network: nn.Module, loader: DataLoader) -> float:
    """Train an epoch as the book's chapter 2 does, in fp32 with Adam; return the pictures per second."""
    optimiser = Adam(network.parameters(), lr=1e-3)
    network.train()

    def train() -> None:
        for inputs, labels in loader:
            optimiser.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()
            optimiser.step()

    return len(loader.dataset) / time_call(train)  # type: ignore[arg-type]
