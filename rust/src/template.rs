//! See include/hearth_template.h.
use std::ffi::{CString, c_char};
use std::io;

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::budget::Budget;
use crate::face::{Sink, bounded, guarded, text};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limits {
    fuel: u64,
    text_bytes: usize,
    budget: Budget,
}

type StrftimeNow = extern "C" fn(*mut c_char, usize, *const c_char) -> usize;

pub struct HearthTemplate {
    environment: Environment<'static>,
}

const NAME: &str = "chat";
const MAX_INDENT: usize = 32;
const MAX_JSON_BYTES: usize = 64 << 20;

/// Python's json.dumps in one line.
struct OneLine {
    comma: String,
    colon: String,
}

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(self.comma.as_bytes()) }
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(self.comma.as_bytes()) }
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.colon.as_bytes())
    }
}

/// A writer that refuses what goes beyond its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(io::Error::other(format!("more than {} bytes of text", self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.into())
}

fn write_json<F: Formatter>(value: &Value, formatter: F) -> Result<Value, Error> {
    let mut out = Bounded { bytes: Vec::new(), limit: MAX_JSON_BYTES };
    let result = value.serialize(&mut Serializer::with_formatter(&mut out, formatter));
    result.map_err(|error| refused(format!("tojson: {error}")))?;
    String::from_utf8(out.bytes).map(Value::from).map_err(|error| refused(error.to_string()))
}

/// tojson(value, indent=None, separators=None); Python's other options only as the hubs set them.
fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    for name in ["ensure_ascii", "sort_keys"] {
        if options.get::<Option<bool>>(name)?.unwrap_or(false) {
            return Err(refused(format!("tojson: {name} must be false")));
        }
    }
    options.assert_all_used()?;
    match (indent, separators.as_deref()) {
        (Some(indent), None) => {
            write_json(value, PrettyFormatter::with_indent(" ".repeat(indent.min(MAX_INDENT)).as_bytes()))
        }
        (None, None) => write_json(value, OneLine { comma: ", ".into(), colon: ": ".into() }),
        (None, Some([comma, colon])) => write_json(value, OneLine { comma: comma.clone(), colon: colon.clone() }),
        _ => Err(refused("tojson: either indent or two separators")),
    }
}

fn strftime(now: StrftimeNow, format: &str) -> Result<String, Error> {
    let format = CString::new(format).map_err(|error| refused(error.to_string()))?;
    let mut out = [0u8; 256];
    let length = now(out.as_mut_ptr().cast(), out.len(), format.as_ptr());
    Ok(String::from_utf8_lossy(&out[..length.min(out.len())]).into_owned())
}

/// Python's methods; the library's own count of an empty text in a text never ends.
fn method(state: &State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, arguments) {
        (Some(text), "count", [what]) if what.as_str() == Some("") => Ok(Value::from(text.chars().count() + 1)),
        _ => unknown_method_callback(state, value, name, arguments),
    }
}

fn compile(source: &str, now: StrftimeNow) -> Result<HearthTemplate, String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", |value: Value, options: Kwargs| tojson(&value, options));
    environment.add_function("raise_exception", |text: String| -> Result<Value, Error> { Err(refused(text)) });
    environment.add_function("strftime_now", move |format: String| strftime(now, &format));
    environment.add_template_owned(NAME, source.to_string()).map_err(|error| error.to_string())?;
    Ok(HearthTemplate { environment })
}

fn render(compiled: &HearthTemplate, json: &str, limits: Limits) -> Result<Vec<u8>, String> {
    let variables: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut environment = compiled.environment.clone();
    environment.set_fuel(Some(limits.fuel));
    let template = environment.get_template(NAME).map_err(|error| error.to_string())?;
    let mut writer = Bounded { bytes: Vec::new(), limit: limits.text_bytes };
    let rendered = template.render_captured_to(Value::from_serialize(&variables), &mut writer);
    match rendered.map(drop) {
        Ok(()) => Ok(writer.bytes),
        Err(error) => Err(match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }),
    }
}

/// # Safety
/// As include/hearth_template.h says of each argument; so for the other entry points.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_template_compile(
    source: *const c_char,
    size: usize,
    strftime_now: StrftimeNow,
    budget: Budget,
    out: *mut *mut HearthTemplate,
) -> *mut c_char {
    guarded(|| {
        let source = unsafe { text(source, size) }?;
        let template = bounded(budget, || compile(source, strftime_now))?;
        unsafe { *out = Box::into_raw(Box::new(template)) };
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_template_free(compiled: *mut HearthTemplate) {
    if !compiled.is_null() {
        drop(unsafe { Box::from_raw(compiled) });
    }
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_template_render(
    compiled: *const HearthTemplate,
    json: *const c_char,
    size: usize,
    limits: Limits,
    out: Sink,
) -> *mut c_char {
    guarded(|| {
        let compiled = unsafe { &*compiled };
        let json = unsafe { text(json, size) }?;
        out.write(&bounded(limits.budget, || render(compiled, json, limits))?);
        Ok(())
    })
}
