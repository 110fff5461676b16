//! Running guests: their store, limits, the clock that preempts them, start and end.
use super::event::Event;
use super::program::{Program, hearth_wasm_program};
use super::{Failure, HostPointer, Kind, hearth_wasm_bytes, hearth_wasm_engine, hearth_wasm_failure};
use std::ffi::c_void;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{self, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, Trap};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};
use wasmtime_wasi_io::bytes::Bytes;

// ---------------------------------------------------------------- the clock

const TICK: Duration = Duration::from_millis(1);
const IDLE_TICKS: u32 = 20; // how long it ticks on after the last guest paused, so that short runs do not wake it each time

struct TickerState {
    running: AtomicUsize, // guests being polled right now
    parked: AtomicBool,
    stop: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}
/// Moves the engine's epoch every millisecond while any guest computes.
pub struct Ticker {
    state: Arc<TickerState>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub fn start(engine: Engine) -> std::io::Result<Self> {
        let state = Arc::new(TickerState {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let shared = state.clone();
        let thread = std::thread::Builder::new().name("guest-clock".into()).spawn(move || {
            let mut idle = 0;
            while !shared.stop.load(Ordering::SeqCst) {
                idle = if shared.running.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
                if idle > IDLE_TICKS {
                    let mut guard = shared.lock.lock().unwrap_or_else(|e| e.into_inner());
                    shared.parked.store(true, Ordering::SeqCst);
                    while shared.running.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                        guard = shared.wake.wait(guard).unwrap_or_else(|e| e.into_inner());
                    }
                    shared.parked.store(false, Ordering::SeqCst);
                    idle = 0;
                }
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Ticker { state, thread: Some(thread) })
    }
}
impl TickerState {
    fn unpark(&self) {
        let _guard = self.lock.lock().unwrap_or_else(|e| e.into_inner());
        self.wake.notify_one();
    }
    fn enter(self: &Arc<Self>) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) {
            self.unpark();
        }
        Running(self)
    }
}
struct Running<'a>(&'a TickerState);
impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.state.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// ---------------------------------------------------------------- a guest's world

pub struct State {
    pub guest: HostPointer,
    pub table: ResourceTable,
    pub scratch: Vec<u8>, // arguments of typed calls on the wire
    wasi: WasiCtx,
    http: WasiHttpCtx,
    network: ClosedNetwork,
    memory_used: u64,
    memory_limit: u64,
}
impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.network, table: &mut self.table, ctx: &mut self.http }
    }
}

/// wasi:http links, but no request leaves.
struct ClosedNetwork;
type Io = Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>;
impl WasiHttpHooks for ClosedNetwork {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Io,
    ) -> Box<dyn Future<Output = wasmtime_wasi_http::Result<(http::Response<WasiBody>, Io)>> + Send> {
        Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
    }
}

#[derive(Debug)]
struct MemoryLimit {
    desired: u64,
    limit: u64,
}
impl std::fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "memory limit; got {} bytes, need at most {}", self.desired, self.limit)
    }
}
impl std::error::Error for MemoryLimit {}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used + (desired.saturating_sub(current)) as u64;
        if used > self.memory_limit {
            return Err(MemoryLimit { desired: used, limit: self.memory_limit }.into());
        }
        self.memory_used = used;
        Ok(true)
    }
    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= super::MAX_TABLE_ELEMENTS)
    }
}

/// Standard output or error: every write goes to the host at once, in the guest's own thread of control.
#[derive(Clone, Copy)]
struct Output {
    write: extern "C" fn(*mut c_void, i32, *const u8, usize),
    guest: HostPointer,
    stream: i32,
}
impl Output {
    fn put(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            (self.write)(self.guest.0, self.stream, bytes.as_ptr(), bytes.len());
        }
    }
}
const OUTPUT_CHUNK: usize = 64 << 10;
#[wasmtime_wasi_io::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}
#[wasmtime_wasi_io::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(OUTPUT_CHUNK)
    }
}
impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}
impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(*self)
    }
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(*self)
    }
}

// ---------------------------------------------------------------- start and end

#[repr(C)]
pub struct hearth_wasm_launch {
    guest: *mut c_void,
    input: hearth_wasm_bytes,
    arguments: *const hearth_wasm_bytes,
    argument_count: usize,
    environment: *const hearth_wasm_bytes,
    environment_count: usize,
    time_ms: u64,
    output: extern "C" fn(*mut c_void, i32, *const u8, usize),
    done: extern "C" fn(*mut c_void, *const hearth_wasm_failure),
}

pub struct hearth_wasm_guest(Arc<Event>);

/// Calls `done` exactly once, whatever becomes of the task.
struct Done {
    call: extern "C" fn(*mut c_void, *const hearth_wasm_failure),
    guest: HostPointer,
    outcome: Option<Failure>,
}
impl Done {
    fn finish(mut self, outcome: Failure) {
        self.outcome = Some(outcome);
    }
}
impl Drop for Done {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Failure::new(Kind::Internal, "the guest's fiber broke off (a bug of ours)"));
        let mut failure = hearth_wasm_failure::from(outcome);
        (self.call)(self.guest.0, &failure);
        // SAFETY: made two lines above.
        unsafe { super::hearth_wasm_failure_clear(&mut failure) };
    }
}

