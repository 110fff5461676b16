//! See include/hearth_wasm.h. Here: failures, the engine, host functions. `program` checks and links components, `guest` runs
//! them, `wire` carries their values, `event` wakes them.
#![allow(non_camel_case_types)]
// The safety contract of every entry point is hearth_wasm.h: pointers are valid, sizes are true.
#![allow(clippy::missing_safety_doc)]

pub mod event;
pub mod guest;
pub mod program;
mod wire;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, Resource, ResourceDynamic, ResourceType, Val};
use wasmtime::{Config, Engine, PoolingAllocationConfig, Result, StoreContextMut, bail};
use wasmtime_wasi::p2::DynPollable;

pub use guest::State;

// ---------------------------------------------------------------- plain shapes shared with C

#[repr(C)]
#[derive(Clone, Copy)]
pub struct hearth_wasm_bytes {
    pub data: *const u8,
    pub size: usize,
}
impl hearth_wasm_bytes {
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), size: bytes.len() }
    }
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        if self.size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.data, self.size) } }
    }
}

/// A pointer of the host that travels between threads: the host says it may (hearth_wasm.h, "Threads").
#[derive(Clone, Copy)]
pub struct HostPointer(pub *mut c_void);
unsafe impl Send for HostPointer {}
unsafe impl Sync for HostPointer {}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u32)]
pub enum Kind {
    Ok = 0,
    Invalid = 1,
    Unsupported = 2,
    Trap = 3,
    MemoryLimit = 4,
    TimeLimit = 5,
    Cancelled = 6,
    Exit = 7,
    ErrorValue = 8,
    Internal = 9,
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub status: i32,
    pub text: String,
    pub detail: String,
}
impl Failure {
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Failure { kind, status: 0, text: text.into(), detail: String::new() }
    }
    fn of(kind: Kind, error: &wasmtime::Error) -> Self {
        // The chain from the outside in, without the repetition of causes that quote each other.
        let mut text = String::new();
        for cause in error.chain() {
            let line = cause.to_string();
            if !text.contains(&line) {
                text += if text.is_empty() { "" } else { ": " };
                text += &line;
            }
        }
        Failure::new(kind, text.replace('\n', " "))
    }
}

#[repr(C)]
pub struct hearth_wasm_failure {
    kind: u32,
    status: i32,
    text: *mut c_char,
    text_size: usize,
    detail: *mut c_char,
    detail_size: usize,
}
fn leak(text: String) -> (*mut c_char, usize) {
    let size = text.len();
    (Box::into_raw(text.into_bytes().into_boxed_slice()).cast(), size)
}
impl From<Failure> for hearth_wasm_failure {
    fn from(failure: Failure) -> Self {
        let (text, text_size) = leak(failure.text);
        let (detail, detail_size) = leak(failure.detail);
        hearth_wasm_failure { kind: failure.kind as u32, status: failure.status, text, text_size, detail, detail_size }
    }
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_failure_clear(failure: &mut hearth_wasm_failure) {
    for (text, size) in [(&mut failure.text, failure.text_size), (&mut failure.detail, failure.detail_size)] {
        if !text.is_null() {
            // SAFETY: leak() made it.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(text.cast::<u8>(), size)) });
            *text = std::ptr::null_mut();
        }
    }
}

/// Runs the body of an entry point: its error, or the panic that came out of it, goes to `failure`.
fn guard<T>(failure: *mut hearth_wasm_failure, body: impl FnOnce() -> std::result::Result<T, Failure>) -> Option<T> {
    let result = crate::face::caught(|| Ok(body())).unwrap_or_else(|panic| Err(Failure::new(Kind::Internal, panic)));
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            // SAFETY: the caller's, to be written.
            unsafe { failure.write(error.into()) };
            None
        }
    }
}
fn boxed<T>(value: Option<T>) -> *mut T {
    value.map_or(std::ptr::null_mut(), |value| Box::into_raw(Box::new(value)))
}
fn invalid(error: wasmtime::Error) -> Failure {
    Failure::of(Kind::Invalid, &error)
}

// ---------------------------------------------------------------- the engine

#[repr(C)]
#[derive(Clone, Copy)]
pub struct hearth_wasm_config {
    worker_threads: u32,
    max_instances: u32,
    memory_bytes: u64,
    preempt_ms: u32,
    max_resources: u32,
    drop: extern "C" fn(*mut c_void, u32, u32),
}

