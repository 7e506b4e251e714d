//! Reports: requests as parameters, results as replies.

use tidegate_core::Error;
use tidegate_kraken::Params;
use tidegate_kraken::wire::{Export, ExportAdded, ExportRemoved};
use tidegate_proto::v1;
use tidegate_proto::v1::{add_export_response as added, remove_export_response as removed};

use super::request::Builder;
use super::{keep_word, timestamp, words};

/// A label is shown in lists; Kraken names no limit.
const DESCRIPTION_MAX: usize = 256;

/// Parameters of AddExport.
pub(crate) fn add_export_of(request: &v1::AddExportRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    report(&mut to, request.report);
    let label = request.description.as_str();
    if label.trim().is_empty() || label.len() > DESCRIPTION_MAX || label.chars().any(char::is_control) {
        let text = format!("must be set: 1 to {DESCRIPTION_MAX} bytes without control characters");
        to.wrong("description", text);
    } else {
        to.text("description", label);
    }
    match v1::ExportFormat::try_from(request.format) {
        Ok(v1::ExportFormat::Unspecified) => {}
        Ok(v1::ExportFormat::Csv) => to.text("format", "CSV"),
        Ok(v1::ExportFormat::Tsv) => to.text("format", "TSV"),
        Err(_) => to.wrong("format", "is not one of the known formats"),
    }
    to.words("fields", "fields", &request.fields);
    to.seconds("starttm", "start_time", request.start_time.as_ref());
    to.seconds("endtm", "end_time", request.end_time.as_ref());
    if let (Some(start), Some(end)) = (&request.start_time, &request.end_time)
        && start.seconds > end.seconds
    {
        to.wrong("end_time", "must not be before start_time");
    }
    to.finish()
}

/// Parameters of ExportStatus.
pub(crate) fn export_status_of(request: &v1::GetExportStatusRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    report(&mut to, request.report);
    to.finish()
}

/// Parameters of RetrieveExport.
pub(crate) fn retrieve_export_of(export_id: &str) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, export_id);
    to.finish()
}

/// Parameters of RemoveExport.
pub(crate) fn remove_export_of(request: &v1::RemoveExportRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, &request.export_id);
    match v1::ExportRemoval::try_from(request.removal) {
        Ok(v1::ExportRemoval::Cancel) => to.text("type", "cancel"),
        Ok(v1::ExportRemoval::Delete) => to.text("type", "delete"),
        Ok(v1::ExportRemoval::Unspecified) | Err(_) => {
            to.wrong("removal", "must be EXPORT_REMOVAL_CANCEL or EXPORT_REMOVAL_DELETE");
        }
    }
    to.finish()
}

fn report(to: &mut Builder, kind: i32) {
    match v1::ReportKind::try_from(kind) {
        Ok(v1::ReportKind::Trades) => to.text("report", "trades"),
        Ok(v1::ReportKind::Ledgers) => to.text("report", "ledgers"),
        Ok(v1::ReportKind::Unspecified) | Err(_) => {
            to.wrong("report", "must be REPORT_KIND_TRADES or REPORT_KIND_LEDGERS");
        }
    }
}

fn id(to: &mut Builder, export_id: &str) {
    if export_id.is_empty() {
        to.wrong("export_id", "must be set: the id that AddExport told");
    }
    to.word("id", "export_id", export_id);
}

/// The reports that Kraken keeps.
pub(crate) fn export_status(exports: Vec<Export>) -> v1::GetExportStatusResponse {
    v1::GetExportStatusResponse { exports: exports.into_iter().map(export).collect() }
}

fn export(mut export: Export) -> v1::Export {
    let extra = &mut export.extra;
    let format = match export.format.as_deref() {
        Some("CSV") => v1::ExportFormat::Csv,
        Some("TSV") => v1::ExportFormat::Tsv,
        None => v1::ExportFormat::Unspecified,
        Some(word) => keep_word(extra, "format", word, v1::ExportFormat::Unspecified),
    };
    let report = match export.report.as_deref() {
        Some("trades") => v1::ReportKind::Trades,
        Some("ledgers") => v1::ReportKind::Ledgers,
        None => v1::ReportKind::Unspecified,
        Some(word) => keep_word(extra, "report", word, v1::ReportKind::Unspecified),
    };
    let state = match export.status.as_str() {
        "Queued" => v1::ExportState::Queued,
        "Processing" => v1::ExportState::Processing,
        "Processed" => v1::ExportState::Processed,
        word => keep_word(extra, "status", word, v1::ExportState::Unspecified),
    };
    v1::Export {
        export_id: export.id,
        description: export.descr.unwrap_or_default(),
        format: format.into(),
        report: report.into(),
        subtype: export.subtype.unwrap_or_default(),
        state: state.into(),
        flags: super::digits(export.flags),
        fields: words(export.fields),
        create_time: timestamp(export.createdtm.as_ref()),
        expire_time: timestamp(export.expiretm.as_ref()),
        start_time: timestamp(export.starttm.as_ref()),
        complete_time: timestamp(export.completedtm.as_ref()),
        data_start_time: timestamp(export.datastarttm.as_ref()),
        data_end_time: timestamp(export.dataendtm.as_ref()),
        asset_class: export.aclass.unwrap_or_default(),
        assets: words(export.asset),
        extra: export.extra.into_iter().collect(),
    }
}

/// The reply to AddExport.
pub(crate) fn export_added(export: ExportAdded, warnings: Vec<String>) -> v1::AddExportResponse {
    let accepted = added::Accepted { export_id: export.id, extra: export.extra.into_iter().collect() };
    v1::AddExportResponse { outcome: Some(added::Outcome::Accepted(accepted)), warnings }
}

/// The reply to RemoveExport.
pub(crate) fn export_removed(export: ExportRemoved, warnings: Vec<String>) -> v1::RemoveExportResponse {
    let accepted = removed::Accepted {
        deleted: export.delete,
        cancelled: export.cancel,
        extra: export.extra.into_iter().collect(),
    };
    v1::RemoveExportResponse { outcome: Some(removed::Outcome::Accepted(accepted)), warnings }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
