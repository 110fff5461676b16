//! See include/hearth_component.h.
use std::ffi::c_char;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, UnresolvedPackageGroup, WorldId};

use crate::face::{Sink, guarded, slice, text};

macro_rules! wit {
    ($($path:literal),+) => { &[$(($path, include_str!(concat!("../../wit/", $path)))),+] };
}

/// The guest contract, one entry per package; the last depends on the others.
const CONTRACT: &[&[(&str, &str)]] = &[
    wit!("deps/wasi-io.wit"),
    wit!("deps/wasi-cli.wit"),
    wit!("deps/wasi-clocks.wit"),
    wit!("deps/wasi-random.wit"),
    wit!(
        "deps/pie-core/adapter.wit", "deps/pie-core/audio-out.wit", "deps/pie-core/context.wit",
        "deps/pie-core/inference.wit", "deps/pie-core/media.wit", "deps/pie-core/messaging.wit",
        "deps/pie-core/model.wit", "deps/pie-core/run.wit", "deps/pie-core/runtime.wit",
        "deps/pie-core/scheduling.wit", "deps/pie-core/session.wit", "deps/pie-core/types.wit"
    ),
    wit!("deps/pie-instruct/chat.wit", "deps/pie-instruct/reasoning.wit", "deps/pie-instruct/tool-use.wit"),
    wit!("deps/pie-mcp/mcp.wit"),
    wit!("inferlet.wit", "sampling.wit"),
];

fn parse(files: &[(&str, &str)]) -> Result<UnresolvedPackageGroup, String> {
    let mut sources = SourceMap::new();
    for (path, text) in files {
        sources.push_str(path, *text);
    }
    sources.parse().map_err(|(_, error)| format!("{}: {error}", files[0].0))
}

/// The world of a guest of this name: everything imported, `pie:<name>/run` exported.
fn guest_world(name: &str) -> Result<(Resolve, WorldId), String> {
    let text = format!(
        "package pie:{name};\n\
         interface run {{ run: func(input: string) -> result<string, string>; }}\n\
         world guest {{ include hearth:inferlet/imports@0.1.0; export run; }}\n"
    );
    let main = parse(&[("guest", text.as_str())])?;
    let contract = CONTRACT.iter().map(|files| parse(files)).collect::<Result<Vec<_>, _>>()?;
    let mut resolve = Resolve::new();
    let package = resolve.push_groups(main, contract).map_err(|error| error.to_string())?;
    let world = resolve.select_world(&[package], Some("guest")).map_err(|error| format!("{error:#}"))?;
    Ok((resolve, world))
}

fn push_leb(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A custom section, the same in modules and components.
fn push_custom_section(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::new();
    push_leb(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    wasm.push(0);
    push_leb(wasm, body.len());
    wasm.extend_from_slice(&body);
}

fn encode(module: &[u8], name: &str, version: &str) -> Result<Vec<u8>, String> {
    let (resolve, world) = guest_world(name)?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| format!("{error:#}"))?;
    // Without need the adapter would still raise the versions of the WASI interfaces to its own.
    let preview1 = WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME.as_bytes();
    let adapt = module.windows(preview1.len()).any(|bytes| bytes == preview1);
    let mut component = ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| match adapt {
            true => encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
            false => Ok(encoder),
        })
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("{error:#}"))?;
    if !version.is_empty() {
        push_custom_section(&mut component, "version", version.as_bytes());
    }
    Ok(component)
}

/// # Safety
/// Each pointer is valid for its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_component_encode(
    module: *const u8, module_size: usize, name: *const c_char, name_size: usize, version: *const c_char,
    version_size: usize, component: Sink,
) -> *mut c_char {
    guarded(|| {
        let module = unsafe { slice(module, module_size) };
        let (name, version) = unsafe { (text(name, name_size)?, text(version, version_size)?) };
        component.write(&encode(module, name, version)?);
        Ok(())
    })
}