pub struct hearth_wasm_engine {
    engine: Engine,
    linker: Linker<State>,
    config: hearth_wasm_config,
    resources: Vec<(ResourceType, String)>,
    interfaces: Vec<String>,                      // as they were added, each once
    functions: HashMap<(String, String), String>, // (interface, function): signature
    places: Arc<tokio::sync::Semaphore>,
    ticker: guest::Ticker,
    runtime: tokio::runtime::Runtime,
}

const FIBER_STACK: usize = 8 << 20; // the guest's part, and below it as much for host functions as a thread would have
const WASM_STACK: usize = 512 << 10;
const CORE_INSTANCES_PER_GUEST: u32 = 12; // a component of one module has three or four; Python's about ten
const MEMORIES_PER_GUEST: u32 = 2;
const TABLES_PER_GUEST: u32 = 12;
const MAX_TABLE_ELEMENTS: usize = 100_000;

fn config(c: &hearth_wasm_config) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let instances = c.max_instances;
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_GUEST))
        .total_memories(instances.saturating_mul(MEMORIES_PER_GUEST))
        .total_tables(instances.saturating_mul(TABLES_PER_GUEST))
        .total_stacks(instances)
        .max_memory_size(usize::try_from(c.memory_bytes.min(4 << 30)).unwrap_or(usize::MAX))
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_component_instance_size(8 << 20)
        .max_core_instance_size(8 << 20)
        .max_memories_per_component(8)
        .max_core_instances_per_component(64)
        .max_tables_per_component(64);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(false)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
    config
}

#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_engine_new(c: &hearth_wasm_config, failure: *mut hearth_wasm_failure) -> *mut hearth_wasm_engine {
    boxed(guard(failure, || {
        let engine = Engine::new(&config(c)).map_err(invalid)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(invalid)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(invalid)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(c.worker_threads.max(1) as usize)
            .thread_name("guest")
            .enable_all()
            .build()
            .map_err(|e| Failure::new(Kind::Internal, format!("worker threads: {e}")))?;
        Ok(hearth_wasm_engine {
            ticker: guest::Ticker::start(engine.clone()).map_err(|e| Failure::new(Kind::Internal, format!("clock thread: {e}")))?,
            engine,
            linker,
            config: *c,
            resources: vec![(ResourceType::host::<DynPollable>(), "pollable".into())],
            interfaces: Vec::new(),
            functions: HashMap::new(),
            places: Arc::new(tokio::sync::Semaphore::new(c.max_instances as usize)),
            runtime,
        })
    }))
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_engine_delete(_engine: Option<Box<hearth_wasm_engine>>) {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_engine_key(engine: &hearth_wasm_engine, key: *mut c_char) {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.engine.precompile_compatibility_hash().hash(&mut hasher);
    let text = format!("{:016x}", hasher.finish());
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), key, text.len()) };
}

// ---------------------------------------------------------------- host functions

type Call = extern "C" fn(*mut c_void, *mut c_void, *const u8, usize, *mut hearth_wasm_bytes) -> u32;
const DONE: u32 = 0;
const WAIT: u32 = 2;

#[derive(Clone, Copy)]
struct HostFunction {
    call: Call,
    function: HostPointer,
}
enum Answer<'a> {
    Done(&'a [u8]),
    Wait(Arc<event::Event>),
}
impl HostFunction {
    fn call<'a>(&self, guest: HostPointer, arguments: Option<&[u8]>) -> Result<Answer<'a>> {
        let mut result = hearth_wasm_bytes { data: std::ptr::null(), size: 0 };
        let (data, size) = arguments.map_or((std::ptr::null(), 0), |a| (a.as_ptr(), a.len()));
        let status = (self.call)(self.function.0, guest.0, data, size, &mut result);
        // SAFETY: holds until the guest's next call.
        let bytes: &[u8] = unsafe { result.get() };
        match status {
            DONE => Ok(Answer::Done(bytes)),
            WAIT if bytes.len() == 8 => {
                let pointer = u64::from_le_bytes(bytes.try_into().expect("8 bytes")) as *mut event::hearth_wasm_event;
                // SAFETY: the host gave its reference away.
                Ok(Answer::Wait(unsafe { Box::from_raw(pointer) }.0))
            }
            _ => bail!("{}", String::from_utf8_lossy(bytes)),
        }
    }
    fn call_now<'a>(&self, guest: HostPointer, arguments: &[u8]) -> Result<&'a [u8]> {
        match self.call(guest, Some(arguments))? {
            Answer::Done(bytes) => Ok(bytes),
            Answer::Wait(_) => bail!("a host function that is not async wants to wait"),
        }
    }

