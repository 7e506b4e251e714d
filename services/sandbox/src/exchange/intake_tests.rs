use super::*;

const NOW_US: u64 = 1_781_000_000_000_000;
const PLAIN: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.1&volume=0.5";

fn read_form(form: &str) -> Result<NewOrder, Refusal> {
    let prices = Prices { last: [600_000, 300_000, 550_000], index: [600_000, 300_000, 550_000] };
    read(&Params::form(form.as_bytes()).unwrap(), NOW_US, &prices)
}

fn with(more: &str) -> Result<NewOrder, Refusal> {
    read_form(&format!("{PLAIN}&{more}"))
}

#[test]
fn a_plain_order() {
    let order = read_form(PLAIN).unwrap();
    assert_eq!((order.pair, order.limit, order.lots), (0, Some(600_001), 50_000_000));
    assert_eq!(order.sentence(), "buy 0.50000000 XBTUSD @ limit 60000.1");
    assert!(!order.fee_in_base && !order.post_only);
    let market = read_form("pair=ETH/USD&type=sell&ordertype=market&volume=1").unwrap();
    assert_eq!(market.sentence(), "sell 1.00000000 ETHUSD @ market");
    assert!(market.fee_in_base, "documented default when selling");
}

#[test]
fn wrong_arguments_are_named() {
    for (form, name) in [
        ("type=buy&ordertype=limit&price=1&volume=1", "pair"),
        ("pair=XBTUSD&ordertype=limit&price=1&volume=1", "type"),
        ("pair=XBTUSD&type=buy&ordertype=quantum&price=1&volume=1", "ordertype"),
        ("pair=XBTUSD&type=buy&ordertype=stop-loss&volume=1", "price"),
        ("pair=XBTUSD&type=buy&ordertype=limit&volume=1", "price"),
        ("pair=XBTUSD&type=buy&ordertype=limit&price=5%25&volume=1", "price"),
        ("pair=XBTUSD&type=buy&ordertype=limit&price=1&volume=0", "volume"),
        ("pair=XBTUSD&type=buy&ordertype=limit&price=1&volume=0.000000001", "volume"),
        ("pair=XBTUSD&type=buy&ordertype=market&volume=1&timeinforce=FOK", "timeinforce"),
        ("pair=XBTUSD&type=buy&ordertype=market&volume=1&oflags=post", "oflags"),
    ] {
        assert_eq!(read_form(form).unwrap_err(), wrong(name), "{form}");
    }
    for (more, name) in [
        ("oflags=viqc", "oflags"),
        ("oflags=fciq,fcib", "oflags"),
        ("oflags=post&timeinforce=IOC", "oflags"),
        ("starttm=soon", "starttm"),
        ("starttm=%2B60&expiretm=%2B30", "starttm"),
        ("leverage=6", "leverage"),
        ("leverage=1", "leverage"),
        ("leverage=2&oflags=fcib", "oflags"),
        ("reduce_only=true", "reduce_only"),
        ("close%5Bordertype%5D=limit", "close[price]"),
        ("timeinforce=GTD", "expiretm"),
        ("timeinforce=gtc", "timeinforce"),
        ("expiretm=%2B4", "expiretm"),
        ("expiretm=1", "expiretm"),
        ("timeinforce=IOC&expiretm=%2B60", "expiretm"),
        ("userref=abc", "userref"),
        ("userref=1&cl_ord_id=a", "cl_ord_id"),
        ("stptype=never", "stptype"),
    ] {
        assert_eq!(with(more).unwrap_err(), wrong(name), "{more}");
    }
}

#[test]
fn prices_are_checked_for_places_and_ticks() {
    let price =
        |pair, price| read_form(&format!("pair={pair}&type=buy&ordertype=limit&price={price}&volume=1"));
    assert_eq!(price("XBTUSD", "60000.01").unwrap_err(), Refusal::InvalidPrice);
    assert_eq!(price("XBTEUR", "55000.1").unwrap_err(), Refusal::TickSize);
    assert_eq!(price("XBTEUR", "55000.5").unwrap().limit, Some(550_005));
}

#[test]
fn three_forms_of_client_id() {
    let id = |id: &str| with(&format!("cl_ord_id={id}")).map(|order| order.cl_ord_id);
    for good in [
        "a",
        "18-characters-long",
        "3f8c2a17-9d54-4b0e-8a61-57c2e9d1b440",
        "3f8c2a179d544b0e8a6157c2e9d1b440",
    ] {
        assert_eq!(id(good).unwrap().as_deref(), Some(good));
    }
    for bad in [
        "nineteen-characters",
        "3f8c2a17-9d54-4b0e-8a61-57c2e9d1b44g",
        "3f8c2a17x9d54-4b0e-8a61-57c2e9d1b440",
        "%C3%BC",
    ] {
        assert_eq!(id(bad).unwrap_err(), wrong("cl_ord_id"), "{bad}");
    }
}

#[test]
fn expiry_is_absolute_or_relative() {
    assert_eq!(with("expiretm=%2B5").unwrap().expires_us, Some(NOW_US + 5 * SECOND_US));
    let order = with("timeinforce=GTD&expiretm=1781000100.5").unwrap();
    assert_eq!(order.expires_us, Some(NOW_US + 100_500_000));
    assert_eq!(order.time_in_force, TimeInForce::GoodTillDate);
}

#[test]
fn a_deadline_is_two_to_sixty_seconds_ahead() {
    let judge = |text: &str| deadline(&Params::form(format!("deadline={text}").as_bytes()).unwrap(), NOW_US);
    // 1781000000 is 2026-06-09T10:13:20Z.
    assert_eq!(judge("2026-06-09T10:13:22Z"), Ok(Some(NOW_US + 2 * SECOND_US)));
    assert_eq!(judge("2026-06-09T12:14:20.000%2B02:00"), Ok(Some(NOW_US + 60 * SECOND_US)));
    for wrong_one in ["2026-06-09T10:13:21.999Z", "2026-06-09T10:14:20.001Z", "2026-06-09T10:13:00Z", "soon"]
    {
        assert_eq!(judge(wrong_one), Err(wrong("deadline")), "{wrong_one}");
    }
    assert_eq!(judge(""), Ok(None));
}
