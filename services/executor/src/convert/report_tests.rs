use prost_types::Timestamp;
use serde_json::value::RawValue;
use tidegate_kraken::wire::{Wire, read};

use super::*;

fn wire<T: Wire>(json: &str) -> T {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw)).expect("fits")
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn fields(params: Result<Params, Error>) -> Vec<String> {
    params.expect_err("wrong").fields.into_iter().map(|wrong| wrong.field).collect()
}

fn asked() -> v1::AddExportRequest {
    v1::AddExportRequest {
        report: v1::ReportKind::Trades.into(),
        description: "june".into(),
        ..Default::default()
    }
}

#[test]
fn requests_say_no_more_than_was_asked() {
    assert_eq!(add_export_of(&asked()).expect("good").query(), "report=trades&description=june");
    let all = v1::AddExportRequest {
        report: v1::ReportKind::Ledgers.into(),
        description: "june & july".into(),
        format: v1::ExportFormat::Tsv.into(),
        fields: vec!["refid".into(), "time".into()],
        start_time: at(5),
        end_time: at(6),
        ..Default::default()
    };
    assert_eq!(
        add_export_of(&all).expect("good").query(),
        "report=ledgers&description=june%20%26%20july&format=TSV&fields=refid%2Ctime&starttm=5&endtm=6"
    );
    let status = v1::GetExportStatusRequest { context: None, report: v1::ReportKind::Trades.into() };
    assert_eq!(export_status_of(&status).expect("good").query(), "report=trades");
    assert_eq!(retrieve_export_of("VSKC").expect("good").query(), "id=VSKC");
    for (removal, word) in [(v1::ExportRemoval::Cancel, "cancel"), (v1::ExportRemoval::Delete, "delete")] {
        let request =
            v1::RemoveExportRequest { context: None, export_id: "VSKC".into(), removal: removal.into() };
        assert_eq!(remove_export_of(&request).expect("good").query(), format!("id=VSKC&type={word}"));
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let nothing = v1::AddExportRequest {
        report: 9,
        description: " ".into(),
        format: 9,
        fields: vec!["a,b".into()],
        start_time: at(-1),
        end_time: at(-2),
        ..Default::default()
    };
    let expected = ["report", "description", "format", "fields", "start_time", "end_time", "end_time"];
    assert_eq!(fields(add_export_of(&nothing)), expected);
    for description in ["x".repeat(257), "a\nb".to_owned(), String::new()] {
        assert_eq!(fields(add_export_of(&v1::AddExportRequest { description, ..asked() })), ["description"]);
    }
    let backwards = v1::AddExportRequest { start_time: at(6), end_time: at(5), ..asked() };
    assert_eq!(fields(add_export_of(&backwards)), ["end_time"]);
    assert_eq!(fields(export_status_of(&v1::GetExportStatusRequest::default())), ["report"]);
    assert_eq!(fields(retrieve_export_of("")), ["export_id"]);
    assert_eq!(fields(retrieve_export_of("V SK")), ["export_id"]);
    assert_eq!(fields(remove_export_of(&v1::RemoveExportRequest::default())), ["export_id", "removal"]);
}

/// As Kraken documents it, with a member more, one as a number, and what is not there yet in each way that it may be written.
const STATUS: &str = r#"[{"id":"VSKC","descr":"june trades","format":"CSV","report":"trades","subtype":"all",
    "status":"Processed","flags":"0","fields":"all","createdtm":"1781000085","expiretm":"1781209685",
    "starttm":"1781000093","completedtm":1781000095,"datastarttm":"1780272000","dataendtm":"1781000085",
    "aclass":"forex","asset":"all","weather":{"rain":true}},
    {"id":"AAAA","status":"Queued","starttm":"0","completedtm":"","fields":"time,price","format":"PDF",
    "report":"weather","flags":1}, {"id":"BBBB","status":"Mislaid"}]"#;

#[test]
fn every_field_of_a_report_is_told() {
    let [first, second, third]: [v1::Export; 3] =
        export_status(wire(STATUS)).exports.try_into().expect("three");
    let expected = v1::Export {
        export_id: "VSKC".into(),
        description: "june trades".into(),
        format: v1::ExportFormat::Csv.into(),
        report: v1::ReportKind::Trades.into(),
        subtype: "all".into(),
        state: v1::ExportState::Processed.into(),
        flags: "0".into(),
        fields: vec!["all".into()],
        create_time: at(1_781_000_085),
        expire_time: at(1_781_209_685),
        start_time: at(1_781_000_093),
        complete_time: at(1_781_000_095),
        data_start_time: at(1_780_272_000),
        data_end_time: at(1_781_000_085),
        asset_class: "forex".into(),
        assets: vec!["all".into()],
        extra: [("weather".to_owned(), r#"{"rain":true}"#.to_owned())].into(),
    };
    assert_eq!(first, expected);
    assert_eq!(
        (second.state(), second.start_time, second.complete_time),
        (v1::ExportState::Queued, None, None)
    );
    assert_eq!((second.fields.len(), second.flags.as_str()), (2, "1"));
    // Words that this build does not know stay readable.
    let unspecified = (v1::ExportFormat::Unspecified, v1::ReportKind::Unspecified);
    assert_eq!((second.format(), second.report()), unspecified);
    assert_eq!(
        (second.extra["format"].as_str(), second.extra["report"].as_str()),
        (r#""PDF""#, r#""weather""#)
    );
    assert_eq!(
        (third.state(), third.extra["status"].as_str()),
        (v1::ExportState::Unspecified, r#""Mislaid""#)
    );
    assert!(export_status(wire("[]")).exports.is_empty());
}

#[test]
fn replies_to_acts_say_what_kraken_said() {
    let reply = export_added(wire(r#"{"id":"VSKC","new":1}"#), vec!["W".into()]);
    let Some(added::Outcome::Accepted(accepted)) = reply.outcome else { panic!("accepted") };
    assert_eq!((accepted.export_id.as_str(), accepted.extra["new"].as_str()), ("VSKC", "1"));
    assert_eq!(reply.warnings, ["W"]);
    for (json, deleted, cancelled) in
        [(r#"{"delete":true}"#, Some(true), None), (r#"{"cancel":false}"#, None, Some(false))]
    {
        let Some(removed::Outcome::Accepted(accepted)) = export_removed(wire(json), Vec::new()).outcome
        else {
            panic!("accepted")
        };
        assert_eq!((accepted.deleted, accepted.cancelled), (deleted, cancelled));
    }
    let odd = RawValue::from_string("{}".to_owned()).expect("JSON");
    assert!(read::<ExportRemoved>(Some(&odd)).is_err() && read::<ExportAdded>(Some(&odd)).is_err());
}
