//! Events: set from any thread, waited for by fibers; and the `wasi:io/poll` pollable over one.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use wasmtime_wasi_io::poll::Pollable;

#[derive(Default)]
pub struct Event {
    set: AtomicBool,
    notify: Notify,
}

impl Event {
    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable(); // before the look at the flag: a set in between is not lost
            if self.set.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}

pub struct EventPollable(pub Arc<Event>);

#[wasmtime_wasi_io::async_trait]
impl Pollable for EventPollable {
    async fn ready(&mut self) {
        self.0.wait().await
    }
}

#[allow(non_camel_case_types)]
pub struct hearth_wasm_event(pub Arc<Event>);

#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_event_new() -> Box<hearth_wasm_event> {
    Box::new(hearth_wasm_event(Arc::default()))
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_event_clone(event: &hearth_wasm_event) -> Box<hearth_wasm_event> {
    Box::new(hearth_wasm_event(event.0.clone()))
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_event_delete(_event: Option<Box<hearth_wasm_event>>) {}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_event_set(event: &hearth_wasm_event) {
    event.0.set();
}
#[unsafe(no_mangle)]
pub extern "C" fn hearth_wasm_event_clear(event: &hearth_wasm_event) {
    event.0.set.store(false, Ordering::Release);
}
