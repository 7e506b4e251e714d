//! Fields that this build does not know.
//!
//! Protobuf lets an old server ignore what a newer client says. For an order that is dangerous: a strategy that
//! asks for "reduce only" must not get an order without it. So mutating requests are searched for unknown fields
//! before they are believed.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).ok());

/// Paths of the fields in an encoded message that this build does not know, for instance `context.9`.
///
/// Errors: the text is not an encoding of the message at all, or the message is not one of ours.
pub fn unknown_fields(message: &str, encoded: &[u8]) -> Result<Vec<String>, String> {
    let descriptor = POOL
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(message))
        .ok_or_else(|| format!("no message {message} in the descriptor"))?;
    let decoded = DynamicMessage::decode(descriptor, encoded).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(&decoded, "", &mut found);
    Ok(found)
}

fn collect(message: &DynamicMessage, path: &str, found: &mut Vec<String>) {
    found.extend(message.unknown_fields().map(|field| format!("{path}{}", field.number())));
    let descriptor: MessageDescriptor = message.descriptor();
    for field in descriptor.fields().filter(|field| message.has_field(field)) {
        let inner = format!("{path}{}.", field.name());
        match message.get_field(&field).as_ref() {
            Value::Message(sub) => collect(sub, &inner, found),
            Value::List(list) => {
                for sub in list.iter().filter_map(Value::as_message) {
                    collect(sub, &inner, found);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1;

    const NAME: &str = "tidegate.v1.AddOrderRequest";

    #[test]
    fn a_request_of_this_build_has_none() {
        let request = v1::AddOrderRequest {
            context: Some(v1::CallContext { account: "main".into(), ..Default::default() }),
            pair: "XBTUSD".into(),
            order_flags: vec![1],
            deadline: Some(prost_types::Timestamp { seconds: 5, nanos: 1 }),
            ..Default::default()
        };
        assert_eq!(unknown_fields(NAME, &request.encode_to_vec()), Ok(vec![]));
    }

    #[test]
    fn unknown_fields_are_named_with_their_path() {
        // Field 77, varint 1, at the top; field 9, varint 1, inside `context`.
        let encoded = [&[0x0a, 0x02, 0x48, 0x01][..], &[0xe8, 0x04, 0x01]].concat();
        let mut found = unknown_fields(NAME, &encoded).expect("well-formed");
        found.sort();
        assert_eq!(found, ["77", "context.9"]);
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(unknown_fields(NAME, &[0xff, 0xff]).is_err());
        assert!(unknown_fields("tidegate.v1.Nothing", &[]).is_err());
    }
}
