"""python-kraken-sdk, unchanged, takes the sandbox for Kraken. Only its base URL is another one."""

import csv
import io
import time
import zipfile
from decimal import Decimal

import pytest
from kraken.exceptions import (
    KrakenApiLimitExceededError,
    KrakenEarnAllocationExceededError,
    KrakenEarnAllocationInProgressError,
    KrakenEarnMinimumAllocationError,
    KrakenInvalidNonceError,
    KrakenPermissionDeniedError,
    KrakenUnknownWithdrawKeyError,
)
from kraken.spot import Earn, Funding, Market, Trade, User

from sandbox import Key, Sandbox, key

PAIR = "XBTUSD"
FAR_BELOW = "20000.0"
"""A price in USD at which a buy order rests: the sandbox's market is near 60,000."""

MINE = key("sandbox-all-2")


def user(sandbox: Sandbox, by: Key) -> User:
    return User(key=by.api_key, secret=by.secret, url=sandbox.url)


def trade(sandbox: Sandbox, by: Key) -> Trade:
    return Trade(key=by.api_key, secret=by.secret, url=sandbox.url)


def place(sandbox: Sandbox, by: Key) -> str:
    """Places an order that rests, and returns its id."""
    reply = trade(sandbox, by).create_order(ordertype="limit", side="buy", pair=PAIR, volume="0.01", price=FAR_BELOW)
    (order_id,) = reply["txid"]
    return order_id


def test_loads_markets(sandbox: Sandbox) -> None:
    market = Market(url=sandbox.url)
    assert {"XXBT", "XETH", "ZUSD", "ZEUR"} <= set(market.get_assets())
    pairs = market.get_asset_pairs()
    assert {"XXBTZUSD", "XETHZUSD", "XXBTZEUR"} <= set(pairs)
    assert (pairs["XXBTZUSD"]["wsname"], pairs["XXBTZUSD"]["base"]) == ("XBT/USD", "XXBT")


@pytest.mark.parametrize("name", ["XBTUSD", "XXBTZUSD", "XBT/USD", "BTC/USD"])
def test_a_pair_has_four_names(sandbox: Sandbox, name: str) -> None:
    assert list(Market(url=sandbox.url).get_asset_pairs(pair=name)) == ["XXBTZUSD"]


def test_reads_balances(sandbox: Sandbox) -> None:
    balances = user(sandbox, MINE).get_account_balance()
    for asset in ("XXBT", "XETH", "ZUSD", "ZEUR"):
        assert Decimal(balances[asset]) > 0
    assert Decimal(user(sandbox, MINE).get_balance("XXBT")["balance"]) == Decimal(balances["XXBT"])


def test_reads_the_book_the_trades_the_candles_and_the_spread(sandbox: Sandbox) -> None:
    market, names = Market(url=sandbox.url), {"XXBTZUSD", "last"}
    assert market.get_recent_trades(PAIR, since=0)["XXBTZUSD"] == []
    trade(sandbox, MINE).create_order(ordertype="market", side="buy", pair=PAIR, volume="0.5")
    book = market.get_order_book(PAIR, count=3)["XXBTZUSD"]
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]) and len(book["asks"]) == 3
    page = market.get_recent_trades(PAIR, count=10)
    (row,) = page["XXBTZUSD"]
    assert set(page) == names and row[1:2] + row[3:6] == ["0.50000000", "b", "m", ""]
    assert market.get_recent_trades(PAIR, since=page["last"])["XXBTZUSD"] == []
    candles = market.get_ohlc(PAIR, interval=1440)
    assert set(candles) == names and Decimal(candles["XXBTZUSD"][-1][6]) == Decimal("0.5")
    spreads = market.get_recent_spreads(PAIR)
    assert set(spreads) == names and len(spreads["XXBTZUSD"][-1]) == 3


def test_places_sees_and_cancels_an_order(sandbox: Sandbox) -> None:
    order_id = place(sandbox, MINE)

    order = user(sandbox, MINE).get_open_orders()["open"][order_id]
    assert (order["status"], order["descr"]["type"], order["descr"]["ordertype"]) == ("open", "buy", "limit")
    assert Decimal(order["descr"]["price"]) == Decimal(FAR_BELOW)
    assert (Decimal(order["vol"]), Decimal(order["vol_exec"])) == (Decimal("0.01"), 0)

    assert trade(sandbox, MINE).cancel_order(txid=order_id)["count"] == 1

    assert order_id not in user(sandbox, MINE).get_open_orders()["open"]
    assert user(sandbox, MINE).get_closed_orders()["closed"][order_id]["status"] == "canceled"


