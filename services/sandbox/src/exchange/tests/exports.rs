//! Reports: how far they are, what is in them, and how they end.

use super::*;

const BY: &str = "sandbox-ledger";

fn asked(floor: &mut Floor, more: &str) -> String {
    let result = floor.result(BY, "AddExport", &format!("description=june%20trades&{more}"));
    result["id"].as_str().unwrap().to_owned()
}

fn status(floor: &mut Floor, report: &str) -> Vec<Value> {
    floor.result(BY, "ExportStatus", &format!("report={report}")).as_array().unwrap().clone()
}

fn buy(floor: &mut Floor) {
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=buy&ordertype=market&volume=0.1");
}

/// The archive, or the words of a refusal.
fn fetched(floor: &mut Floor, id: &str) -> Result<Bytes, String> {
    floor.nonce += 1;
    let request = form(BY, "RetrieveExport", floor.nonce, &format!("id={id}"));
    let reply = floor.exchange.handle(floor.now_us, request);
    if reply.content_type == "application/octet-stream" {
        return Ok(reply.body);
    }
    Err(error(&serde_json::from_slice(&reply.body).unwrap()))
}

/// The one file of an archive that is not compressed.
fn unpacked(archive: &[u8]) -> (String, String) {
    let half = |at: usize| usize::from(u16::from_le_bytes(archive[at..at + 2].try_into().unwrap()));
    let length = u32::from_le_bytes(archive[18..22].try_into().unwrap()) as usize;
    let (name_end, skipped) = (30 + half(26), half(28));
    let text = |from: usize, to: usize| String::from_utf8(archive[from..to].to_vec()).unwrap();
    let begins = name_end + skipped;
    (text(30, name_end), text(begins, begins + length))
}

#[test]
fn a_report_waits_is_worked_on_and_is_ready() {
    let mut floor = floor();
    let id = asked(&mut floor, "report=trades");
    assert!(id.len() == 4 && id.bytes().all(|letter| letter.is_ascii_uppercase()), "{id}");
    let expected = json!({"id": id, "descr": "june trades", "format": "CSV", "report": "trades", "subtype": "all",
        "status": "Queued", "flags": "0", "fields": "all", "createdtm": "1781000000", "expiretm": "1782209600",
        "starttm": "0", "completedtm": "0", "datastarttm": "1780272000", "dataendtm": "1781000000",
        "aclass": "forex", "asset": "all"});
    assert_eq!(status(&mut floor, "trades"), [expected]);
    assert_eq!(status(&mut floor, "ledgers"), Vec::<Value>::new());
    assert_eq!(fetched(&mut floor, &id), Err("EGeneral:Invalid arguments:id".to_owned()));
    floor.now_us += 500_000;
    assert_eq!(status(&mut floor, "trades")[0]["status"], "Processing");
    floor.now_us += 500_000;
    let ready = &status(&mut floor, "trades")[0];
    assert_eq!((&ready["status"], &ready["completedtm"]), (&json!("Processed"), &json!("1781000001")));
    assert!(fetched(&mut floor, &id).is_ok());
    floor.now_us += 15 * 86_400_000_000;
    assert_eq!(status(&mut floor, "trades"), Vec::<Value>::new());
    assert!(fetched(&mut floor, &id).is_err());
}

