"""How much memory a file of a context takes while it is built."""

import tracemalloc
from pathlib import Path

import pytest

from ocitool.builder.programs import Holding, survey_layers
from ocitool.dockerfile.context import Context
from ocitool.dockerfile.copy import LayerBuilder, Order, copy
from ocitool.pack.tar import tar_stream


def context_of(folder: Path, count: int, each: int) -> Path:
    """Files in directories of so many."""
    for number in range(count):
        if number % each == 0:
            (folder / f"{number // each}").mkdir(parents=True)
        (folder / f"{number // each}" / f"{number}.txt").write_text(f"{number}\n" * 20)
    return folder


def most_memory(folder: Path) -> int:
    """Bytes that Python has at most from the look into a context to the ends of the tars of two COPY lines."""
    tracemalloc.start()
    try:
        first, second = LayerBuilder(None), LayerBuilder(None)
        context = Context(folder)
        for layer in (first, second):
            copy(Order((".",), "/app/"), context, layer, KeyError)
        layers = [layer.sorted() for layer in (first, second)]
        survey_layers(layers, holding=Holding())
        for layer in layers:
            assert all(len(piece) <= 256 * 1024 for piece in tar_stream(layer, 0))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("each", [250, 20_000])
def test_a_file_of_a_context_takes_little_memory(tmp_path, each):
    """It is in two layers. What is open at a time, and no more than that, is there before the 4000th."""
    few, many = 4000, 12_000
    small, large = (most_memory(context_of(tmp_path / f"{count}", count, each)) for count in (few, many))

    assert (large - small) / (many - few) < 130
