"""Every Spot REST method of ccxt and python-kraken-sdk against the sandbox, and the table that says which pass."""

import warnings

import pytest

from conformance import GROUPS, README, Case, Desk, methods, page
from sandbox import Sandbox


@pytest.fixture(scope="module")
def desk(sandbox: Sandbox) -> Desk:
    return Desk(sandbox)


@pytest.fixture(autouse=True)
def _as_at_the_start(desk: Desk) -> None:
    """What one call has changed, the next does not meet."""
    desk.sandbox.switch(tier="wide", funding_step_ms=0, earn_ms=0, export_ms=0)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.method) for cases in GROUPS.values() for case in cases])
def test_a_method_does_what_its_row_says(desk: Desk, case: Case) -> None:
    with warnings.catch_warnings():
        # The SDK warns of endpoints that Kraken wants to replace.
        warnings.simplefilter("ignore", DeprecationWarning)
        if not case.cannot:
            assert case.call(desk)
            return
        with pytest.raises(Exception) as refusal:
            case.call(desk)
    assert case.says in str(refusal.value)


def test_every_method_of_the_clients_has_a_row() -> None:
    for group, wanted in methods():
        rows = [case.method for case in GROUPS[group]]
        assert len(rows) == len(set(rows))
        assert set(rows) == wanted, group


def test_the_table_is_current() -> None:
    assert README.read_text(encoding="utf-8") == page(), "tests/python/conformance.py > tests/conformance/README.md"
