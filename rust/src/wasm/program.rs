//! Components: compiled, checked against what the host serves, linked.
use super::guest::State;
use super::{Failure, Func, Kind, boxed, guard, hearth_wasm_bytes, hearth_wasm_engine, hearth_wasm_failure, invalid, text, wire};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, ResourceType};

pub struct hearth_wasm_code(Component);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_compile(
    engine: &hearth_wasm_engine,
    wasm: *const u8,
    size: usize,
    failure: *mut hearth_wasm_failure,
) -> *mut hearth_wasm_code {
    let wasm = unsafe { hearth_wasm_bytes { data: wasm, size }.get() };
    boxed(guard(failure, || Component::new(&engine.engine, wasm).map(hearth_wasm_code).map_err(invalid)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_load(
    engine: &hearth_wasm_engine,
    path: *const c_char,
    failure: *mut hearth_wasm_failure,
) -> *mut hearth_wasm_code {
    boxed(guard(failure, || {
        // SAFETY: the caller trusts the file.
        unsafe { Component::deserialize_file(&engine.engine, text(path)?) }.map(hearth_wasm_code).map_err(invalid)
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_serialize(
    code: &hearth_wasm_code,
    write: extern "C" fn(*mut c_void, *const u8, usize),
    user: *mut c_void,
    failure: *mut hearth_wasm_failure,
) -> bool {
    guard(failure, || {
        let bytes = code.0.serialize().map_err(invalid)?;
        write(user, bytes.as_ptr(), bytes.len());
        Ok(())
    })
    .is_some()
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_code_delete(_code: Option<Box<hearth_wasm_code>>) {}

pub struct Program {
    pub pre: InstancePre<State>,
    pub run: ComponentExportIndex,
    name: String,
}
pub struct hearth_wasm_program(pub Arc<Program>);

const RUN_SIGNATURE: &str = "func(string) -> result<string, string>";

/// `pie:NAME/run@VERSION` → NAME, for any package namespace.
fn run_package(export: &str) -> Option<&str> {
    let path = export.split('@').next()?;
    let (package, interface) = path.rsplit_once('/')?;
    (interface == "run").then(|| package.rsplit(':').next().unwrap_or(package))
}

/// `pie:core/context@0.4.0` → `pie:core/context`, `0.4.0`; an empty version where the name has none.
fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Versions with the same track serve each other: `1` of 1.2.3, `0.4` of 0.4.1. None: this version serves itself alone.
fn track(version: &str) -> Option<(u64, u64)> {
    let plain = version.split('+').next()?;
    let numbers = plain.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    match numbers[..] {
        [0, 0, _] => None,
        [0, minor, _] => Some((0, minor)),
        [major, _, _] => Some((major, 0)),
        _ => None,
    }
}

/// The packages of WASI 0.2, which wasmtime serves.
const WASI: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

fn is_wasi(path: &str) -> bool {
    path.strip_prefix("wasi:").and_then(|rest| rest.split('/').next()).is_some_and(|package| WASI.contains(&package))
}

/// `none or 0.4.x`: the versions that imports of one path may have.
fn versions_text<'a>(served: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<_> = served
        .map(|version| match track(version) {
            _ if version.is_empty() => "none".to_string(),
            Some((0, minor)) => format!("0.{minor}.x"),
            Some((major, _)) => format!("{major}.x"),
            None => version.to_string(),
        })
        .collect();
    texts.join(" or ")
}

impl hearth_wasm_engine {
    /// The interface that serves imports of this name, as the linker chooses it: the same name, else a version that is
    /// compatible.
    fn serving(&self, import: &str) -> Option<&str> {
        let (path, version) = split_version(import);
        let of_track = |name: &&String| {
            let (other, served) = split_version(name);
            other == path && track(version).is_some_and(|wanted| track(served) == Some(wanted))
        };
        self.interfaces.iter().find(|name| *name == import).or_else(|| self.interfaces.iter().find(of_track)).map(String::as_str)
    }

    fn signature_of(&self, import: &str, function: &str) -> Option<&String> {
        let interface = self.serving(import)?;
        self.functions.get(&(interface.to_string(), function.to_string()))
    }

    /// Why an import that nothing serves is not served.
    fn unserved(&self, import: &str) -> String {
        let (path, version) = split_version(import);
        let wasi = is_wasi(path).then_some("0.2.0");
        let ours = self.interfaces.iter().map(|name| split_version(name)).filter(|(other, _)| *other == path).map(|(_, v)| v);
        let served: Vec<_> = ours.chain(wasi).collect();
        if served.is_empty() {
            return format!("unknown import {import}");
        }
        let got = if version.is_empty() { "none" } else { version };
        format!("import {import} has a version that is not served; got {got}, need {}", versions_text(served.into_iter()))
    }

    /// Names the first import that nothing here serves: wasmtime's own texts speak of linkers and instances.
    fn check_imports(&self, component: &Component) -> std::result::Result<(), Failure> {
        let unsupported = |text: String| Err(Failure::new(Kind::Unsupported, text));
        for (name, item) in component.component_type().imports(&self.engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else {
                if matches!(item.ty, ComponentItem::Type(_)) {
                    continue;
                }
                return unsupported(format!("unknown import {name}"));
            };
            if self.serving(name).is_none() {
                let (path, version) = split_version(name);
                if path.starts_with("wasi:") && (track(version) == Some((0, 2)) || !is_wasi(path)) {
                    continue; // the linker knows which; its error names it
                }
                let functions: Vec<_> = instance.exports(&self.engine).collect();
                if functions.iter().all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))) {
                    continue; // types alone need nobody to serve them
                }
                return unsupported(self.unserved(name));
            }
            for (function, item) in instance.exports(&self.engine) {
                if matches!(item.ty, ComponentItem::ComponentFunc(_)) && self.signature_of(name, function).is_none() {
                    return unsupported(format!("unknown import {name}#{function}"));
                }
            }
        }
        Ok(())
    }

    /// Host functions take bytes of exactly the declared shape, so a component's idea of them must be the same. Twice: by
    /// the names of resources, for an error that people understand, then by what the linker would really give.
    fn check_signatures(&self, component: &Component) -> std::result::Result<(), Failure> {
        let types = component.component_type();
        let mut named = Vec::new();
        for (_, item) in types.imports(&self.engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
            for (name, item) in instance.exports(&self.engine) {
                if let ComponentItem::Resource(resource) = item.ty {
                    named.push((resource, name.to_string()));
                }
            }
        }
        self.compare_signatures(&types, &named)?;
        let types = self.linker.substituted_component_type(component).map_err(|e| Failure::of(Kind::Unsupported, &e))?;
        self.compare_signatures(&types, &self.resources)
    }

    fn compare_signatures(
        &self,
        types: &wasmtime::component::types::Component,
        resources: &[(ResourceType, String)],
    ) -> std::result::Result<(), Failure> {
        for (name, item) in types.imports(&self.engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
            for (function, item) in instance.exports(&self.engine) {
                let ComponentItem::ComponentFunc(func) = item.ty else { continue };
                let Some(need) = self.signature_of(name, function) else { continue };
                let got = wire::signature(&func, resources);
                if got != *need {
                    return Err(Failure::new(
                        Kind::Unsupported,
                        format!("import {name}#{function} has another type; got {got}, need {need}"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn find_run(&self, component: &Component) -> std::result::Result<(ComponentExportIndex, String), Failure> {
        let check = |func: &Func| {
            let got = wire::signature(func, &self.resources);
            if got == RUN_SIGNATURE {
                return Ok(());
            }
            Err(Failure::new(Kind::Invalid, format!("export run has another type; got {got}, need {RUN_SIGNATURE}")))
        };
        for (name, item) in component.component_type().exports(&self.engine) {
            match item.ty {
                ComponentItem::ComponentFunc(func) if name == "run" => {
                    check(&func)?;
                    let index = component.get_export_index(None, "run").ok_or_else(|| Failure::new(Kind::Internal, "run"))?;
                    return Ok((index, String::new()));
                }
                ComponentItem::ComponentInstance(instance) => {
                    let Some(package) = run_package(name) else { continue };
                    let Some(ComponentItem::ComponentFunc(func)) = instance.get_export(&self.engine, "run").map(|item| item.ty) else {
                        continue;
                    };
                    check(&func)?;
                    let index = component
                        .get_export_index(None, name)
                        .and_then(|outer| component.get_export_index(Some(&outer), "run"))
                        .ok_or_else(|| Failure::new(Kind::Internal, "run"))?;
                    return Ok((index, package.to_string()));
                }
                _ => {}
            }
        }
        let exports: Vec<_> = component.component_type().exports(&self.engine).map(|(name, _)| name.to_string()).collect();
        let got = if exports.is_empty() { "none".to_string() } else { exports.join(", ") };
        Err(Failure::new(Kind::Invalid, format!("no export run; got {got}, need pie:NAME/run or run: {RUN_SIGNATURE}")))
    }

    fn link(&self, component: &Component) -> std::result::Result<Program, Failure> {
        self.check_imports(component)?;
        self.check_signatures(component)?;
        let (run, name) = self.find_run(component)?;
        let pre = self.linker.instantiate_pre(component).map_err(|e| Failure::of(Kind::Unsupported, &e))?;
        Ok(Program { pre, run, name })
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_link(
    engine: &hearth_wasm_engine,
    code: &hearth_wasm_code,
    failure: *mut hearth_wasm_failure,
) -> *mut hearth_wasm_program {
    boxed(guard(failure, || Ok(hearth_wasm_program(Arc::new(engine.link(&code.0)?)))))
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_program_delete(_program: Option<Box<hearth_wasm_program>>) {}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_program_name(program: &hearth_wasm_program) -> hearth_wasm_bytes {
    hearth_wasm_bytes::of(program.0.name.as_bytes())
}
