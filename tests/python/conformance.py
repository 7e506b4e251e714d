"""Every Spot REST method of two clients that know nothing of us, called against the sandbox, and the table that says so.

    .venv/bin/python tests/python/conformance.py > tests/conformance/README.md

`test_conformance.py` makes each call, and holds the table against this file and this file against the clients.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock

import ccxt
from kraken.spot import Earn, Funding, Market, Trade, User

import harness
from sandbox import Sandbox, key

README = harness.ROOT / "tests/conformance/README.md"
PAIR, ALTNAME = "BTC/USD", "XBTUSD"
FAR_BELOW = 20_000
"""A price in USD at which a buy order rests: the sandbox's market is near 60,000."""
STRATEGY = "ESXBTIN-STANT-SANDBX"
MOVED = {"asset": "XBT", "amount": "0.01"}


class Desk:
    """A sandbox without counters, and the clients at it. Each has a key of its own: they count their nonces in different units, so one
    that shared a key with another would be refused for ever."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        sandbox.switch(tier="wide", funding_step_ms=0, earn_ms=0, export_ms=0)
        by = key("sandbox-all")
        self.ccxt = ccxt.kraken(
            {
                "apiKey": by.api_key,
                "secret": by.secret,
                "urls": {"api": {"public": sandbox.url, "private": sandbox.url}},
                "enableRateLimit": False,
            }
        )
        by = key("sandbox-all-2")
        mine = {"key": by.api_key, "secret": by.secret, "url": sandbox.url}
        self.user, self.trade, self.funding, self.earn = User(**mine), Trade(**mine), Funding(**mine), Earn(**mine)
        self.market = Market(url=sandbox.url)

    def raw(self, name: str, **parameters: object) -> Any:
        """The result of ccxt's bare call of an endpoint."""
        return getattr(self.ccxt, name)(parameters)["result"]

    def rests(self, **changes: object) -> str:
        """Places an order that rests, and returns its id."""
        return self.ccxt.create_order(PAIR, "limit", "buy", 0.01, FAR_BELOW, changes)["id"]

    def filled(self) -> str:
        """Buys at the market, and returns the order's id."""
        return self.ccxt.create_order(PAIR, "market", "buy", 0.01)["id"]

    def trade_ids(self) -> list[str]:
        """The trades of an order that was filled just now."""
        return self.raw("private_post_queryorders", txid=(one := self.filled()), trades="true")[one]["trades"]

    def ledger_id(self) -> str:
        """One entry of the ledger."""
        self.filled()
        return next(iter(self.raw("private_post_ledgers")["ledger"]))

    def report(self) -> str:
        """Asks for a report and returns its id."""
        return self.raw("private_post_addexport", report="ledgers", description="of the month")["id"]

    def withdrawn(self) -> str:
        """Withdraws, slowly enough to be asked back."""
        self.sandbox.switch(funding_step_ms=600_000)
        return self.raw("private_post_withdraw", key="cold-wallet-1", **MOVED)["refid"]

    def two_accounts(self) -> dict[str, str]:
        """The public ids of a master and of its subaccount."""
        there = self.sandbox.signed(key("sandbox-second-read"), "GetApiKeyInfo")["result"]["iban"]
        return {"from": self.raw("private_post_getapikeyinfo")["iban"], "to": there}


@dataclass(frozen=True)
class Case:
    """One method. `call` returns something true if the client understood what it was told."""

    method: str
    call: Callable[[Desk], Any]
    cannot: str = ""
    """Why the sandbox cannot serve it; empty if it does."""
    says: str = ""
    """What the client says then."""




