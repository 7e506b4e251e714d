//! `tidegate call Service/Method JSON`: one call from the shell, without generated code.

use anyhow::{Context, anyhow, bail};
use prost_reflect::prost::Message;
use prost_reflect::prost::bytes::{Buf, BufMut};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Request, Status};

/// Sends one call and hands its replies on as pretty JSON, each as soon as it is there.
///
/// `method` is `Service/Method`; the package and the ending `Service` may be left out. `json` is the request in
/// protobuf's JSON form.
pub(crate) async fn call(
    address: &str,
    method: &str,
    json: &str,
    mut say: impl FnMut(&str),
) -> anyhow::Result<()> {
    let pool = DescriptorPool::decode(tidegate_proto::FILE_DESCRIPTOR_SET)?;
    let method = find(&pool, method)?;
    let mut parser = serde_json::Deserializer::from_str(json);
    let request = DynamicMessage::deserialize(method.input(), &mut parser)
        .with_context(|| format!("the JSON is not a {}", method.input().full_name()))?;
    parser.end().context("there is text behind the JSON")?;

    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    // What ends at Kraken ends; what tells of tidegate goes on for as long as it runs.
    let is_endless = method.is_server_streaming()
        && tidegate_proto::method(&path).is_none_or(|method| method.endpoint.is_none());
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let path = path.parse().map_err(|error| anyhow!("{path}: {error}"))?;
    let codec = DynamicCodec { reply: method.output() };
    let mut replies = client
        .server_streaming(Request::new(request), path, codec)
        .await
        .map_err(|status| anyhow!(describe(&status)))?
        .into_inner();
    while let Some(reply) = replies.message().await.map_err(|status| anyhow!(describe(&status)))? {
        say(&pretty(&reply)?);
        if is_endless {
            break;
        }
    }
    Ok(())
}

fn find(pool: &DescriptorPool, wanted: &str) -> anyhow::Result<prost_reflect::MethodDescriptor> {
    let Some((service, name)) = wanted.rsplit_once('/') else {
        bail!("{wanted:?} is not of the form Service/Method, for instance Account/GetBalance");
    };
    let short = |full: &str| full.trim_start_matches("tidegate.v1.").trim_end_matches("Service").to_owned();
    let services: Vec<_> = pool.services().collect();
    let found = services
        .iter()
        .filter(|s| short(s.full_name()) == short(service))
        .flat_map(|s| s.methods().collect::<Vec<_>>())
        .find(|m| m.name() == name);
    found.ok_or_else(|| {
        let known: Vec<_> = services
            .iter()
            .filter(|s| s.package_name() == "tidegate.v1")
            .flat_map(|s| {
                s.methods().map(|m| format!("{}/{}", short(s.full_name()), m.name())).collect::<Vec<_>>()
            })
            .collect();
        anyhow!("there is no method {wanted}; there are {}", known.join(", "))
    })
}

fn pretty(message: &DynamicMessage) -> anyhow::Result<String> {
    let mut out = serde_json::Serializer::pretty(Vec::new());
    message.serialize_with_options(&mut out, &SerializeOptions::new().use_proto_field_name(true))?;
    Ok(String::from_utf8(out.into_inner())?)
}

/// A status in words, with the facts that tidegate put beside it.
fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = tonic_types::StatusExt::get_details_error_info(status) {
        let mut facts: Vec<_> = info.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.sort();
        text = format!("{text} [{} {}]", info.reason, facts.join(" "));
    }
    text
}

/// Encodes and decodes messages that are known by their descriptor only.
struct DynamicCodec {
    reply: MessageDescriptor,
}

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder { reply: self.reply.clone() }
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

struct DynamicDecoder {
    reply: MessageDescriptor,
}

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.reply.clone(), bytes.copy_to_bytes(bytes.remaining()))
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_with_and_without_package_and_ending() {
        let pool = DescriptorPool::decode(tidegate_proto::FILE_DESCRIPTOR_SET).expect("our own descriptor");
        for text in
            ["Account/GetBalance", "AccountService/GetBalance", "tidegate.v1.AccountService/GetBalance"]
        {
            let method = find(&pool, text).expect(text);
            assert_eq!(method.full_name(), "tidegate.v1.AccountService.GetBalance");
        }
        let error = find(&pool, "Account/Nothing").expect_err("no such method").to_string();
        assert!(error.contains("Account/GetBalance"), "{error}");
        assert!(find(&pool, "GetBalance").is_err());
    }
}
