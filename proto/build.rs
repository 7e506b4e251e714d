//! Compiles the protos without protoc, and writes the table of methods from the `kraken_endpoint` option.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, Value};

const FILES: [&str; 14] = [
    "options",
    "common",
    "intents",
    "books",
    "market",
    "subaccounts",
    "account",
    "funding",
    "funding_beta",
    "trading",
    "report",
    "earn",
    "stream",
    "operations",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let files: Vec<String> = FILES.iter().map(|name| format!("tidegate/v1/{name}.proto")).collect();
    println!("cargo:rerun-if-changed=tidegate");

    let mut compiler = protox::Compiler::new([Path::new(".")])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    // prost's own descriptor type drops options that it does not know, so reflection and the method table are made
    // from the encoded form.
    let encoded = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("descriptor.bin"), &encoded)?;
    std::fs::write(out.join("methods.rs"), method_table(&DescriptorPool::decode(encoded.as_slice())?)?)?;

    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn method_table(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let option =
        pool.get_extension_by_name("tidegate.v1.kraken_endpoint").ok_or("the option is not declared")?;
    let mut table = String::from(
        "/// Every method of the API, in the order of the protos.\npub static METHODS: &[Method] = &[\n",
    );
    for service in pool.services().filter(|s| s.package_name() == "tidegate.v1") {
        for method in service.methods() {
            let options = method.options();
            let endpoint = match options.has_extension(&option).then(|| options.get_extension(&option)) {
                Some(value) => match value.as_ref() {
                    Value::String(name) => format!("Some({name:?})"),
                    other => return Err(format!("kraken_endpoint is not a string: {other:?}").into()),
                },
                None => "None".to_owned(),
            };
            writeln!(
                table,
                "    Method {{ path: \"/{service}/{name}\", service: {service:?}, name: {name:?}, endpoint: {endpoint}, \
                 input: {input:?}, output: {output:?}, streaming: {streaming}, paged: {paged} }},",
                service = service.full_name(),
                name = method.name(),
                input = method.input().full_name(),
                output = method.output().full_name(),
                streaming = method.is_server_streaming() || method.is_client_streaming(),
                paged =
                    method.is_server_streaming() && method.input().get_field_by_name("page_token").is_some(),
            )?;
        }
    }
    table.push_str("];\n");
    Ok(table)
}
