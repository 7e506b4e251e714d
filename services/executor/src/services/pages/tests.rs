use std::collections::VecDeque;

use tidegate_proto::v1;

use super::*;

/// A list whose pages come as told; each message is the number of its page.
struct Told {
    pages: VecDeque<Result<(usize, bool), Broken>>,
    token: String,
    asked: u64,
    page: u64,
    /// What the deadline of each call was, from its beginning.
    left: Vec<Duration>,
}

impl Told {
    fn of(pages: Vec<Result<(usize, bool), Broken>>) -> Self {
        Self { pages: pages.into(), token: String::new(), asked: 0, page: 0, left: Vec::new() }
    }
}

impl Pages for Told {
    type Message = u64;

    async fn next(&mut self, answer_by: Instant) -> Result<Taken<u64>, Broken> {
        self.asked += 1;
        self.left.push(answer_by.saturating_duration_since(Instant::now()));
        let Some(next) = self.pages.pop_front() else {
            return std::future::pending().await;
        };
        let (entries, is_last) = next?;
        self.page += 1;
        self.token = format!("token-{}", self.page);
        let message = (entries > 0 || is_last).then_some(self.page);
        Ok(Taken { message, entries, is_last })
    }

    fn token(&self) -> String {
        self.token.clone()
    }
}

fn call(kind: ErrorKind) -> Result<(usize, bool), Broken> {
    Err(Broken::Call(Error::new(kind, "what it says")))
}

fn run(pages: Vec<Result<(usize, bool), Broken>>) -> Run<Told> {
    let answer_by = Instant::now() + Duration::from_secs(10);
    Run::new(Told::of(pages), Drain::new(), answer_by)
}

/// All messages, and how it ended.
async fn all(run: &mut Run<Told>) -> (Vec<u64>, Option<Error>) {
    let mut got = Vec::new();
    loop {
        match run.message().await {
            Ok(Some(page)) => got.push(page),
            Ok(None) => return (got, None),
            Err(error) => return (got, Some(error)),
        }
    }
}

fn fact<'e>(error: &'e Error, name: &str) -> Option<&'e str> {
    error.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_last_page_and_asks_no_more() {
    let mut run = run(vec![Ok((50, false)), Ok((0, false)), Ok((49, false)), Ok((0, true))]);
    // The second brought nothing new, and is no message.
    let (got, error) = all(&mut run).await;
    assert_eq!((got, error, run.pages.asked), (vec![1, 3, 4], None, 4));
    assert!(run.message().await.expect("the end stays").is_none());
    // The caller's time is for the first page.
    assert_eq!(run.pages.left[0], Duration::from_secs(10));
    assert!(run.pages.left[3] > Duration::from_secs(3_000));
}

