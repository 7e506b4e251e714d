"""ccxt, unchanged, takes the sandbox for Kraken. Only its base URL is another one."""

import time

import ccxt
import pytest

from sandbox import Key, Sandbox, key

PAIR = "BTC/USD"
FAR_BELOW = 20_000
"""A price in USD at which a buy order rests: the sandbox's market is near 60,000."""


def client(sandbox: Sandbox, by: Key) -> ccxt.kraken:
    return ccxt.kraken(
        {
            "apiKey": by.api_key,
            "secret": by.secret,
            "urls": {"api": {"public": sandbox.url, "private": sandbox.url}},
            # Its own throttle would keep the rate limit from ever being met.
            "enableRateLimit": False,
        }
    )


@pytest.fixture(scope="module")
def kraken(sandbox: Sandbox) -> ccxt.kraken:
    return client(sandbox, key("sandbox-all"))


def test_loads_markets(kraken: ccxt.kraken) -> None:
    markets = kraken.load_markets()
    assert {"BTC/USD", "ETH/USD", "BTC/EUR"} <= set(markets)
    market = markets[PAIR]
    assert (market["id"], market["base"], market["quote"]) == ("XXBTZUSD", "BTC", "USD")
    assert market["active"] and market["spot"]
    assert market["precision"]["price"] == 0.1
    assert (market["maker"], market["taker"]) == (0.0025, 0.004)
    assert market["limits"]["amount"]["min"] > 0


def test_reads_balances(kraken: ccxt.kraken) -> None:
    balance = kraken.fetch_balance()
    for asset in ("BTC", "USD", "EUR", "ETH"):
        assert balance["total"][asset] > 0
        assert balance["free"][asset] == pytest.approx(balance["total"][asset] - balance["used"][asset])


def test_reads_the_market(kraken: ccxt.kraken) -> None:
    ticker = kraken.fetch_ticker(PAIR)
    assert 0 < ticker["bid"] < ticker["ask"]


def test_reads_the_book_the_trades_and_the_candles(kraken: ccxt.kraken) -> None:
    kraken.create_order(PAIR, "market", "buy", 0.02)
    book = kraken.fetch_order_book(PAIR, 5)
    assert len(book["asks"]) == len(book["bids"]) == 5 and book["bids"][0][0] < book["asks"][0][0]
    trade = kraken.fetch_trades(PAIR)[-1]
    assert (trade["side"], trade["type"], trade["amount"]) == ("buy", "market", 0.02)
    *_, volume = kraken.fetch_ohlcv(PAIR, "1d")[-1]
    assert volume >= 0.02


def test_places_sees_and_cancels_an_order(kraken: ccxt.kraken, sandbox: Sandbox) -> None:
    held_before = kraken.fetch_balance()["used"]["USD"]
    placed = kraken.create_order(PAIR, "limit", "buy", 0.01, FAR_BELOW)

    (order,) = [order for order in kraken.fetch_open_orders(PAIR) if order["id"] == placed["id"]]
    assert (order["symbol"], order["side"], order["type"], order["status"]) == (PAIR, "buy", "limit", "open")
    assert (order["price"], order["amount"], order["filled"]) == (FAR_BELOW, 0.01, 0)
    assert kraken.fetch_balance()["used"]["USD"] == pytest.approx(held_before + 0.01 * FAR_BELOW, rel=0.01)

    kraken.cancel_order(placed["id"], PAIR)

    assert placed["id"] not in [order["id"] for order in kraken.fetch_open_orders(PAIR)]
    assert kraken.fetch_order(placed["id"], PAIR)["status"] == "canceled"
    assert kraken.fetch_balance()["used"]["USD"] == pytest.approx(held_before)
    assert [entry["endpoint"] for entry in sandbox.log(key("sandbox-all")) if entry["txid"] == placed["id"]] == [
        "AddOrder",
        "CancelOrder",
    ]