    fn add_typed<P, R>(self, linker: &mut LinkerInstance<State>, name: &str) -> Result<()>
    where
        P: ComponentNamedList + Lift + wire::Put + 'static,
        R: ComponentNamedList + Lower + wire::Take + 'static,
    {
        linker.func_wrap(name, move |mut store: StoreContextMut<'_, State>, params: P| {
            let mut arguments = std::mem::take(&mut store.data_mut().scratch);
            arguments.clear();
            params.put(&mut arguments);
            let answer = self.call_now(store.data().guest, &arguments);
            store.data_mut().scratch = arguments;
            let mut reader = wire::Reader(answer?);
            let result = R::take(&mut reader, &mut store)?;
            reader.finish()?;
            Ok(result)
        })
    }

    fn add_dynamic(self, linker: &mut LinkerInstance<State>, name: &str) -> Result<()> {
        linker.func_new(name, move |mut store, ty, params, results| {
            let arguments = put_all(&ty, params, &mut store)?;
            let answer = self.call_now(store.data().guest, &arguments)?;
            take_all(answer, &ty, results, &mut store)
        })
    }

    fn add_async(self, linker: &mut LinkerInstance<State>, name: &str) -> Result<()> {
        linker.func_new_async(name, move |mut store, ty, params, results| {
            Box::new(async move {
                let arguments = put_all(&ty, params, &mut store)?;
                let guest = store.data().guest;
                let answer = match self.call(guest, Some(&arguments))? {
                    Answer::Done(bytes) => bytes,
                    Answer::Wait(event) => {
                        event.wait().await;
                        match self.call(guest, None)? {
                            Answer::Done(bytes) => bytes,
                            Answer::Wait(_) => bail!("a host function wants to wait twice"),
                        }
                    }
                };
                take_all(answer, &ty, results, &mut store)
            })
        })
    }
}
type Func = wasmtime::component::types::ComponentFunc;
fn put_all(ty: &Func, params: &[Val], store: &mut StoreContextMut<'_, State>) -> Result<Vec<u8>> {
    let mut arguments = Vec::new();
    for (value, (_, ty)) in params.iter().zip(ty.params()) {
        wire::put(value, &ty, store, &mut arguments)?;
    }
    Ok(arguments)
}
fn take_all(answer: &[u8], ty: &Func, results: &mut [Val], store: &mut StoreContextMut<'_, State>) -> Result<()> {
    let mut reader = wire::Reader(answer);
    for (result, ty) in results.iter_mut().zip(ty.results()) {
        *result = wire::take(&ty, &mut reader, store)?;
    }
    reader.finish()
}

/// `func(borrow<model>, string)` becomes `func(h, string)`: typed paths do not care which resource it is (link() does).
fn shape(signature: &str) -> String {
    let mut out = String::new();
    let mut rest = signature;
    while let Some(start) = rest.find("borrow<") {
        out += &rest[..start];
        out.push('h');
        rest = &rest[start..];
        rest = rest.find('>').map_or("", |end| &rest[end + 1..]);
    }
    out + rest
}

