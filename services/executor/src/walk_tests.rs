use super::*;

/// A list at Kraken: ids and seconds, newest first.
struct List(Vec<(String, i64)>);

impl List {
    /// Entries 1 to `n`, one each second.
    fn of(n: i64) -> Self {
        Self((1..=n).rev().map(|i| (format!("E{i}"), i)).collect())
    }

    /// Something new at the head.
    fn add(&mut self, id: &str, second: i64) {
        self.0.insert(0, (id.to_owned(), second));
    }

    fn page(&self, walk: &Walk) -> Vec<(String, Mark)> {
        let shown = self.0.iter().filter(|(_, s)| walk.until_s().is_none_or(|until| *s <= until));
        let page = shown.skip(walk.offset() as usize).take(PAGE);
        page.map(|(id, s)| (id.clone(), Mark::of(id, Some(&at(*s))))).collect()
    }

    fn total(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

fn ids(from: i64, to: i64) -> Vec<String> {
    (from..=to).rev().map(|i| format!("E{i}")).collect()
}

/// One page; what is new of it is put behind `got`.
fn step(walk: &mut Walk, list: &List, total: Option<u64>, got: &mut Vec<String>) -> Result<Taken, Error> {
    let page = list.page(walk);
    let marks: Vec<_> = page.iter().map(|(_, mark)| *mark).collect();
    let taken = walk.take(&marks, total)?;
    got.extend(page[page.len() - taken.new..].iter().map(|(id, _)| id.clone()));
    Ok(taken)
}

/// Walks to the end; `meanwhile` happens between two pages. Also how many pages it took.
fn whole(list: &mut List, counts: bool, mut meanwhile: impl FnMut(usize, &mut List)) -> (Vec<String>, usize) {
    let mut walk = Walk::begin(7, "").expect("a walk");
    let mut got = Vec::new();
    for page in 1..100 {
        let total = list.total().filter(|_| counts && page == 1);
        let taken = step(&mut walk, list, total, &mut got).expect("a page");
        if taken.is_last {
            return (got, page);
        }
        meanwhile(page, list);
        // Each page could be the first of another walk.
        walk = Walk::begin(7, &walk.token()).expect("its own token");
    }
    panic!("no end");
}

#[test]
fn a_list_that_rests_is_read_whole_without_a_page_too_many() {
    for (n, pages) in [(0, 1), (1, 1), (49, 1), (51, 2), (98, 2), (120, 3), (300, 7)] {
        assert_eq!(whole(&mut List::of(n), true, |_, _| {}), (ids(1, n), pages), "{n}");
    }
    // Where the last page is full, or nobody counts, one more proves that it was the last.
    assert_eq!(whole(&mut List::of(50), true, |_, _| {}), (ids(1, 50), 2));
    assert_eq!(whole(&mut List::of(120), false, |_, _| {}), (ids(1, 120), 4));
}

#[test]
fn what_comes_later_is_kept_out_by_the_end() {
    let mut list = List::of(200);
    let later = |page: usize, list: &mut List| {
        (0..70).for_each(|i| list.add(&format!("N{page}-{i}"), 201));
    };
    assert_eq!(whole(&mut list, true, later), (ids(1, 200), 5));
}

#[test]
fn what_comes_within_the_last_second_loses_and_doubles_nothing() {
    for burst in [1, 3, 48, 49, 50, 51, 120] {
        let mut list = List::of(200);
        let within = |page: usize, list: &mut List| {
            (0..burst).for_each(|i| {
                if page < 4 {
                    list.add(&format!("N{page}-{i}"), 200);
                }
            });
        };
        assert_eq!(whole(&mut list, true, within).0, ids(1, 200), "{burst}");
        let mut list = List::of(200);
        assert_eq!(whole(&mut list, false, within).0, ids(1, 200), "{burst}, uncounted");
    }
}

#[test]
fn a_total_that_is_too_high_or_too_low_loses_nothing() {
    for (said, pages) in [(1, 3), (119, 3), (500, 4)] {
        let list = List::of(120);
        let (mut walk, mut got, mut asked) = (Walk::begin(7, "").expect("a walk"), Vec::new(), 0);
        loop {
            asked += 1;
            if step(&mut walk, &list, Some(said), &mut got).expect("a page").is_last {
                break;
            }
        }
        assert_eq!((got, asked), (ids(1, 120), pages), "{said}");
    }
}

#[test]
fn entries_that_are_gone_are_not_passed_over_in_silence() {
    for gone in [1, 60] {
        let mut list = List::of(200);
        let (mut walk, mut got) = (Walk::begin(7, "").expect("a walk"), Vec::new());
        step(&mut walk, &list, list.total(), &mut got).expect("a page");
        list.0.drain(..gone);
        let error = step(&mut walk, &list, None, &mut got).expect_err("nobody knows where to go on");
        assert_eq!((error.kind, got.len()), (ErrorKind::Unavailable, 50));
    }
    // Nor where the list has ended meanwhile.
    let mut list = List::of(60);
    let (mut walk, mut got) = (Walk::begin(7, "").expect("a walk"), Vec::new());
    step(&mut walk, &list, list.total(), &mut got).expect("a page");
    list.0.clear();
    step(&mut walk, &list, None, &mut got).expect_err("an empty page is no end here");
}

#[test]
fn a_token_is_short_and_belongs_to_its_list() {
    let mut walk = Walk::begin(u64::MAX, "").expect("a walk");
    assert_eq!(walk.token(), "", "the beginning has none");
    let late = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 999_999_999 };
    for _ in 0..1_000 {
        let page: Vec<_> = (0..50).map(|i| Mark::of(&format!("E{i}"), Some(&late))).collect();
        walk.take(&page, Some(u64::MAX)).expect("a page");
        walk.place.offset = u32::MAX;
    }
    let token = walk.token();
    assert!(token.len() <= tidegate_runtime::status::VALUE_BYTES_MAX, "{}", token.len());
    assert_eq!(Walk::begin(u64::MAX, &token).expect("its own").token(), token);
    for (list, token) in [(1, token.as_str()), (u64::MAX, "x"), (u64::MAX, "AAAA"), (u64::MAX, "50")] {
        let error = Walk::begin(list, token).expect_err("not of this list");
        assert_eq!(error.fields[0].field, "page_token", "{token}");
    }
}
