//! A process that is asked to end while strategies work: nothing is lost, and nobody is told less than the truth.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use tidegate_proto::v1;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan};
use tokio::task::JoinSet;
use tonic::Status;

use super::wire::{ADD_ORDER, Answer, GET_BALANCE, Wire};
use super::{one_process, requests_of};
use tidegate_tests::judge::{executed_orders, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use v1::add_order_response::Outcome;

const CALLERS: usize = 6;

/// What one caller was told of its orders, by handle.
#[derive(Debug)]
enum Told {
    Accepted,
    Unresolved,
    Refused(Status),
    /// The server said that it would not look at this call (GOAWAY).
    NotTaken,
}

/// Places orders and reads, one call after the other, until the server takes no more.
async fn work(addr: SocketAddr, answered: Arc<AtomicUsize>) -> Vec<(String, Told)> {
    let wire = Wire::connect(addr).await;
    let mut told = Vec::new();
    loop {
        let order = resting_order();
        // A call that could not even be written is none.
        let Ok(pending) = wire.try_begin(ADD_ORDER, order.encode_to_vec(), None).await else { return told };
        let what = match pending.try_answer::<v1::AddOrderResponse>().await {
            Ok(Answer { outcome: Ok(reply), .. }) => match reply.outcome {
                Some(Outcome::Accepted(_)) => Told::Accepted,
                Some(Outcome::Unresolved(_)) => Told::Unresolved,
                None => panic!("a reply without an outcome"),
            },
            Ok(Answer { outcome: Err(status), .. }) => Told::Refused(status),
            Err(error) if error.is_go_away() => Told::NotTaken,
            Err(error) => panic!("an order was cut off: {error}"),
        };
        told.push((handle_of(&order), what));
        answered.fetch_add(1, Ordering::Relaxed);
        let Ok(pending) = wire.try_begin(GET_BALANCE, Vec::new(), None).await else { return told };
        match pending.try_answer::<v1::GetBalanceResponse>().await {
            Ok(Answer { outcome: Err(status), .. }) => {
                assert!(promises_not_executed(&status), "a Status without our mark: {status:?}");
            }
            Ok(_) => {}
            Err(error) => assert!(error.is_go_away(), "a read was cut off: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_asked_to_end_loses_nothing() {
    let plan = Plan { sandbox: "engine_delay_ms = 10\nreply_delay_ms = 10".into(), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let mut process = one_process(&house, &[]).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(work(process.addr("gateway/grpc"), Arc::clone(&answered)));
    }
    eventually("work to be under way", || async {
        (answered.load(Ordering::Relaxed) >= 5 * CALLERS).then_some(())
    })
    .await;
    process.terminate();
    let status = process.ended().await.expect("an end");
    assert_eq!(status.code(), Some(0), "{}", process.log_tail());

    let mut told = Vec::new();
    while let Some(caller) = callers.join_next().await {
        told.extend(caller.expect("a caller saw something it must not see"));
    }
    let (mut accepted, mut open) = (0, 0);
    for (handle, what) in &told {
        let requests = requests_of(&house.pages, handle).await;
        let executed = requests.iter().filter(|entry| entry["executed"] == true).count();
        assert!(requests.len() <= 1, "{what:?}: {requests:#?}");
        match what {
            Told::Accepted => {
                accepted += 1;
                assert_eq!(executed, 1, "told that it is accepted: {requests:#?}");
            }
            Told::Unresolved => open += 1,
            Told::Refused(status) => {
                assert!(promises_not_executed(status), "a Status without our mark: {status:?}");
                assert_eq!(executed, 0, "told that nothing was executed: {status:?}: {requests:#?}");
            }
            Told::NotTaken => assert_eq!(executed, 0, "never taken: {requests:#?}"),
        }
    }
    assert!(accepted >= 5 * CALLERS, "{accepted} accepted, {open} unresolved");
    let log = house.pages.log().await.expect("a log");
    for handle in executed_orders(&log) {
        assert!(told.iter().any(|(known, _)| *known == handle), "nobody was told of {handle}");
    }
}