def test_validate_places_nothing(sandbox: Sandbox) -> None:
    before = set(user(sandbox, MINE).get_open_orders()["open"])
    reply = trade(sandbox, MINE).create_order(
        ordertype="limit", side="buy", pair=PAIR, volume="0.01", price=FAR_BELOW, validate=True
    )
    assert "txid" not in reply and reply["descr"]["order"].startswith("buy 0.01")
    assert set(user(sandbox, MINE).get_open_orders()["open"]) == before


def test_a_fill_is_in_the_history_and_the_volume(sandbox: Sandbox) -> None:
    by = key("sandbox-all-3")
    bought = trade(sandbox, by).create_order(ordertype="market", side="buy", pair=PAIR, volume="0.01")["txid"][0]

    trades = user(sandbox, by).get_trades_history()["trades"]
    ((trade_id, fill),) = [(name, one) for name, one in trades.items() if one["ordertxid"] == bought]
    assert user(sandbox, by).get_trades_info(txid=trade_id)[trade_id]["vol"] == fill["vol"] == "0.01000000"

    volume = user(sandbox, by).get_trade_volume(pair=PAIR)
    assert Decimal(volume["volume"]) >= Decimal(fill["cost"])
    assert volume["fees"]["XXBTZUSD"]["fee"] == "0.4000"
    assert Decimal(user(sandbox, by).get_trade_balance()["eb"]) > 0
    assert user(sandbox, by).get_open_positions() == []


def test_a_report_is_built_fetched_and_deleted(sandbox: Sandbox) -> None:
    by = key("sandbox-all-3")
    bought = trade(sandbox, by).create_order(ordertype="market", side="buy", pair=PAIR, volume="0.01")["txid"][0]
    asking = user(sandbox, by)
    sandbox.switch(export_ms=600_000)
    waiting = asking.request_export_report(report="trades", description="later")["id"]
    assert asking.get_export_report_status("trades")[0]["status"] == "Queued"
    assert asking.delete_export_report(waiting, type_="cancel") == {"cancel": True}

    sandbox.switch(export_ms=0)
    report = asking.request_export_report(report="trades", description="trades of the month")["id"]
    (shown,) = asking.get_export_report_status("trades")
    assert (shown["id"], shown["status"], shown["format"]) == (report, "Processed", "CSV")
    with zipfile.ZipFile(io.BytesIO(asking.retrieve_export(report).content)) as archive:
        assert archive.namelist() == ["trades.csv"] and archive.testzip() is None
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("trades.csv"))))
    (row,) = [row for row in rows if row["ordertxid"] == bought]
    assert (row["pair"], row["type"], Decimal(row["vol"])) == ("XXBTZUSD", "buy", Decimal("0.01"))
    assert asking.delete_export_report(report) == {"delete": True}
    assert asking.get_export_report_status("trades") == []


def test_a_master_makes_a_subaccount_and_pays_it(sandbox: Sandbox) -> None:
    by, other = key("sandbox-fund"), key("sandbox-second-read")
    here, there = (sandbox.signed(one, "GetApiKeyInfo")["result"]["iban"] for one in (by, other))
    asking = user(sandbox, by)
    assert asking.create_subaccount("desk", "desk@example.com") is True
    moved = asking.account_transfer("XBT", "0.5", here, there)
    assert moved["status"] == "complete" and moved["transfer_id"].startswith("T")
    assert Decimal(user(sandbox, other).get_account_balance()["XXBT"]) == Decimal("100.5")


def test_an_amount_goes_into_a_strategy_and_comes_out_again(sandbox: Sandbox) -> None:
    by = key("sandbox-all-4")
    earn = Earn(key=by.api_key, secret=by.secret, url=sandbox.url)
    (bonded,) = earn.list_earn_strategies(asset="ETH")["items"]
    (strategy,) = earn.list_earn_strategies(asset="XBT")["items"]
    assert (bonded["lock_type"]["type"], strategy["lock_type"]["type"]) == ("bonded", "instant")
    chosen = strategy["id"]

    sandbox.switch(earn_ms=600_000)
    assert earn.allocate_earn_funds("1", bonded["id"]) is True
    assert earn.get_allocation_status(bonded["id"]) == {"pending": True}
    with pytest.raises(KrakenEarnAllocationInProgressError):
        earn.allocate_earn_funds("1", bonded["id"])

    sandbox.switch(earn_ms=0)
    assert earn.allocate_earn_funds("0.25", chosen) is True
    assert earn.get_allocation_status(chosen) == {"pending": False}
    items = {item["strategy_id"]: item["amount_allocated"] for item in earn.list_earn_allocations()["items"]}
    assert Decimal(items[chosen]["total"]["native"]) == Decimal("0.25")
    assert Decimal(items[bonded["id"]]["pending"]["native"]) == 1
    assert earn.deallocate_earn_funds("0.25", chosen) is True
    assert earn.get_deallocation_status(chosen) == {"pending": False}

    with pytest.raises(KrakenEarnMinimumAllocationError):
        earn.allocate_earn_funds("0.00000001", chosen)
    earn.allocate_earn_funds("6", chosen)
    with pytest.raises(KrakenEarnAllocationExceededError):
        earn.get_allocation_status(chosen)


