//! A reply as the list of what it says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use tidegate_proto::FILE_DESCRIPTOR_SET;

pub(super) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("a descriptor set"));

/// Kraken's endpoint to the reply of its unary RPC.
pub(super) fn reply_of(endpoint: &str) -> MessageDescriptor {
    let option = POOL.get_extension_by_name("tidegate.v1.kraken_endpoint").expect("the option");
    let methods = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut fit = methods.filter(|method| {
        let options = method.options();
        options.has_extension(&option)
            && options.get_extension(&option).as_str() == Some(endpoint)
            && !method.is_server_streaming()
    });
    fit.next().unwrap_or_else(|| panic!("no RPC for {endpoint}")).output()
}

/// One value that a reply holds: the message and field, and the value as text.
pub(super) type Leaf = (String, String);

/// What a reply says, in its order; what is not set is not there.
pub(super) fn leaves(message: &DynamicMessage) -> Vec<Leaf> {
    assert_eq!(message.unknown_fields().count(), 0, "{} has other fields", message.descriptor().full_name());
    let mut all = Vec::new();
    for (field, value) in message.fields() {
        put(&format!("{}.{}", message.descriptor().name(), field.name()), value, &mut all);
    }
    all
}

fn put(place: &str, value: &Value, all: &mut Vec<Leaf>) {
    match value {
        Value::Message(message) => {
            // That it is there is said as well, also of one that holds nothing.
            all.push((place.to_owned(), String::new()));
            all.extend(leaves(message));
        }
        Value::List(items) => items.iter().for_each(|item| put(place, item, all)),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key_text(key));
            entries.iter().for_each(|(key, value)| put(&format!("{place}[{}]", key_text(key)), value, all));
        }
        Value::String(text) => all.push((place.to_owned(), text.clone())),
        Value::Bool(value) => all.push((place.to_owned(), value.to_string())),
        Value::EnumNumber(value) => all.push((place.to_owned(), value.to_string())),
        Value::I32(value) => all.push((place.to_owned(), value.to_string())),
        Value::I64(value) => all.push((place.to_owned(), value.to_string())),
        Value::U32(value) => all.push((place.to_owned(), value.to_string())),
        Value::U64(value) => all.push((place.to_owned(), value.to_string())),
        Value::F32(_) | Value::F64(_) => panic!("{place} cannot hold every amount"),
        Value::Bytes(_) => panic!("{place} is of bytes, which no shape is"),
    }
}

fn key_text(key: &MapKey) -> String {
    key.as_str().expect("maps of this API are named by text").to_owned()
}

/// All fields that a reply of this kind can have, by message and name; what stands for "not known" is left out.
pub(super) fn fields(message: &MessageDescriptor, all: &mut BTreeSet<String>) {
    for field in message.fields() {
        let name = format!("{}.{}", message.name(), field.name());
        let others = field.name() == "extra" || field.name().ends_with("_extra");
        if others || matches!(field.name(), "warnings" | "unresolved") || !all.insert(name) || field.is_map()
        {
            continue;
        }
        if let Some(inner) = field.kind().as_message()
            && inner.package_name() == "tidegate.v1"
        {
            fields(inner, all);
        }
    }
}