#[test]
fn a_report_shows_what_was_there_when_it_was_asked_for_and_nothing_later() {
    let mut floor = floor();
    floor.now_us -= 40 * 86_400_000_000;
    buy(&mut floor);
    floor.now_us = NOW_US;
    buy(&mut floor);
    let (this_month, all) =
        (asked(&mut floor, "report=trades"), asked(&mut floor, "report=trades&starttm=1"));
    floor.now_us += 1_000_000;
    buy(&mut floor);
    let rows = |floor: &mut Floor, id: &str| {
        let (name, content) = unpacked(&fetched(floor, id).unwrap());
        assert_eq!(name, "trades.csv");
        content.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = rows(&mut floor, &this_month);
    assert_eq!((first.len(), rows(&mut floor, &all).len()), (1, 2));
    assert_eq!(rows(&mut floor, &this_month), first, "it is the same each time");

    let trades =
        floor.result("sandbox-read", "TradesHistory", "ledgers=true&start=1780272000&end=1781000000");
    let (txid, trade) = trades["trades"].as_object().unwrap().iter().next().unwrap();
    let ledgers: Vec<_> =
        trade["ledgers"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let text = |name: &str| trade[name].as_str().unwrap();
    let expected = format!(
        "\"{txid}\",\"{}\",\"XXBTZUSD\",\"2026-06-09 10:13:20.0000\",\"buy\",\"market\",{},{},{},{},0.00000,\"\",\"{}\"",
        text("ordertxid"),
        text("price"),
        text("cost"),
        text("fee"),
        text("vol"),
        ledgers.join(",")
    );
    assert_eq!(first, [expected]);
}

#[test]
fn columns_and_signs_between_them_can_be_chosen() {
    let mut floor = floor();
    buy(&mut floor);
    let id = asked(&mut floor, "report=ledgers&format=TSV&fields=refid,type,asset,amount");
    floor.now_us += 1_000_000;
    assert_eq!(status(&mut floor, "ledgers")[0]["fields"], "refid,type,asset,amount");
    let (name, content) = unpacked(&fetched(&mut floor, &id).unwrap());
    assert_eq!(name, "ledgers.tsv");
    let lines: Vec<Vec<_>> = content.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines[0], ["txid", "refid", "type", "asset", "amount"]);
    assert_eq!((lines.len(), lines[1][2], lines[1][3], lines[1][4]), (3, "trade", "XXBT", "0.1000000000"));
    assert_eq!((lines[2][3], lines[2][4]), ("ZUSD", "-6000.0500"));
    // Of nobody else.
    let nobody = floor.result("sandbox-all", "AddExport", "description=x&report=trades&endtm=5&starttm=5");
    floor.now_us += 1_000_000;
    let (_, content) = unpacked(&fetched(&mut floor, nobody["id"].as_str().unwrap()).unwrap());
    assert_eq!(content.lines().count(), 1, "nothing was traded in that second");
}

#[test]
fn what_waits_is_cancelled_and_what_is_ready_is_deleted() {
    let mut floor = floor();
    let (waits, ready) = (asked(&mut floor, "report=trades"), asked(&mut floor, "report=trades"));
    let remove = |id: &str, how: &str| format!("id={id}&type={how}");
    for (more, name) in [
        (remove(&waits, "delete"), "type"),
        (remove(&waits, "burn"), "type"),
        (remove("ZZZZZ", "cancel"), "id"),
        (String::new(), "id"),
    ] {
        let refusal = format!("EGeneral:Invalid arguments:{name}");
        assert_eq!(floor.refusal(BY, "RemoveExport", &more), refusal, "{more}");
    }
    assert_eq!(floor.result(BY, "RemoveExport", &remove(&waits, "cancel")), json!({"cancel": true}));
    floor.now_us += 1_000_000;
    assert_eq!(
        floor.refusal(BY, "RemoveExport", &remove(&ready, "cancel")),
        "EGeneral:Invalid arguments:type"
    );
    assert_eq!(floor.result(BY, "RemoveExport", &remove(&ready, "delete")), json!({"delete": true}));
    assert_eq!(status(&mut floor, "trades"), Vec::<Value>::new());
    assert_eq!(floor.refusal(BY, "RemoveExport", &remove(&ready, "delete")), "EGeneral:Invalid arguments:id");
    assert!(
        floor
            .log()
            .iter()
            .filter(|entry| entry["endpoint"] == "RemoveExport")
            .any(|entry| { (&entry["verdict"], &entry["executed"]) == (&json!("ok"), &json!(true)) })
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_its_name() {
    let mut floor = floor();
    for (more, name) in [
        ("", "report"),
        ("report=weather&description=x", "report"),
        ("report=trades", "description"),
        ("report=trades&description=x&format=PDF", "format"),
        ("report=trades&description=x&fields=time,refid", "fields"),
        ("report=trades&description=x&starttm=soon", "starttm"),
        ("report=trades&description=x&starttm=9&endtm=8", "endtm"),
    ] {
        let refusal = format!("EGeneral:Invalid arguments:{name}");
        assert_eq!(floor.refusal(BY, "AddExport", more), refusal, "{more}");
    }
    assert_eq!(floor.refusal(BY, "ExportStatus", ""), "EGeneral:Invalid arguments:report");
    assert_eq!(floor.refusal("sandbox-read", "ExportStatus", "report=trades"), "EGeneral:Permission denied");
    // Whose report it is decides who gets it.
    let id = floor.result("sandbox-all", "AddExport", "description=x&report=trades")["id"].clone();
    assert_eq!(status(&mut floor, "trades")[0]["id"], id, "the account's, whatever key asked");
}