def ccxt_unified() -> list[Case]:
    """The unified methods of ccxt's class `kraken`."""

    def both(desk: Desk) -> list[str]:
        order = {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 0.01, "price": FAR_BELOW}
        return [one["id"] for one in desk.ccxt.create_orders([order, order])]

    def amended(desk: Desk) -> bool:
        one = desk.rests()
        desk.ccxt.edit_order(one, PAIR, "limit", "buy", 0.02, FAR_BELOW + 1)
        return desk.ccxt.fetch_order(one, PAIR)["amount"] == 0.02

    def paid(desk: Desk) -> bool:
        address = desk.ccxt.create_deposit_address("BTC")["address"]
        refid = desk.sandbox.deposit(account="main", asset="XBT", amount="0.5", address=address)
        return refid in [one["id"] for one in desk.ccxt.fetch_deposits("BTC")]

    def received(desk: Desk) -> bool:
        address = desk.ccxt.create_deposit_address("BTC")["address"]
        return desk.ccxt.fetch_deposit_address("BTC")["address"].startswith(address[:3])

    def sent(desk: Desk) -> str:
        return desk.ccxt.withdraw("BTC", 0.01, "", params={"key": "cold-wallet-1"})["id"]

    def waits(desk: Desk, placed: dict[str, Any]) -> bool:
        return desk.ccxt.fetch_order(placed["id"], PAIR)["status"] == "open"

    # ccxt's own name of the trigger is not one that its class for Kraken reads.
    stop = {"stopLossPrice": FAR_BELOW}
    cases = [
        ("cancel_all_orders", lambda d: d.rests() and d.ccxt.cancel_all_orders() and not d.ccxt.fetch_open_orders()),
        ("cancel_all_orders_after", lambda d: d.ccxt.cancel_all_orders_after(0)["result"]["triggerTime"] == "0"),
        ("cancel_order", lambda d: d.ccxt.cancel_order(one := d.rests()) and d.ccxt.fetch_order(one)["status"] == "canceled"),
        ("cancel_orders", lambda d: d.ccxt.cancel_orders([d.rests(), d.rests()])),
        ("create_deposit_address", lambda d: d.ccxt.create_deposit_address("BTC")["address"].startswith("bc1q")),
        ("create_limit_order", lambda d: d.ccxt.create_limit_order(PAIR, "buy", 0.01, FAR_BELOW)["id"]),
        ("create_market_order", lambda d: d.ccxt.create_market_order(PAIR, "buy", 0.01)["id"]),
        ("create_market_buy_order_with_cost", lambda d: d.ccxt.create_market_buy_order_with_cost(PAIR, 100)["id"]),
        ("create_market_order_with_cost", lambda d: d.ccxt.create_market_order_with_cost(PAIR, "buy", 100)["id"]),
        ("create_order", lambda d: d.ccxt.fetch_order(d.filled(), PAIR)["status"] == "closed"),
        ("create_orders", lambda d: len(set(both(d))) == 2),
        ("create_stop_limit_order", lambda d: waits(d, d.ccxt.create_stop_limit_order(PAIR, "sell", 0.01, 19_000, FAR_BELOW, stop))),
        ("create_stop_market_order", lambda d: waits(d, d.ccxt.create_stop_market_order(PAIR, "sell", 0.01, FAR_BELOW, stop))),
        ("create_stop_order", lambda d: waits(d, d.ccxt.create_stop_order(PAIR, "market", "sell", 0.01, None, FAR_BELOW, stop))),
        ("create_trailing_amount_order", lambda d: waits(d, d.ccxt.create_trailing_amount_order(PAIR, "market", "sell", 0.01, None, 5_000))),
        ("create_trailing_percent_order", lambda d: waits(d, d.ccxt.create_trailing_percent_order(PAIR, "market", "sell", 0.01, None, 5))),
        ("edit_order", amended),
        ("fetch_balance", lambda d: d.ccxt.fetch_balance()["total"]["BTC"] > 0),
        ("fetch_closed_orders", lambda d: d.filled() in [one["id"] for one in d.ccxt.fetch_closed_orders(PAIR)]),
        ("fetch_currencies", lambda d: {"BTC", "USD", "ETH", "EUR"} <= set(d.ccxt.fetch_currencies())),
        ("fetch_deposit_address", received),
        ("fetch_deposit_methods", lambda d: d.ccxt.fetch_deposit_methods("BTC")[0]["method"] == "Bitcoin"),
        ("fetch_deposits", paid),
        ("fetch_l2_order_book", lambda d: d.ccxt.fetch_l2_order_book(PAIR)["bids"]),
        ("fetch_ledger", lambda d: d.filled() and d.ccxt.fetch_ledger("BTC")),
        ("fetch_ledger_entries_by_ids", lambda d: d.ccxt.fetch_ledger_entries_by_ids([one := d.ledger_id()])[0]["id"] == one),
        ("fetch_ledger_entry", lambda d: d.ccxt.fetch_ledger_entry(one := d.ledger_id())["id"] == one),
        ("fetch_markets", lambda d: {"BTC/USD", "ETH/USD", "BTC/EUR"} <= {one["symbol"] for one in d.ccxt.fetch_markets()}),
        ("fetch_my_trades", lambda d: d.filled() in [one["order"] for one in d.ccxt.fetch_my_trades(PAIR)]),
        ("fetch_ohlcv", lambda d: d.filled() and d.ccxt.fetch_ohlcv(PAIR, "1d")),
        ("fetch_open_orders", lambda d: d.rests() in [one["id"] for one in d.ccxt.fetch_open_orders(PAIR)]),
        ("fetch_order", lambda d: d.ccxt.fetch_order(d.rests(), PAIR)["status"] == "open"),
        ("fetch_order_book", lambda d: len(d.ccxt.fetch_order_book(PAIR, 5)["asks"]) == 5),
        ("fetch_order_trades", lambda d: d.ccxt.fetch_order_trades("", PAIR, params={"trades": d.trade_ids()})[0]["amount"] == 0.01),
        ("fetch_orders_by_ids", lambda d: len(d.ccxt.fetch_orders_by_ids([d.rests(), d.filled()])) == 2),
        ("fetch_positions", lambda d: d.ccxt.fetch_positions() == []),
        ("fetch_status", lambda d: d.ccxt.fetch_status()["status"] == "ok"),
        ("fetch_ticker", lambda d: d.ccxt.fetch_ticker(PAIR)["bid"] > 0),
        ("fetch_tickers", lambda d: {PAIR, "ETH/USD"} <= set(d.ccxt.fetch_tickers([PAIR, "ETH/USD"]))),
        ("fetch_time", lambda d: d.ccxt.fetch_time() > 1_700_000_000_000),
        ("fetch_trades", lambda d: d.filled() and d.ccxt.fetch_trades(PAIR)[-1]["amount"] == 0.01),
        ("fetch_trading_fee", lambda d: d.ccxt.fetch_trading_fee(PAIR)["taker"] == 0.004),
        ("fetch_withdrawals", lambda d: sent(d) in [one["id"] for one in d.ccxt.fetch_withdrawals("BTC")]),
        ("transfer", lambda d: d.ccxt.transfer("BTC", 0.01, "spot", "swap")["id"]),
        ("transfer_out", lambda d: d.ccxt.transfer_out("BTC", 0.01)["id"]),
        ("withdraw", sent),
    ]
    return [Case(*one) for one in cases]


