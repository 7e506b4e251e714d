//! Stopping in order: readiness turns red, no new work comes in, what is under way finishes, the process ends.
//!
//! Between the first and the second there may be a time in which nothing else changes: whoever balances connections
//! (a Kubernetes service) learns of the red light later than we turn it on, and callers that it still sends here are
//! to find a process that serves them.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The shared handle by which a process stops. Clones are the same drain.
///
/// It carries two things: the announcement that the end has begun, and the list of tasks that must not be cut
/// off. A task that may have sent an order is spawned here and nowhere else, so that neither a vanished caller
/// nor a stopping process drops it half-way.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    leaving: CancellationToken,
    begun: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Turns readiness red; work goes on as before.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// Whether readiness is red for good.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Resolves once readiness is red for good.
    pub fn left(&self) -> impl Future<Output = ()> + Send + 'static {
        self.leaving.clone().cancelled_owned()
    }

    /// Announces the end: no new work from now on. Doing it twice is doing it once.
    pub fn begin(&self) {
        self.leave();
        self.begun.cancel();
    }

    /// Whether the end was announced.
    pub fn is_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Resolves once the end is announced; at once if it already was.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        self.begun.clone().cancelled_owned()
    }

    /// Spawns a task that the process waits for before it ends. The task outlives the handle it returns.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// How many tracked tasks have not ended.
    pub fn busy(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until no tracked task is left, at most for `grace`. Returns how many were left: zero is a clean end.
    /// Tasks may still spawn others while this waits.
    pub async fn wait_idle(&self, grace: Duration) -> usize {
        self.tasks.close();
        // The outcome is read from the tracker itself, so an expired wait needs no treatment of its own.
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.tasks.len()
    }
}

/// Listens for SIGTERM and SIGINT from now on; the future resolves to the name of the first that arrives.
///
/// # Errors
/// When the operating system refuses the handlers.
pub fn signals() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_what_is_under_way_and_says_what_is_left() {
        let drain = Drain::new();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        // The handle is dropped, as a vanished caller does; the task goes on.
        drop(drain.spawn(async move { finished.await.expect("the test sends") }));
        drain.clone().leave();
        drain.left().await;
        assert!(drain.is_leaving() && !drain.is_begun());
        drain.clone().begin();
        drain.begun().await;
        assert!(drain.is_begun());

        assert_eq!(drain.wait_idle(Duration::from_millis(1)).await, 1);
        finish.send(()).expect("the task is still there");
        assert_eq!(drain.wait_idle(Duration::from_secs(5)).await, 0);
        assert_eq!(drain.busy(), 0);
    }

    #[tokio::test]
    async fn a_signal_is_named() {
        let first = signals().expect("handlers");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)
            .expect("own process");
        assert_eq!(first.await, "SIGINT");
    }
}
