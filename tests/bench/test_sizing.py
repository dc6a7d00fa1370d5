"""How many nodes a crowd takes."""

from pathlib import Path

import pytest

from live.bench.capacity import BUSY
from live.bench.sizing import CROWDS, Costs, Site, readers_per_process, size_of


@pytest.mark.parametrize(
    ("site", "bound"),
    [
        (Site(updates_per_minute=600), BUSY * 1e6 / 100),
        (Site(updates_per_minute=0, within=0.1), 10_000),
        (Site(updates_per_minute=0, files=1_200), 1_000),
    ],
)
def test_the_scarcest_thing_bounds_a_process(site: Site, bound: float) -> None:
    assert readers_per_process(Costs(delivery=10, size=100), site) == pytest.approx(bound, abs=1)


def test_a_crowd_fits_on_its_nodes_with_one_of_them_lost() -> None:
    costs, site = Costs(), Site()
    for crowd in CROWDS:
        size = size_of(crowd, costs, site)
        assert (size.nodes - 1) * site.cores * readers_per_process(costs, site) >= crowd
        assert (size.processes - 1) * readers_per_process(costs, site) < crowd


def test_the_table_in_the_documentation_is_what_comes_out() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "running.md").read_text()
    for crowd in CROWDS:
        size = size_of(crowd, Costs(), Site())
        assert f"| {crowd:,} | {size.processes} | {size.nodes} |" in text


def test_bandwidth_and_memory() -> None:
    size = size_of(1_000_000, Costs(memory=1.024, size=1_000), Site(updates_per_minute=60))
    assert size.megabits == pytest.approx(8_000)
    assert size.memory_mib == pytest.approx(1_000)
