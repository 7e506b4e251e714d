//! Results as Kraken writes them, one type per shape.
//!
//! A reader takes the members that it knows out of an object and keeps the rest as JSON text, so that what Kraken
//! adds tomorrow reaches the caller today. It is lenient about what may be missing and never about what is there:
//! - Amounts stay text. Where Kraken writes a JSON number, its digits are taken from the raw text; nothing passes
//!   through a float.
//! - Times keep their raw text beside nanoseconds ([`Time`]).
//! - Maps keep Kraken's order ([`Entries`]): closed orders come newest first.
//! - Members are demanded only where a result without them could be mistaken for another one.
//!
//! A result that does not fit is a [`ShapeError`], which names the member and never quotes its value.

mod account;
mod allocations;
mod books;
mod credit;
mod earn;
mod funding;
mod funding_beta;
mod history;
mod json;
mod key;
mod market;
mod read;
mod report;
mod scalar;
mod subaccounts;
mod trading;
mod transparency;

pub use account::{
    AssetBalance, Balances, ClosedOrders, ExtendedBalances, LedgerEntry, Ledgers, OpenOrders, Order,
    OrderDescr, OrdersById,
};
pub use allocations::{
    EarnAllocated, EarnAllocation, EarnAllocations, EarnAmount, EarnPart, EarnPayout, EarnPortion,
};
pub use books::{
    BookLevel, BookOrder, Candle, Candles, Depth, GroupedBook, GroupedLevel, Level3, PublicTrade,
    PublicTrades, Series, Spread, Spreads,
};
pub use credit::{CreditLimits, CreditLine, CreditLines};
pub use earn::{
    EarnCompound, EarnLock, EarnRate, EarnSource, EarnStatus, EarnStrategies, EarnStrategy, EarnTaken,
};
pub use funding::{
    Deposit, DepositAddress, DepositAddresses, DepositMethod, DepositMethods, Deposits, FundsSent, Limit,
    WithdrawAddress, WithdrawAddresses, WithdrawFee, WithdrawInfo, WithdrawMethod, WithdrawMethods,
    Withdrawal, Withdrawals,
};
pub use funding_beta::{
    AddressCreated, AddressDeleted, AddressDetails, AddressGeneration, AddressUpdated, CryptoAddress,
    DepositAddressClaimed, FeeDetails, FundingAddress, FundingAddresses, FundingAmount, FundingAsset,
    FundingFees, FundingMethod, FundingMethods, FundingNetwork, FundingNetworks, FundingScope, MethodDeposit,
    MethodFees, MethodNetwork, NetworkGroup, Texts, WithdrawalCreated,
};
pub use history::{
    FeeSchedule, FeeStanding, LedgersById, OpenPosition, OpenPositions, OwnTrade, TradeBalance, TradeVolume,
    TradesById, TradesHistory,
};
pub use json::Json;
pub use key::{ApiKeyInfo, WebSocketsToken};
pub use market::{Asset, AssetPair, AssetPairs, Assets, FeeTier, ServerTime, SystemStatus, Ticker, Tickers};
pub use read::{Entries, Extra, ShapeError, Wire, read};
pub use report::{Export, ExportAdded, ExportRemoved};
pub use scalar::{Decimal, Time, Words};
pub use subaccounts::{AccountTransferred, SubaccountCreated};
pub use trading::{
    Amend, BatchAdded, OrderAdded, OrderAmended, OrderAmends, OrderEdited, OrdersCancelled, RowAdded,
    TimerSet,
};
pub use transparency::{PostTrade, PreTrade, PreTradeLevel, PublishedTrade};