def ccxt_endpoints() -> list[Case]:
    """The bare calls that ccxt has of every endpoint that it knows."""
    order = {"pair": ALTNAME, "type": "buy", "ordertype": "limit", "volume": "0.01", "price": str(FAR_BELOW)}
    row = {name: value for name, value in order.items() if name != "pair"}
    strategy = {"strategy_id": STRATEGY, "amount": "0.01"}

    def allocated(desk: Desk) -> bool:
        return desk.raw("private_post_earn_allocate", **strategy)

    cases: list[tuple[str, Callable[[Desk], Any]]] = [
        ("public/Time", lambda d: int(d.raw("public_get_time")["unixtime"]) > 0),
        ("public/SystemStatus", lambda d: d.raw("public_get_systemstatus")["status"] == "online"),
        ("public/Assets", lambda d: "XXBT" in d.raw("public_get_assets")),
        ("public/AssetPairs", lambda d: "XXBTZUSD" in d.raw("public_get_assetpairs")),
        ("public/Ticker", lambda d: "XXBTZUSD" in d.raw("public_get_ticker", pair=ALTNAME)),
        ("public/OHLC", lambda d: "XXBTZUSD" in d.raw("public_get_ohlc", pair=ALTNAME)),
        ("public/Depth", lambda d: d.raw("public_get_depth", pair=ALTNAME)["XXBTZUSD"]["bids"]),
        ("public/GroupedBook", lambda d: d.raw("public_get_groupedbook", pair=ALTNAME)["bids"]),
        ("public/Trades", lambda d: "XXBTZUSD" in d.raw("public_get_trades", pair=ALTNAME)),
        ("public/Spread", lambda d: "XXBTZUSD" in d.raw("public_get_spread", pair=ALTNAME)),
        ("public/PreTrade", lambda d: d.raw("public_get_pretrade", symbol="BTC/USD")["bids"]),
        ("public/PostTrade", lambda d: d.filled() and d.raw("public_get_posttrade", symbol="BTC/USD")["trades"]),
        ("private/Level3", lambda d: d.raw("private_post_level3", pair=ALTNAME)["bids"]),
        ("private/Balance", lambda d: "XXBT" in d.raw("private_post_balance")),
        ("private/BalanceEx", lambda d: "balance" in d.raw("private_post_balanceex")["XXBT"]),
        ("private/CreditLines", lambda d: d.raw("private_post_creditlines") is None),
        ("private/TradeBalance", lambda d: Decimal(d.raw("private_post_tradebalance")["eb"]) > 0),
        ("private/OpenOrders", lambda d: d.rests() in d.raw("private_post_openorders")["open"]),
        ("private/ClosedOrders", lambda d: d.filled() in d.raw("private_post_closedorders")["closed"]),
        ("private/QueryOrders", lambda d: (one := d.rests()) in d.raw("private_post_queryorders", txid=one)),
        ("private/OrderAmends", lambda d: d.raw("private_post_orderamends", order_id=d.rests())["amends"]),
        ("private/TradesHistory", lambda d: d.filled() and d.raw("private_post_tradeshistory")["trades"]),
        ("private/QueryTrades", lambda d: d.raw("private_post_querytrades", txid=d.trade_ids()[0])),
        ("private/OpenPositions", lambda d: d.raw("private_post_openpositions") == {}),
        ("private/Ledgers", lambda d: d.filled() and d.raw("private_post_ledgers")["ledger"]),
        ("private/QueryLedgers", lambda d: (one := d.ledger_id()) in d.raw("private_post_queryledgers", id=one)),
        ("private/TradeVolume", lambda d: d.raw("private_post_tradevolume", pair=ALTNAME)["currency"] == "ZUSD"),
        ("private/AddExport", lambda d: d.report()),
        ("private/ExportStatus", lambda d: d.report() in [one["id"] for one in d.raw("private_post_exportstatus", report="ledgers")]),
        ("private/RemoveExport", lambda d: d.raw("private_post_removeexport", id=d.report(), type="delete")["delete"] is True),
        ("private/GetApiKeyInfo", lambda d: "iban" in d.raw("private_post_getapikeyinfo")),
        ("private/AddOrder", lambda d: d.raw("private_post_addorder", **order)["txid"]),
        ("private/AmendOrder", lambda d: d.raw("private_post_amendorder", txid=d.rests(), order_qty="0.02")["amend_id"]),
        ("private/CancelOrder", lambda d: int(d.raw("private_post_cancelorder", txid=d.rests())["count"]) == 1),
        ("private/CancelAll", lambda d: d.rests() and int(d.raw("private_post_cancelall")["count"]) >= 1),
        ("private/CancelAllOrdersAfter", lambda d: d.raw("private_post_cancelallordersafter", timeout="0")["triggerTime"] == "0"),
        ("private/GetWebSocketsToken", lambda d: d.raw("private_post_getwebsocketstoken")["token"]),
        ("private/AddOrderBatch", lambda d: len(d.raw("private_post_addorderbatch", pair=ALTNAME, orders=[row, row])["orders"]) == 2),
        ("private/CancelOrderBatch", lambda d: int(d.raw("private_post_cancelorderbatch", orders=[d.rests()])["count"]) == 1),
        ("private/EditOrder", lambda d: d.raw("private_post_editorder", txid=d.rests(), pair=ALTNAME, volume="0.02")["status"] == "ok"),
        ("private/DepositMethods", lambda d: d.raw("private_post_depositmethods", asset="XBT")[0]["method"] == "Bitcoin"),
        ("private/DepositAddresses", lambda d: d.raw("private_post_depositaddresses", asset="ETH", method="Ether (Hex)", new="true")),
        ("private/DepositStatus", lambda d: isinstance(d.raw("private_post_depositstatus"), list)),
        ("private/WithdrawMethods", lambda d: d.raw("private_post_withdrawmethods", asset="XBT")),
        ("private/WithdrawAddresses", lambda d: d.raw("private_post_withdrawaddresses", asset="XBT")),
        ("private/WithdrawInfo", lambda d: Decimal(d.raw("private_post_withdrawinfo", key="cold-wallet-1", **MOVED)["fee"]) > 0),
        ("private/Withdraw", lambda d: d.withdrawn()),
        ("private/WithdrawStatus", lambda d: d.withdrawn() in [one["refid"] for one in d.raw("private_post_withdrawstatus")]),
        ("private/WithdrawCancel", lambda d: d.raw("private_post_withdrawcancel", asset="XBT", refid=d.withdrawn()) is True),
        ("private/WalletTransfer", lambda d: d.raw("private_post_wallettransfer", **MOVED, **{"from": "Spot Wallet", "to": "Futures Wallet"})["refid"]),
        ("private/CreateSubaccount", lambda d: d.raw("private_post_createsubaccount", username="desk", email="desk@example.com") is True),
        ("private/AccountTransfer", lambda d: d.raw("private_post_accounttransfer", **MOVED, **d.two_accounts())["status"] == "complete"),
        ("private/Earn/Allocate", allocated),
        ("private/Earn/Deallocate", lambda d: allocated(d) and d.raw("private_post_earn_deallocate", **strategy)),
        ("private/Earn/AllocateStatus", lambda d: allocated(d) and "pending" in d.raw("private_post_earn_allocatestatus", strategy_id=STRATEGY)),
        ("private/Earn/DeallocateStatus", lambda d: "pending" in d.raw("private_post_earn_deallocatestatus", strategy_id=STRATEGY)),
        ("private/Earn/Strategies", lambda d: d.raw("private_post_earn_strategies")["items"]),
        ("private/Earn/Allocations", lambda d: "items" in d.raw("private_post_earn_allocations")),
    ]
    unknown = "Kraken's documentation does not describe it, so the sandbox has no such path"
    refused = [
        ("public/MaintenanceSchedule", lambda d: d.raw("public_get_maintenanceschedule"), unknown, "EGeneral:Unknown method"),
        ("private/ListWalletAccounts", lambda d: d.raw("private_post_listwalletaccounts"), unknown, "EGeneral:Unknown method"),
        (
            "private/RetrieveExport",
            lambda d: d.ccxt.private_post_retrieveexport({"id": d.report()}),
            "ccxt takes every answer for text, and this one is an archive",
            "codec can't decode",
        ),
    ]
    return [Case(*one) for one in cases] + [Case(*one) for one in refused]


