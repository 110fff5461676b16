//! What one piece of work may take of the heap and of processor time. The libraries here build texts and trees as large as
//! a hostile input makes them, and an allocation that fails would end the process. So the allocator keeps an account for
//! a thread that works within a budget and refuses what goes beyond; the refusal unwinds to `within`. Time is looked at
//! where memory is taken: no library here computes for long without taking any.
use std::alloc::{GlobalAlloc, Layout, System, set_alloc_error_hook};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::thread::panicking;

/// As hearth_budget in include/hearth_face.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    heap_bytes: usize,
    cpu_ms: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Nothing,
    Heap,
    Time,
}

struct Account {
    heap_left: Cell<isize>,
    end_ms: Cell<u64>, // of this thread's processor time
    calls: Cell<u32>,
    over: Cell<Over>,
}

/// `heap_left` outside of `within`.
const CLOSED: isize = isize::MAX;
/// What an allocation costs beside its bytes.
const OVERHEAD: usize = 16;
/// Reading a thread's clock is a system call.
const CALLS_PER_CLOCK: u32 = 32;

thread_local! {
    // Constant and without destructor: the allocator may use it at any time.
    static ACCOUNT: Account = const {
        Account { heap_left: Cell::new(CLOSED), end_ms: Cell::new(0), calls: Cell::new(0), over: Cell::new(Over::Nothing) }
    };
}

fn cpu_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `now` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

fn cost(bytes: usize) -> isize {
    isize::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(CLOSED)
}

impl Account {
    fn take(&self, cost: isize) -> bool {
        let left = self.heap_left.get();
        if left == CLOSED {
            return true;
        }
        let calls = self.calls.get().wrapping_add(1);
        self.calls.set(calls);
        let over = match cost > left {
            true => Over::Heap,
            false if calls % CALLS_PER_CLOCK == 0 && cpu_ms() >= self.end_ms.get() => Over::Time,
            false => Over::Nothing,
        };
        // A panic needs what it needs; a second one on top of it would end the process.
        if over != Over::Nothing && !panicking() {
            self.over.set(over);
            return false;
        }
        self.heap_left.set(left.saturating_sub(cost));
        true
    }

    fn give(&self, cost: isize) {
        let left = self.heap_left.get();
        if left != CLOSED {
            self.heap_left.set(left.saturating_add(cost).min(CLOSED - 1));
        }
    }
}

struct Accounting;

// SAFETY: all memory is the system's; a refusal is a null pointer, as the contract has it.
unsafe impl GlobalAlloc for Accounting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match ACCOUNT.with(|account| account.take(cost(layout.size()))) {
            true => unsafe { System.alloc(layout) },
            false => std::ptr::null_mut(),
        }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match ACCOUNT.with(|account| account.take(cost(layout.size()))) {
            true => unsafe { System.alloc_zeroed(layout) },
            false => std::ptr::null_mut(),
        }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (cost(layout.size()), cost(size));
        match new <= old || ACCOUNT.with(|account| account.take(new - old)) {
            true => {
                if new < old {
                    ACCOUNT.with(|account| account.give(old - new));
                }
                unsafe { System.realloc(memory, layout, size) }
            }
            false => std::ptr::null_mut(),
        }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ACCOUNT.with(|account| account.give(cost(layout.size())));
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Accounting = Accounting;

/// Called where an allocation failed and the code that asked for it can do nothing but end.
fn refuse(layout: Layout) {
    let refused = ACCOUNT.with(|account| account.heap_left.get() != CLOSED && account.over.get() != Over::Nothing);
    if refused && !panicking() {
        resume_unwind(Box::new(())); // without the panic hook: nothing is wrong here
    }
    eprintln!("out of memory: {} bytes", layout.size()); // the process ends when this returns
}

/// Runs `body` on this thread; an error that names the limit when it wants more than its budget.
pub fn within<T>(budget: Budget, body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_alloc_error_hook(refuse));
    let heap = isize::try_from(budget.heap_bytes).unwrap_or(CLOSED - 1);
    let (outer_heap, outer_end) = ACCOUNT.with(|account| {
        account.over.set(Over::Nothing);
        let end = account.end_ms.replace(cpu_ms().saturating_add(budget.cpu_ms));
        (account.heap_left.replace(heap.min(CLOSED - 1)), end)
    });
    let result = catch_unwind(AssertUnwindSafe(body));
    let over = ACCOUNT.with(|account| {
        account.heap_left.set(outer_heap);
        account.end_ms.set(outer_end);
        account.over.replace(Over::Nothing)
    });
    // A refusal may have been caught on the way and come as an error of its own.
    match (result, over) {
        (Ok(Ok(value)), _) => Ok(value),
        (_, Over::Heap) => Err(format!("memory; got more than {} bytes, need at most that", budget.heap_bytes)),
        (_, Over::Time) => Err(format!("processor time; got more than {} ms, need at most that", budget.cpu_ms)),
        (Ok(Err(text)), Over::Nothing) => Err(text),
        (Err(panic), Over::Nothing) => resume_unwind(panic),
    }
}