@pytest.mark.filterwarnings("ignore:.*deprecated Kraken endpoint:DeprecationWarning")
def test_money_comes_in_goes_out_and_is_asked_back(sandbox: Sandbox) -> None:
    by = key("sandbox-fund")
    funding = Funding(key=by.api_key, secret=by.secret, url=sandbox.url)
    sandbox.switch(funding_step_ms=600_000)
    (method,) = [one["method"] for one in funding.get_deposit_methods(asset="ETH")]
    address = funding.get_deposit_address(asset="ETH", method=method, new=True)[0]
    assert address["new"] and address["address"].startswith("0x")
    paid = sandbox.deposit(account="main", asset="ETH", amount="2", address=address["address"])
    (deposit,) = [one for one in funding.get_recent_deposits_status(asset="ETH") if one["refid"] == paid]
    assert (deposit["status"], Decimal(deposit["amount"])) == ("Initial", 2)
    assert [one["refid"] for one in funding.get_recent_deposits_status(cursor=True)["deposits"]][0] == paid

    assert funding.withdraw_methods(asset="ETH")[0]["network"] == "Ethereum"
    (saved,) = funding.withdraw_addresses(asset="ETH", verified=True)
    info = funding.get_withdrawal_info(asset="ETH", key=saved["key"], amount="1")
    assert Decimal(info["amount"]) + Decimal(info["fee"]) == 1
    before = Decimal(user(sandbox, by).get_account_balance()["XETH"])
    sent = funding.withdraw_funds(asset="ETH", key=saved["key"], amount="1", max_fee="0.01")["refid"]
    assert Decimal(user(sandbox, by).get_account_balance()["XETH"]) == before - 1
    with pytest.raises(KrakenUnknownWithdrawKeyError):
        funding.withdraw_funds(asset="ETH", key="nowhere", amount="1")

    assert funding.cancel_withdraw(asset="ETH", refid=sent) is True
    (withdrawal,) = [one for one in funding.get_recent_withdraw_status(asset="ETH") if one["refid"] == sent]
    assert (withdrawal["status"], withdrawal["status-prop"]) == ("Initial", "cancel-pending")
    moved = funding.wallet_transfer(asset="ETH", from_="Spot Wallet", to_="Futures Wallet", amount="1")
    assert moved["refid"].startswith("FT")


def test_a_nonce_that_is_too_low_raises_invalid_nonce(sandbox: Sandbox) -> None:
    used = key("sandbox-read")
    # Another program used the same key with nanoseconds; this client counts in hundredths of a microsecond.
    assert sandbox.signed(used, "Balance", nonce=time.time_ns())["error"] == []
    with pytest.raises(KrakenInvalidNonceError):
        user(sandbox, used).get_account_balance()
    assert sandbox.log(used)[-1]["verdict"] == "EAPI:Invalid nonce"


@pytest.mark.parametrize("label", ["sandbox-none", "sandbox-read-2"])
def test_a_missing_permission_raises_permission_denied(sandbox: Sandbox, label: str) -> None:
    with pytest.raises(KrakenPermissionDeniedError):
        place(sandbox, key(label))
    last = sandbox.log(key(label))[-1]
    assert (last["endpoint"], last["verdict"], last["executed"]) == ("AddOrder", "EGeneral:Permission denied", False)


def test_too_many_calls_raise_api_limit_exceeded(starter_sandbox: Sandbox) -> None:
    used = key("sandbox-all-4")
    asking = user(starter_sandbox, used)
    with pytest.raises(KrakenApiLimitExceededError):
        for _ in range(60):
            asking.get_account_balance()
    verdicts = [entry["verdict"] for entry in starter_sandbox.log(used)]
    assert verdicts.pop() == "EAPI:Rate limit exceeded"
    assert len(verdicts) >= 15 and set(verdicts) == {"ok"}
