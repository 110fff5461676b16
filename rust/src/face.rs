//! See include/hearth_face.h.
use std::any::Any;
use std::ffi::{CString, c_char, c_void};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Panics under `guarded` become errors: nothing is printed for them.
fn quietly<T>(body: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                print(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = body();
    GUARDED.set(before);
    result
}

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

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or("no reason given", |text| text).to_string(),
    };
    format!("failed inside: {text}")
}

/// Runs `body` and gives its error, or the text of its panic, as a C text; null when it went well.
pub fn guarded(body: impl FnOnce() -> Result<(), String>) -> *mut c_char {
    match quietly(|| catch_unwind(AssertUnwindSafe(body))).unwrap_or_else(|panic| Err(panic_text(panic))) {
        Ok(()) => std::ptr::null_mut(),
        Err(text) => CString::new(text.replace('\0', "\\0")).map_or(std::ptr::null_mut(), CString::into_raw),
    }
}

/// Libraries that walk trees by recursion meet trees as deep as a hostile input makes them: this runs them where
/// the stack is larger than what the size limits of inputs allow. Untouched pages of it cost nothing.
pub fn on_deep_stack<T: Send>(body: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    const STACK_BYTES: usize = 512 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || quietly(body));
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