def sdk() -> list[Case]:
    """The methods of python-kraken-sdk's REST classes."""

    def batch(desk: Desk) -> bool:
        row = {"ordertype": "limit", "price": FAR_BELOW, "timeinforce": "GTC", "type": "buy", "volume": "0.01"}
        return len(desk.trade.create_order_batch(orders=[row, row], pair=ALTNAME)["orders"]) == 2

    def report(desk: Desk) -> str:
        return desk.user.request_export_report(report="trades", description="of the month")["id"]

    def address(desk: Desk) -> str:
        return desk.funding.get_deposit_address(asset="ETH", method="Ether (Hex)", new=True)[0]["address"]

    def sent(desk: Desk) -> str:
        desk.sandbox.switch(funding_step_ms=600_000)
        return desk.funding.withdraw_funds(asset="XBT", key="cold-wallet-1", amount="0.01")["refid"]

    def moved(desk: Desk) -> dict[str, str]:
        ids = desk.two_accounts()
        return desk.user.account_transfer("XBT", "0.01", ids["from"], ids["to"])

    def truncated(desk: Desk) -> str:
        # Whatever network there is, nothing here may leave the machine.
        with mock.patch.dict("os.environ", HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9"):
            return desk.trade.truncate("0.123456789999", "volume", ALTNAME)

    cases: list[tuple[str, Callable[[Desk], Any]]] = [
        ("User.get_account_balance", lambda d: "XXBT" in d.user.get_account_balance()),
        ("User.get_balances", lambda d: "XXBT" in d.user.get_balances()),
        ("User.get_balance", lambda d: Decimal(d.user.get_balance("XXBT")["balance"]) > 0),
        ("User.get_trade_balance", lambda d: Decimal(d.user.get_trade_balance()["eb"]) > 0),
        ("User.get_open_orders", lambda d: d.rests() in d.user.get_open_orders()["open"]),
        ("User.get_closed_orders", lambda d: d.filled() in d.user.get_closed_orders()["closed"]),
        ("User.get_orders_info", lambda d: (one := d.rests()) in d.user.get_orders_info(txid=one)),
        ("User.get_order_amends", lambda d: d.user.get_order_amends(order_id=d.rests())["amends"]),
        ("User.get_trades_history", lambda d: d.filled() and d.user.get_trades_history()["trades"]),
        ("User.get_trades_info", lambda d: (one := d.trade_ids()[0]) in d.user.get_trades_info(txid=one)),
        ("User.get_open_positions", lambda d: d.user.get_open_positions() == []),
        ("User.get_ledgers_info", lambda d: d.filled() and d.user.get_ledgers_info()["ledger"]),
        ("User.get_ledgers", lambda d: (one := d.ledger_id()) in d.user.get_ledgers(id_=one)),
        ("User.get_trade_volume", lambda d: d.user.get_trade_volume(pair=ALTNAME)["fees"]["XXBTZUSD"]["fee"] == "0.4000"),
        ("User.request_export_report", report),
        ("User.get_export_report_status", lambda d: report(d) in [one["id"] for one in d.user.get_export_report_status("trades")]),
        ("User.retrieve_export", lambda d: d.user.retrieve_export(report(d)).content.startswith(b"PK")),
        ("User.delete_export_report", lambda d: d.user.delete_export_report(report(d)) == {"delete": True}),
        ("User.create_subaccount", lambda d: d.user.create_subaccount("room", "room@example.com") is True),
        ("User.account_transfer", lambda d: moved(d)["status"] == "complete"),
        ("Market.get_assets", lambda d: "XXBT" in d.market.get_assets()),
        ("Market.get_asset_pairs", lambda d: "XXBTZUSD" in d.market.get_asset_pairs()),
        ("Market.get_ticker", lambda d: "XXBTZUSD" in d.market.get_ticker(ALTNAME)),
        ("Market.get_ohlc", lambda d: "last" in d.market.get_ohlc(ALTNAME)),
        ("Market.get_order_book", lambda d: d.market.get_order_book(ALTNAME)["XXBTZUSD"]["bids"]),
        ("Market.get_recent_trades", lambda d: "last" in d.market.get_recent_trades(ALTNAME)),
        ("Market.get_recent_spreads", lambda d: "last" in d.market.get_recent_spreads(ALTNAME)),
        ("Market.get_system_status", lambda d: d.market.get_system_status()["status"] == "online"),
        ("Trade.create_order", lambda d: d.trade.create_order("limit", "buy", ALTNAME, "0.01", FAR_BELOW)["txid"]),
        ("Trade.create_order_batch", batch),
        ("Trade.amend_order", lambda d: d.trade.amend_order(txid=d.rests(), order_qty="0.02")["amend_id"]),
        ("Trade.edit_order", lambda d: d.trade.edit_order(d.rests(), ALTNAME, volume="0.02")["status"] == "ok"),
        ("Trade.cancel_order", lambda d: d.trade.cancel_order(txid=d.rests())["count"] == 1),
        ("Trade.cancel_all_orders", lambda d: d.rests() and d.trade.cancel_all_orders()["count"] >= 1),
        ("Trade.cancel_all_orders_after_x", lambda d: d.trade.cancel_all_orders_after_x(0)["triggerTime"] == "0"),
        ("Trade.cancel_order_batch", lambda d: d.trade.cancel_order_batch([d.rests()])["count"] == 1),
        ("Funding.get_deposit_methods", lambda d: d.funding.get_deposit_methods(asset="XBT")),
        ("Funding.get_deposit_address", lambda d: address(d).startswith("0x")),
        ("Funding.get_recent_deposits_status", lambda d: isinstance(d.funding.get_recent_deposits_status(), list)),
        ("Funding.withdraw_methods", lambda d: d.funding.withdraw_methods(asset="XBT")),
        ("Funding.withdraw_addresses", lambda d: d.funding.withdraw_addresses(asset="XBT")),
        ("Funding.get_withdrawal_info", lambda d: d.funding.get_withdrawal_info("XBT", "cold-wallet-1", "0.01")["fee"]),
        ("Funding.withdraw_funds", sent),
        ("Funding.get_recent_withdraw_status", lambda d: sent(d) in [one["refid"] for one in d.funding.get_recent_withdraw_status(asset="XBT")]),
        ("Funding.cancel_withdraw", lambda d: d.funding.cancel_withdraw("XBT", sent(d)) is True),
        ("Funding.wallet_transfer", lambda d: d.funding.wallet_transfer("XBT", "Spot Wallet", "Futures Wallet", "0.01")["refid"]),
        ("Earn.allocate_earn_funds", lambda d: d.earn.allocate_earn_funds("0.01", STRATEGY) is True),
        ("Earn.deallocate_earn_funds", lambda d: d.earn.allocate_earn_funds("0.01", STRATEGY) and d.earn.deallocate_earn_funds("0.01", STRATEGY)),
        ("Earn.get_allocation_status", lambda d: "pending" in d.earn.get_allocation_status(STRATEGY)),
        ("Earn.get_deallocation_status", lambda d: "pending" in d.earn.get_deallocation_status(STRATEGY)),
        ("Earn.list_earn_strategies", lambda d: d.earn.list_earn_strategies()["items"]),
        ("Earn.list_earn_allocations", lambda d: "items" in d.earn.list_earn_allocations()),
    ]
    elsewhere = "it asks api.kraken.com for the pair's decimals, whatever base address the client has"
    return [Case(*one) for one in cases] + [Case("Trade.truncate", truncated, elsewhere, "api.kraken.com")]


GROUPS: dict[str, list[Case]] = {
    "ccxt, unified methods of `ccxt.kraken`": ccxt_unified(),
    "ccxt, bare calls of the endpoints": ccxt_endpoints(),
    "python-kraken-sdk, `kraken.spot`": sdk(),
}


def methods() -> Iterator[tuple[str, set[str]]]:
    """What each group must cover, asked of the clients themselves."""
    kraken = ccxt.kraken()
    verbs = re.compile(r"(fetch|create|edit|cancel|withdraw|transfer)(_[a-z0-9_]+)?$")
    own = {name for name in vars(ccxt.kraken) if verbs.match(name)}
    # What the class claims to have beside: methods of its base class that end in its own, named in camel case.
    flags = {"publicAPI", "privateAPI", "spot", "margin", "fetchCurrenciesWs"}
    snake = lambda name: re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower().replace("l2order", "l2_order")
    claimed = {snake(name) for name, has in kraken.has.items() if has and name not in flags}
    names = {"fetch_ohlcv" if "ohlc" in name else name for name in claimed}
    groups = iter(GROUPS)
    yield next(groups), own | names
    yield next(groups), {f"public/{name}" for name in kraken.api["public"]["get"]} | {
        f"private/{name}" for name in kraken.api["private"]["post"]
    }
    yield next(groups), {
        f"{one.__name__}.{name}"
        for one in (User, Market, Trade, Funding, Earn)
        for name, member in vars(one).items()
        if callable(member) and not name.startswith("_")
    }


def page() -> str:
    """`tests/conformance/README.md`."""
    pins = dict(line.split("==") for line in (harness.ROOT / "tests/python/requirements.txt").read_text().splitlines() if "==" in line)
    lines = [
        "# Foreign clients against the sandbox",
        "",
        "Written by `.venv/bin/python tests/python/conformance.py`. `tests/python/test_conformance.py` makes every call of these tables against a",
        "sandbox, and fails if a client has a Spot REST method that is not here, or if one does not do what its row says.",
        "",
        f"Clients: ccxt {pins['ccxt']}, python-kraken-sdk {pins['python-kraken-sdk']}, both unchanged but for the base address.",
    ]
    for name, cases in GROUPS.items():
        passing = sum(not case.cannot for case in cases)
        lines += ["", f"## {name}", "", f"{passing} of {len(cases)} pass.", "", "| method | against the sandbox |", "| --- | --- |"]
        for case in cases:
            verdict = f"cannot: {case.cannot} (`{case.says}`)" if case.cannot else "passes"
            lines.append(f"| `{case.method}` | {verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