def test_places_two_at_once_amends_and_cancels_them(kraken: ccxt.kraken) -> None:
    order = {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 0.01, "price": FAR_BELOW}
    placed = kraken.create_orders([order, {**order, "price": FAR_BELOW + 1}])
    ids = [one["id"] for one in placed]
    assert len(set(ids)) == 2 and set(ids) <= {one["id"] for one in kraken.fetch_open_orders(PAIR)}

    kraken.edit_order(ids[0], PAIR, "limit", "buy", 0.02, FAR_BELOW + 2)

    order = kraken.fetch_order(ids[0], PAIR)
    assert (order["amount"], order["price"], order["status"]) == (0.02, FAR_BELOW + 2, "open")
    kraken.cancel_orders(ids, PAIR)
    assert not set(ids) & {one["id"] for one in kraken.fetch_open_orders(PAIR)}
    assert kraken.cancel_all_orders_after(60_000)["result"]["triggerTime"] > "2"
    assert kraken.cancel_all_orders_after(0)["result"]["triggerTime"] == "0"


def test_a_market_order_fills_and_moves_the_balances(kraken: ccxt.kraken) -> None:
    before = kraken.fetch_balance()["total"]
    placed = kraken.create_order(PAIR, "market", "buy", 0.01)
    order = kraken.fetch_order(placed["id"], PAIR)
    after = kraken.fetch_balance()["total"]
    assert (order["status"], order["filled"]) == ("closed", 0.01)
    assert after["BTC"] == pytest.approx(before["BTC"] + 0.01)
    fee = float(order["fee"]["cost"])
    assert fee == pytest.approx(order["cost"] * 0.004, rel=0.01)
    assert after["USD"] == pytest.approx(before["USD"] - order["cost"] - fee)


def test_a_fill_is_in_the_history_the_ledger_and_the_fees(sandbox: Sandbox) -> None:
    # History calls are dear: a key of its own keeps them from taking the points of the other tests.
    kraken = client(sandbox, key("sandbox-all-4"))
    placed = kraken.create_order(PAIR, "market", "buy", 0.01)

    (trade,) = [trade for trade in kraken.fetch_my_trades(PAIR) if trade["order"] == placed["id"]]
    assert (trade["symbol"], trade["side"], trade["amount"], trade["takerOrMaker"]) == (PAIR, "buy", 0.01, "taker")

    entries = [entry for entry in kraken.fetch_ledger() if entry["referenceId"] == trade["id"]]
    assert {entry["currency"] for entry in entries} == {"BTC", "USD"}
    again = kraken.fetch_ledger_entries_by_ids([entry["id"] for entry in entries])
    assert {entry["id"] for entry in again} == {entry["id"] for entry in entries}

    fee = kraken.fetch_trading_fee(PAIR)
    assert (fee["maker"], fee["taker"]) == (0.0025, 0.004)
    assert float(kraken.private_post_tradevolume()["result"]["volume"]) >= trade["cost"]
    assert kraken.fetch_positions() == []
    assert kraken.private_post_creditlines()["result"] is None


def test_reports_are_asked_for_and_listed(sandbox: Sandbox) -> None:
    kraken = client(sandbox, key("sandbox-ledger"))
    report = kraken.private_post_addexport({"report": "ledgers", "description": "ledger of the month"})["result"]["id"]
    (shown,) = kraken.private_post_exportstatus({"report": "ledgers"})["result"]
    assert (shown["id"], shown["descr"], shown["report"]) == (report, "ledger of the month", "ledgers")
    assert kraken.private_post_removeexport({"id": report, "type": "cancel"})["result"] == {"cancel": True}
    assert kraken.private_post_exportstatus({"report": "ledgers"})["result"] == []


def test_strategies_are_listed_and_allocated(sandbox: Sandbox) -> None:
    kraken = client(sandbox, key("sandbox-fund"))
    strategies = kraken.private_post_earn_strategies({"asset": "XBT"})["result"]["items"]
    (chosen,) = [one["id"] for one in strategies if one["can_allocate"]]
    sandbox.switch(earn_ms=0)
    asked = {"strategy_id": chosen, "amount": "0.5"}
    assert kraken.private_post_earn_allocate(asked)["result"] is True
    assert kraken.private_post_earn_allocatestatus({"strategy_id": chosen})["result"] == {"pending": False}
    (item,) = kraken.private_post_earn_allocations()["result"]["items"]
    assert float(item["amount_allocated"]["total"]["native"]) == 0.5
    assert kraken.private_post_earn_deallocate(asked)["result"] is True
    assert kraken.private_post_earn_deallocatestatus({"strategy_id": chosen})["result"] == {"pending": False}