fn describe(error: wasmtime::Error) -> Failure {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Failure { status: exit.0, ..Failure::new(Kind::Exit, format!("exit status {}", exit.0)) };
    }
    let detail = format!("{error:?}");
    let failure = if let Some(limit) = error.downcast_ref::<MemoryLimit>() {
        Failure::new(Kind::MemoryLimit, limit.to_string())
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        Failure::new(Kind::Trap, trap.to_string())
    } else {
        Failure::new(Kind::Trap, error.root_cause().to_string())
    };
    Failure { detail, ..failure }
}

async fn run(store: &mut Store<State>, program: &Program, input: &str) -> Failure {
    let result = async {
        let instance = program.pre.instantiate_async(&mut *store).await?;
        let run = instance
            .get_func(&mut *store, program.run)
            .ok_or_else(|| wasmtime::format_err!("the run export is gone"))?
            .typed::<(&str,), (Result<String, String>,)>(&*store)?;
        run.call_async(&mut *store, (input,)).await
    };
    match result.await {
        Ok((Ok(value),)) => Failure::new(Kind::Ok, value),
        Ok((Err(text),)) => Failure::new(Kind::ErrorValue, text),
        Err(error) => describe(error),
    }
}

async fn within_limits(
    store: &mut Store<State>,
    program: &Program,
    input: &str,
    ticker: Arc<TickerState>,
    time_ms: u64,
    cancel: &Event,
) -> Failure {
    let mut running = pin!(run(store, program, input));
    let mut cancelled = pin!(cancel.wait());
    let mut limit = pin!(async {
        match time_ms {
            0 => std::future::pending().await,
            ms => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    });
    poll_fn(move |context| {
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Failure::new(Kind::Cancelled, "cancelled"));
        }
        if limit.as_mut().poll(context).is_ready() {
            return Poll::Ready(Failure::new(Kind::TimeLimit, format!("time limit; got more than {time_ms} ms of wall time")));
        }
        let _running = ticker.enter();
        running.as_mut().poll(context)
    })
    .await
}

/// A place in the pool; none when the guest is cancelled before there is one.
async fn place(places: Arc<Semaphore>, cancel: &Event) -> Option<OwnedSemaphorePermit> {
    let mut cancelled = pin!(cancel.wait());
    let mut place = pin!(places.acquire_owned());
    poll_fn(move |context| {
        if cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        place.as_mut().poll(context).map(Result::ok)
    })
    .await
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_wasm_start(
    engine: &hearth_wasm_engine,
    program: &hearth_wasm_program,
    launch: &hearth_wasm_launch,
) -> Box<hearth_wasm_guest> {
    let text = |bytes: hearth_wasm_bytes| String::from_utf8_lossy(unsafe { bytes.get() }).into_owned();
    let list = |data: *const hearth_wasm_bytes, count: usize| -> Vec<String> {
        (0..count).map(|i| text(unsafe { *data.add(i) })).collect()
    };
    let guest = HostPointer(launch.guest);
    let input = text(launch.input);
    let arguments = list(launch.arguments, launch.argument_count);
    let environment = list(launch.environment, launch.environment_count * 2);
    let output = |stream| Output { write: launch.output, guest, stream };
    let (stdout, stderr) = (output(1), output(2));
    let time_ms = launch.time_ms;
    let done = Done { call: launch.done, guest, outcome: None };

    let cancel = Arc::new(Event::default());
    let handle = hearth_wasm_guest(cancel.clone());
    let (program, places, ticker) = (program.0.clone(), engine.places.clone(), engine.ticker.state.clone());
    let (wasm, config) = (engine.engine.clone(), engine.config);
    engine.runtime.spawn(async move {
        let Some(place) = place(places, &cancel).await else {
            return done.finish(Failure::new(Kind::Cancelled, "cancelled"));
        };
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(stdout).stderr(stderr).args(&arguments);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false); // a socket would be a descriptor of ours
        for pair in environment.chunks_exact(2) {
            wasi.env(&pair[0], &pair[1]);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(config.max_resources as usize);
        let state = State {
            guest,
            table,
            scratch: Vec::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            network: ClosedNetwork,
            memory_used: 0,
            memory_limit: config.memory_bytes,
        };
        let mut store = Store::new(&wasm, state);
        store.limiter(|state| state);
        let ticks = u64::from(config.preempt_ms.max(1));
        store.set_epoch_deadline(ticks);
        store.epoch_deadline_async_yield_and_update(ticks);
        let outcome = within_limits(&mut store, &program, &input, ticker, time_ms, &cancel).await;
        drop(store);
        drop(place);
        drop(program);
        done.finish(outcome);
    });
    Box::new(handle)
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_cancel(guest: &hearth_wasm_guest) {
    guest.0.set();
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_guest_delete(_guest: Option<Box<hearth_wasm_guest>>) {}

#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_spawn(engine: &hearth_wasm_engine, run: extern "C" fn(*mut c_void), user: *mut c_void) {
    let user = HostPointer(user);
    engine.runtime.spawn_blocking(move || {
        let user = user; // the whole of it: its parts alone may not travel
        run(user.0)
    });
}