#[tokio::test(start_paused = true)]
async fn what_refuses_the_first_page_refuses_the_call() {
    for kind in ErrorKind::ALL {
        let mut run = run(vec![call(kind), Ok((1, true))]);
        let error = run.message().await.expect_err("no page");
        assert_eq!((error.kind, error.text.as_str(), run.pages.asked), (kind, "what it says", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_the_middle_waits_for_its_turn_and_for_kraken() {
    use ErrorKind::{Budget, Moved, QueueFull, Unavailable};
    let mut run = run(vec![
        Ok((50, false)),
        call(Budget),
        call(QueueFull),
        call(Unavailable),
        Ok((50, false)),
        call(Unavailable),
        call(Moved),
        call(Unavailable),
        Ok((5, true)),
    ]);
    assert_eq!(all(&mut run).await, (vec![1, 2, 3], None));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_it_off_says_how_much_came_and_how_to_go_on() {
    for (kind, asked) in
        [(ErrorKind::Unavailable, 2 + 4), (ErrorKind::Refused, 2 + 1), (ErrorKind::NoKey, 2 + 1)]
    {
        let mut pages = vec![Ok((50, false)), Ok((30, false))];
        pages.extend((0..9).map(|_| call(kind)));
        let mut run = run(pages);
        let (got, error) = all(&mut run).await;
        let error = error.expect("it broke off");
        assert_eq!((got.len(), error.kind, run.pages.asked), (2, kind, asked));
        assert_eq!(fact(&error, "page_token"), Some("token-2"));
        assert_eq!((fact(&error, "entries_sent"), fact(&error, "pages_sent")), (Some("80"), Some("2")));
        assert!(error.text.contains("80 entries in 2 pages") && error.text.contains("what it says"));
    }
    // A token that would be cut is not told here: half a token is none.
    let mut run = run(vec![Ok((50, false)), call(ErrorKind::Refused)]);
    run.message().await.expect("a page");
    run.pages.token = "x".repeat(VALUE_BYTES_MAX + 1);
    let error = run.message().await.expect_err("it broke off");
    assert_eq!(fact(&error, "page_token"), None);
    assert!(error.text.contains("next_page_token"), "{}", error.text);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_makes_no_sense_any_more_names_no_page_and_is_not_asked_again() {
    let lost = Error::new(ErrorKind::Unavailable, "gone");
    let mut run = run(vec![Ok((50, false)), Err(Broken::List(lost)), Ok((1, true))]);
    let (got, error) = all(&mut run).await;
    let error = error.expect("it broke off");
    assert_eq!((got.len(), run.pages.asked, fact(&error, "page_token")), (1, 2, None));
    assert!(error.text.contains("begin again"), "{}", error.text);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_outlast_its_time() {
    let began = Instant::now();
    let mut pages = vec![Ok((50, false))];
    pages.extend((0..100_000).map(|_| call(ErrorKind::Budget)));
    let mut run = run(pages);
    let (_, error) = all(&mut run).await;
    assert_eq!(fact(&error.expect("it broke off"), "page_token"), Some("token-1"));
    let took = began.elapsed();
    assert!(took <= TIME_MAX && took > TIME_MAX - REST_MAX, "{took:?}");

    // Nor does a caller who takes his time get another page.
    let mut run = self::run(vec![Ok((50, false)), Ok((50, false)), Ok((1, true))]);
    run.message().await.expect("a page");
    tokio::time::advance(TIME_MAX).await;
    let error = run.message().await.expect_err("time is up");
    assert_eq!((error.kind, run.pages.asked), (ErrorKind::Late, 1));
    assert_eq!(fact(&error, "page_token"), Some("token-1"));
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_process_drains_whatever_it_waits_for() {
    // For a page, and for the next try.
    for pages in [vec![Ok((50, false))], vec![Ok((50, false)), call(ErrorKind::Budget), Ok((1, true))]] {
        let mut run = run(pages);
        let drain = run.drain.clone();
        run.message().await.expect("a page");
        let began = Instant::now();
        let ended = tokio::spawn(async move { run.message().await.expect_err("it ends") });
        tokio::task::yield_now().await;
        drain.begin();
        let error = ended.await.expect("no panic");
        assert_eq!((error.kind, began.elapsed()), (ErrorKind::Unavailable, Duration::ZERO));
        assert_eq!(fact(&error, "page_token"), Some("token-1"));
        assert!(error.text.contains("stopping"), "{}", error.text);
    }
}

#[test]
fn members_that_kraken_added_to_a_page_reach_the_stream() {
    let extra = std::collections::HashMap::from([("later".to_owned(), "1".to_owned())]);
    let orders =
        v1::GetClosedOrdersResponse { extra: extra.clone().into_iter().collect(), ..Default::default() };
    let told = <v1::GetClosedOrdersRequest as Counted>::message(orders, Some(7), "next".to_owned());
    assert_eq!(told.extra.into_iter().collect::<std::collections::HashMap<_, _>>(), extra);
    assert_eq!((told.count, told.next_page_token.as_str()), (Some(7), "next"));
}
