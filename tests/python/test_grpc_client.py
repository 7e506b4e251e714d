"""A strategy in Python, with stubs generated from proto/, against `tidegate all` and its built-in sandbox."""

import secrets
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import harness
from tidegate.v1 import account_pb2, account_pb2_grpc, common_pb2, market_pb2, market_pb2_grpc, trading_pb2
from tidegate.v1 import trading_pb2_grpc

FAR_BELOW = "20000.0"
"""A price in USD at which a buy order rests: the sandbox's market is near 60,000."""


@pytest.fixture(scope="module")
def channel(all_in_one: harness.Process) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(all_in_one.address("gateway", "grpc")) as channel:
        grpc.channel_ready_future(channel).result(timeout=harness.DEADLINE_S)
        yield channel


@pytest.fixture(scope="module")
def account(channel: grpc.Channel) -> account_pb2_grpc.AccountServiceStub:
    return account_pb2_grpc.AccountServiceStub(channel)


@pytest.fixture(scope="module")
def trading(channel: grpc.Channel) -> trading_pb2_grpc.TradingServiceStub:
    return trading_pb2_grpc.TradingServiceStub(channel)


def act() -> common_pb2.CallContext:
    """The context of a new act: its request_id is a UUID of version 7, which Python 3.11 cannot make itself."""
    bits = (time.time_ns() // 1_000_000 << 80) | (7 << 76) | (secrets.randbits(12) << 64)
    return common_pb2.CallContext(request_id=str(uuid.UUID(int=bits | (2 << 62) | secrets.randbits(62))))


def resting_buy(**more: object) -> trading_pb2.AddOrderRequest:
    return trading_pb2.AddOrderRequest(
        context=act(),
        pair="XBT/USD",
        side=common_pb2.SIDE_BUY,
        order_type=common_pb2.ORDER_TYPE_LIMIT,
        volume="0.01",
        price=FAR_BELOW,
        **more,
    )


def test_reflection_lists_and_describes_the_services(channel: grpc.Channel) -> None:
    # grpcio-reflection speaks v1alpha.
    database = ProtoReflectionDescriptorDatabase(channel)
    names = ("MarketData", "Account", "Funding", "Trading", "Stream", "Operations")
    services = {f"tidegate.v1.{name}Service" for name in names}
    assert services | {"grpc.health.v1.Health"} <= set(database.get_services())
    trading = DescriptorPool(database).FindServiceByName("tidegate.v1.TradingService")
    assert trading.methods_by_name["AddOrder"].input_type.fields_by_name["context"].number == 1


def test_gets_the_market(channel: grpc.Channel) -> None:
    market = market_pb2_grpc.MarketDataServiceStub(channel)
    now = market.GetServerTime(market_pb2.GetServerTimeRequest(), timeout=10)
    assert abs(now.time.ToSeconds() - time.time()) < 24 * 3600
    pairs = market.GetAssetPairs(market_pb2.GetAssetPairsRequest(), timeout=10)
    assert "XXBTZUSD" in str(pairs)


def test_gets_a_balance(account: account_pb2_grpc.AccountServiceStub) -> None:
    balances = account.GetBalance(account_pb2.GetBalanceRequest(), timeout=10).balances
    assert Decimal(balances["ZUSD"]) > 0 and Decimal(balances["XXBT"]) > 0


def test_places_sees_and_cancels_an_order(
    account: account_pb2_grpc.AccountServiceStub, trading: trading_pb2_grpc.TradingServiceStub
) -> None:
    placed = trading.AddOrder(resting_buy(), timeout=10)
    assert placed.WhichOneof("outcome") == "accepted"
    (order_id,) = placed.accepted.order_ids

    orders = {order.order_id: order for order in account.GetOpenOrders(account_pb2.GetOpenOrdersRequest()).orders}
    order = orders[order_id]
    assert order.status == common_pb2.ORDER_STATUS_OPEN
    assert order.cl_ord_id == placed.accepted.cl_ord_id != ""
    assert order.description.side == common_pb2.SIDE_BUY
    assert Decimal(order.description.price) == Decimal(FAR_BELOW)
    assert (Decimal(order.volume), Decimal(order.volume_executed)) == (Decimal("0.01"), 0)

    # By Kraken's id a cancel is safe to repeat and needs no request_id.
    canceled = trading.CancelOrder(trading_pb2.CancelOrderRequest(order_id=order_id), timeout=10)
    assert canceled.WhichOneof("outcome") == "accepted" and canceled.accepted.count == 1

    assert order_id not in {order.order_id for order in account.GetOpenOrders(account_pb2.GetOpenOrdersRequest()).orders}
    found = account.QueryOrders(account_pb2.QueryOrdersRequest(order_ids=[order_id]), timeout=10).orders
    assert [order.status for order in found] == [common_pb2.ORDER_STATUS_CANCELED]


def test_validation_places_nothing(
    account: account_pb2_grpc.AccountServiceStub, trading: trading_pb2_grpc.TradingServiceStub
) -> None:
    before = {order.order_id for order in account.GetOpenOrders(account_pb2.GetOpenOrdersRequest()).orders}
    reply = trading.AddOrder(resting_buy(validate=True), timeout=10)
    assert reply.accepted.validated_only and not reply.accepted.order_ids
    after = {order.order_id for order in account.GetOpenOrders(account_pb2.GetOpenOrdersRequest()).orders}
    assert after == before


def test_an_order_without_request_id_is_refused(trading: trading_pb2_grpc.TradingServiceStub) -> None:
    order = resting_buy()
    order.ClearField("context")
    with pytest.raises(grpc.RpcError) as refused:
        trading.AddOrder(order, timeout=10)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "request_id" in refused.value.details()


def test_cancel_all_is_refused_unless_configured(trading: trading_pb2_grpc.TradingServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        trading.CancelAll(trading_pb2.CancelAllRequest(context=act()), timeout=10)
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