def test_money_comes_in_goes_out_and_is_moved(sandbox: Sandbox) -> None:
    sandbox.switch(funding_step_ms=0)
    kraken = client(sandbox, key("sandbox-fund"))
    address = kraken.create_deposit_address("BTC")
    assert address["address"].startswith("bc1q") and address["currency"] == "BTC"
    assert kraken.fetch_deposit_address("BTC")["address"] == address["address"]
    assert kraken.fetch_deposit_methods("BTC")[0]["method"] == "Bitcoin"

    paid = sandbox.deposit(account="main", asset="XBT", amount="0.5", address=address["address"])
    (deposit,) = [one for one in kraken.fetch_deposits("BTC") if one["id"] == paid]
    assert (deposit["amount"], deposit["status"], deposit["address"]) == (0.5, "ok", address["address"])

    before = kraken.fetch_balance()["total"]["BTC"]
    sent = kraken.withdraw("BTC", 0.25, "", params={"key": "cold-wallet-1"})
    (withdrawal,) = [one for one in kraken.fetch_withdrawals("BTC") if one["id"] == sent["id"]]
    assert (withdrawal["status"], withdrawal["network"], withdrawal["fee"]["cost"]) == ("ok", "BTC", 0.00002)
    assert withdrawal["amount"] == pytest.approx(0.25 - 0.00002)
    (page,) = kraken.fetch_withdrawals("BTC", params={"cursor": True, "limit": 1})
    assert page["id"] == sent["id"]
    assert kraken.fetch_balance()["total"]["BTC"] == pytest.approx(before - 0.25)
    with pytest.raises(ccxt.InvalidAddress, match="EFunding:Unknown withdraw key"):
        kraken.withdraw("BTC", 0.25, "", params={"key": "nowhere"})
    with pytest.raises(ccxt.InsufficientFunds, match="EFunding:Invalid amount"):
        kraken.withdraw("BTC", 1_000_000, "", params={"key": "cold-wallet-1"})

    assert kraken.transfer_out("BTC", 0.125)["id"].startswith("FT")
    assert kraken.fetch_balance()["total"]["BTC"] == pytest.approx(before - 0.375)


def test_a_nonce_that_is_too_low_raises_invalid_nonce(sandbox: Sandbox) -> None:
    used = key("sandbox-read")
    # Another program used the same key with nanoseconds; ccxt counts in milliseconds.
    assert sandbox.signed(used, "Balance", nonce=time.time_ns())["error"] == []
    with pytest.raises(ccxt.InvalidNonce, match="EAPI:Invalid nonce"):
        client(sandbox, used).fetch_balance()
    assert sandbox.log(used)[-1]["verdict"] == "EAPI:Invalid nonce"


@pytest.mark.parametrize("label", ["sandbox-none", "sandbox-read-2"])
def test_a_missing_permission_raises_permission_denied(sandbox: Sandbox, label: str) -> None:
    with pytest.raises(ccxt.PermissionDenied, match="EGeneral:Permission denied"):
        client(sandbox, key(label)).create_order(PAIR, "limit", "buy", 0.01, FAR_BELOW)
    last = sandbox.log(key(label))[-1]
    assert (last["endpoint"], last["verdict"], last["executed"]) == ("AddOrder", "EGeneral:Permission denied", False)


def test_too_many_calls_raise_ddos_protection(starter_sandbox: Sandbox) -> None:
    used = key("sandbox-all-3")
    kraken = client(starter_sandbox, used)
    # ccxt's name for `EAPI:Rate limit exceeded`.
    with pytest.raises(ccxt.DDoSProtection, match="EAPI:Rate limit exceeded"):
        for _ in range(60):
            kraken.fetch_balance()
    verdicts = [entry["verdict"] for entry in starter_sandbox.log(used)]
    assert verdicts.pop() == "EAPI:Rate limit exceeded"
    assert len(verdicts) >= 15 and set(verdicts) == {"ok"}
