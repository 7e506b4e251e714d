"""The sandbox seen without any client: what it writes down, what it counts, TLS, switches."""

import ssl
import time
import urllib.error
from urllib.request import urlopen

import pytest

from sandbox import Key, Sandbox, key


def test_the_log_holds_every_request_of_a_key(sandbox: Sandbox) -> None:
    used = key("sandbox-trade")
    order = {"pair": "XBT/USD", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "20000.0"}
    first = time.time_ns() // 1000
    nonces = [first, first + 1, first + 1]
    replies = [sandbox.signed(used, "AddOrder", nonce=nonce, **order) for nonce in nonces]

    assert [reply["error"] for reply in replies] == [[], [], ["EAPI:Invalid nonce"]]
    entries = sandbox.log(used)
    assert [entry["nonce"] for entry in entries] == [str(nonce) for nonce in nonces]
    assert [entry["verdict"] for entry in entries] == ["ok", "ok", "EAPI:Invalid nonce"]
    assert [entry["executed"] for entry in entries] == [True, True, False]
    assert [entry["txid"] for entry in entries[:2]] == [reply["result"]["txid"][0] for reply in replies[:2]]
    assert {entry["endpoint"] for entry in entries} == {"AddOrder"}


def test_statistics_count_refusals_by_key_and_cause(sandbox: Sandbox) -> None:
    refused = key("sandbox-cancel")
    assert sandbox.signed(refused, "Balance")["error"] == ["EGeneral:Permission denied"]
    assert sandbox.signed(refused, "Balance")["error"] == ["EGeneral:Permission denied"]
    assert sum(sandbox.refusals(refused).values()) == 2

    statistics = sandbox.get("/sandbox/stats")
    assert statistics["server"] == "tidegate-sandbox"
    assert statistics["by_key"][refused.api_key]["requests"] == 2
    assert statistics["by_endpoint"]["Balance"] >= 2


def test_a_wrong_signature_is_an_invalid_signature(sandbox: Sandbox) -> None:
    right = key("sandbox-ledger")
    wrong = Key(right.api_key, key("sandbox-fund").secret)
    assert sandbox.signed(wrong, "Ledgers")["error"] == ["EAPI:Invalid signature"]


def test_tls_is_trusted_through_the_written_ca_and_only_through_it(sandbox: Sandbox) -> None:
    trusting = ssl.create_default_context(cafile=str(sandbox.ca_file))
    assert sandbox.get("/0/public/Time", tls=trusting)["error"] == []
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        sandbox.get("/0/public/Time", tls=ssl.create_default_context())


def test_an_error_switched_on_is_met_once_and_nothing_is_executed(sandbox: Sandbox) -> None:
    used = key("sandbox-trade-2")
    sandbox.switch(faults=[{"endpoint": "CancelAll", "count": 1, "error": "EService:Busy"}])
    assert sandbox.signed(used, "CancelAll")["error"] == ["EService:Busy"]
    assert sandbox.signed(used, "CancelAll")["error"] == []
    assert [entry["executed"] for entry in sandbox.log(used)] == [False, True]


def test_an_unknown_switch_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        sandbox.switch(weather="rain")


def test_an_unknown_path_is_answered_as_kraken_does(sandbox: Sandbox) -> None:
    with urlopen(sandbox.url + "/0/public/Nonsense", timeout=30) as reply:
        assert b"EGeneral:Unknown method" in reply.read()
