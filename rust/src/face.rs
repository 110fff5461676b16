//! See include/hearth_face.h.
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::budget::{Budget, within};

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

const MAX_ERROR_BYTES: usize = 2000;

#[repr(C)]
pub struct Sink {
    context: *mut c_void,
    write: extern "C" fn(*mut c_void, *const c_void, usize),
}

impl Sink {
    pub fn write<T: Copy>(&self, items: &[T]) {
        if !items.is_empty() {
            (self.write)(self.context, items.as_ptr().cast(), std::mem::size_of_val(items));
        }
    }
}

/// `…/registry/src/<index>/minijinja-2.24.0/src/vm/mod.rs` without what depends on the machine.
fn source_name(path: &str) -> &str {
    match path.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/')) {
        Some((_, name)) => name,
        None => path.rsplit_once("/library/").map_or(path, |(_, name)| name),
    }
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("no reason given", |text| text).to_string(),
    };
    match PLACE.take() {
        place if place.is_empty() => format!("failed inside: {text}"),
        place => format!("failed inside {place}: {text}"),
    }
}

/// Runs `body`. A panic that leaves it becomes an error that says what and where; nothing is printed for it.
pub fn caught<T>(body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match (CAUGHT.get(), info.location()) {
            (false, _) => print(info),
            (true, place) => {
                PLACE.set(place.map_or(String::new(), |at| format!("{}:{}", source_name(at.file()), at.line())));
            }
        }));
    });
    PLACE.take();
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    CAUGHT.set(outer);
    result.unwrap_or_else(|panic| Err(panic_text(panic)))
}

/// Runs `body` and gives its error, or the text of its panic, as a C text; null when it went well.
pub fn guarded(body: impl FnOnce() -> Result<(), String>) -> *mut c_char {
    match caught(body) {
        Ok(()) => std::ptr::null_mut(),
        Err(mut text) => {
            // Libraries quote their input.
            if text.len() > MAX_ERROR_BYTES {
                text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
                text += "…";
            }
            CString::new(text.replace('\0', "\\0")).map_or(std::ptr::null_mut(), CString::into_raw)
        }
    }
}

/// Runs `body`, which walks what a stranger wrote, within a budget. Libraries that walk trees by recursion meet trees as
/// deep as a hostile input makes them, so the stack is larger than what the size limits of inputs allow; untouched
/// pages of it cost nothing.
pub fn bounded<T: Send>(budget: Budget, body: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    const STACK_BYTES: usize = 512 << 20;
    std::thread::scope(|scope| {
        let work = || caught(|| within(budget, body));
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("no thread: {error}"))?;
        thread.join().unwrap_or_else(|panic| Err(panic_text(panic)))
    })
}

/// # Safety
/// `items` points at `count` items that live as long as the result is used, or `count` is 0.
pub unsafe fn slice<'a, T>(items: *const T, count: usize) -> &'a [T] {
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(items, count) } }
}

/// # Safety
/// As for `slice`.
pub unsafe fn text<'a>(bytes: *const c_char, size: usize) -> Result<&'a str, String> {
    std::str::from_utf8(unsafe { slice(bytes.cast(), size) }).map_err(|error| format!("not UTF-8: {error}"))
}

/// # Safety
/// `text` came from this library and was not freed before, or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_text_free(text: *mut c_char) {
    if !text.is_null() {
        drop(unsafe { CString::from_raw(text) });
    }
}