fn add_function(linker: &mut LinkerInstance<State>, name: &str, signature: &str, host: HostFunction) -> Result<()> {
    type H = ResourceDynamic;
    type List = Vec<u32>;
    type Texts = (Vec<u32>, Vec<Vec<u8>>);
    const OUTPUT: &str = "func(h) -> option<record{slots: list<variant{token(u32), distribution(tuple<list<u32>, list<f32>>), \
                          logits(list<u8>), logprobs(list<f32>), entropy(f32), embedding(list<u8>)}>, spec-tokens: list<u32>, \
                          spec-positions: list<u32>}>";
    const ATTACH: &str = "func(h, list<u32>, record{temperature: f32, top-k: u32, top-p: f32, min-p: f32, seed: u64})";
    match shape(signature).as_str() {
        "func(h) -> own<pollable>" => host.add_typed::<(H,), (Resource<DynPollable>,)>(linker, name),
        "func(h) -> u32" => host.add_typed::<(H,), (u32,)>(linker, name),
        "func(h) -> bool" => host.add_typed::<(H,), (bool,)>(linker, name),
        "func(h) -> string" => host.add_typed::<(H,), (String,)>(linker, name),
        "func(h) -> list<u32>" => host.add_typed::<(H,), (List,)>(linker, name),
        "func(h) -> option<string>" => host.add_typed::<(H,), (Option<String>,)>(linker, name),
        "func(h) -> option<list<u8>>" => host.add_typed::<(H,), (Option<Vec<u8>>,)>(linker, name),
        "func(h) -> tuple<list<u32>, list<list<u8>>>" => host.add_typed::<(H,), (Texts,)>(linker, name),
        ATTACH => host.add_typed::<(H, List, wire::Draw), ()>(linker, name),
        OUTPUT => host.add_typed::<(H,), (Option<wire::Output>,)>(linker, name),
        "func(h, u32)" => host.add_typed::<(H, u32), ()>(linker, name),
        "func(h, h)" => host.add_typed::<(H, H), ()>(linker, name),
        "func(h, list<u32>)" => host.add_typed::<(H, List), ()>(linker, name),
        "func(h, list<list<u32>>)" => host.add_typed::<(H, Vec<List>), ()>(linker, name),
        "func(h, list<u32>, list<u32>)" => host.add_typed::<(H, List, List), ()>(linker, name),
        "func(h, string) -> list<u32>" => host.add_typed::<(H, String), (List,)>(linker, name),
        "func(h, list<u32>) -> result<string, string>" => {
            host.add_typed::<(H, List), (std::result::Result<String, String>,)>(linker, name)
        }
        "func(h, list<u32>) -> result<_, string>" => host.add_typed::<(H, List), (std::result::Result<(), String>,)>(linker, name),
        "func(string)" => host.add_typed::<(String,), ()>(linker, name),
        "func(list<u8>)" => host.add_typed::<(Vec<u8>,), ()>(linker, name),
        _ => host.add_dynamic(linker, name),
    }
}

unsafe fn text<'a>(text: *const c_char) -> std::result::Result<&'a str, Failure> {
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| Failure::new(Kind::Internal, "a name of a host function is not UTF-8"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_add_resource(
    engine: &mut hearth_wasm_engine,
    interface: *const c_char,
    name: *const c_char,
    ty: u32,
    failure: *mut hearth_wasm_failure,
) {
    guard(failure, || {
        let (interface, name) = unsafe { (text(interface)?, text(name)?) };
        if ty >= wire::MAX_RESOURCE_TYPES {
            return Err(Failure::new(Kind::Internal, format!("resource type {ty} of {name}")));
        }
        let drop_resource = engine.config.drop;
        let resource = ResourceType::host_dynamic(ty);
        engine.resources.push((resource, name.to_string()));
        engine
            .linker
            .instance(interface)
            .and_then(|mut instance| {
                instance.resource(name, resource, move |store: StoreContextMut<'_, State>, rep| {
                    drop_resource(store.data().guest.0, ty, rep);
                    Ok(())
                })
            })
            .map_err(|e| Failure::of(Kind::Internal, &e))
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_add_function(
    engine: &mut hearth_wasm_engine,
    interface: *const c_char,
    name: *const c_char,
    signature: *const c_char,
    call: Call,
    function: *mut c_void,
    is_async: bool,
    failure: *mut hearth_wasm_failure,
) {
    guard(failure, || {
        let (interface, name, signature) = unsafe { (text(interface)?, text(name)?, text(signature)?) };
        let host = HostFunction { call, function: HostPointer(function) };
        let added = engine.linker.instance(interface).and_then(|mut instance| {
            if is_async { host.add_async(&mut instance, name) } else { add_function(&mut instance, name, signature, host) }
        });
        added.map_err(|e| Failure::of(Kind::Internal, &e))?;
        if !engine.interfaces.iter().any(|known| known == interface) {
            engine.interfaces.push(interface.to_string());
        }
        engine.functions.insert((interface.to_string(), name.to_string()), signature.to_string());
        Ok(())
    });
}
