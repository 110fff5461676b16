//! Values as bytes (see hearth_wasm.h): wasmtime's dynamic values, and typed ones for the common shapes.
use super::State;
use super::event::{EventPollable, hearth_wasm_event};
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{Resource, ResourceDynamic, ResourceType, Val};
use wasmtime::{AsContextMut, Result, StoreContextMut, bail, format_err};
use wasmtime_wasi::p2::DynPollable;

/// Resource types are numbered by the host; far fewer than this are ever declared.
pub const MAX_RESOURCE_TYPES: u32 = 64;

pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, size: usize) -> Result<&'a [u8]> {
        if size > self.0.len() {
            bail!("a host function's result ends early");
        }
        let (head, tail) = self.0.split_at(size);
        self.0 = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("N bytes"))
    }
    fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    fn string(&mut self) -> Result<String> {
        let size = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.bytes(size)?).into_owned())
    }
    pub fn finish(&self) -> Result<()> {
        if !self.0.is_empty() {
            bail!("a host function's result has {} bytes too many", self.0.len());
        }
        Ok(())
    }
}

fn pollable(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Resource<DynPollable>> {
    let pointer = reader.u64()? as *mut hearth_wasm_event;
    if pointer.is_null() {
        bail!("a host function gave no event");
    }
    // SAFETY: the host gave its reference away: see hearth_wasm.h.
    let event = unsafe { Box::from_raw(pointer) };
    let table = &mut store.data_mut().table;
    let resource = table.push(EventPollable(event.0))?;
    wasmtime_wasi_io::poll::subscribe(table, resource)
}

// ---------------------------------------------------------------- dynamic values

pub fn put(value: &Val, ty: &Type, store: &mut StoreContextMut<'_, State>, out: &mut Vec<u8>) -> Result<()> {
    match (value, ty) {
        (Val::Bool(v), _) => out.push(*v as u8),
        (Val::U8(v), _) => out.push(*v),
        (Val::S8(v), _) => out.push(*v as u8),
        (Val::U16(v), _) => out.extend(v.to_le_bytes()),
        (Val::S16(v), _) => out.extend(v.to_le_bytes()),
        (Val::U32(v), _) => out.extend(v.to_le_bytes()),
        (Val::S32(v), _) => out.extend(v.to_le_bytes()),
        (Val::U64(v), _) => out.extend(v.to_le_bytes()),
        (Val::S64(v), _) => out.extend(v.to_le_bytes()),
        (Val::Float32(v), _) => out.extend(v.to_le_bytes()),
        (Val::Float64(v), _) => out.extend(v.to_le_bytes()),
        (Val::Char(v), _) => out.extend((*v as u32).to_le_bytes()),
        (Val::String(v), _) => v.put(out),
        (Val::List(items), Type::List(list)) => {
            out.extend((items.len() as u32).to_le_bytes());
            let element = list.ty();
            for item in items {
                put(item, &element, store, out)?;
            }
        }
        (Val::Record(fields), Type::Record(record)) => {
            for ((_, value), field) in fields.iter().zip(record.fields()) {
                put(value, &field.ty, store, out)?;
            }
        }
        (Val::Tuple(items), Type::Tuple(tuple)) => {
            for (item, ty) in items.iter().zip(tuple.types()) {
                put(item, &ty, store, out)?;
            }
        }
        (Val::Variant(name, payload), Type::Variant(variant)) => {
            for (index, case) in variant.cases().enumerate() {
                if case.name == name {
                    out.extend((index as u32).to_le_bytes());
                    if let (Some(payload), Some(ty)) = (payload, &case.ty) {
                        put(payload, ty, store, out)?;
                    }
                    return Ok(());
                }
            }
            bail!("variant case {name} is not of its type");
        }
        (Val::Enum(name), Type::Enum(names)) => {
            let index = names.names().position(|n| n == name).ok_or_else(|| format_err!("enum case {name} is not of its type"))?;
            out.extend((index as u32).to_le_bytes());
        }
        (Val::Option(payload), Type::Option(option)) => {
            out.push(payload.is_some() as u8);
            if let Some(payload) = payload {
                put(payload, &option.ty(), store, out)?;
            }
        }
        (Val::Result(result), Type::Result(ty)) => {
            let (tag, payload, ty) = match result {
                Ok(payload) => (0, payload, ty.ok()),
                Err(payload) => (1, payload, ty.err()),
            };
            out.push(tag);
            if let (Some(payload), Some(ty)) = (payload, ty) {
                put(payload, &ty, store, out)?;
            }
        }
        (Val::Resource(any), _) => {
            let resource = any.try_into_resource_dynamic(store.as_context_mut())?;
            out.extend(resource.rep().to_le_bytes());
        }
        _ => bail!("a value of a kind that no host function takes"),
    }
    Ok(())
}

pub fn take(ty: &Type, reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(reader.u8()? != 0),
        Type::U8 => Val::U8(reader.u8()?),
        Type::U32 => Val::U32(reader.u32()?),
        Type::S32 => Val::S32(reader.u32()? as i32),
        Type::U64 => Val::U64(reader.u64()?),
        Type::S64 => Val::S64(reader.u64()? as i64),
        Type::Float32 => Val::Float32(f32::from_bits(reader.u32()?)),
        Type::Float64 => Val::Float64(f64::from_bits(reader.u64()?)),
        Type::String => Val::String(reader.string()?),
        Type::List(list) => {
            let count = reader.u32()?;
            let element = list.ty();
            Val::List((0..count).map(|_| take(&element, reader, store)).collect::<Result<_>>()?)
        }
        Type::Record(record) => {
            let fields: Vec<_> = record.fields().map(|f| (f.name.to_string(), f.ty)).collect();
            Val::Record(fields.into_iter().map(|(name, ty)| Ok((name, take(&ty, reader, store)?))).collect::<Result<_>>()?)
        }
        Type::Tuple(tuple) => {
            let types: Vec<_> = tuple.types().collect();
            Val::Tuple(types.iter().map(|ty| take(ty, reader, store)).collect::<Result<_>>()?)
        }
        Type::Variant(variant) => {
            let index = reader.u32()? as usize;
            let Some((name, ty)) = variant.cases().nth(index).map(|c| (c.name.to_string(), c.ty)) else {
                bail!("a host function gave variant case {index}");
            };
            Val::Variant(name, ty.map(|ty| take(&ty, reader, store)).transpose()?.map(Box::new))
        }
        Type::Enum(names) => {
            let index = reader.u32()? as usize;
            let Some(name) = names.names().nth(index) else { bail!("a host function gave enum case {index}") };
            Val::Enum(name.to_string())
        }
        Type::Option(option) => Val::Option(match reader.u8()? {
            0 => None,
            _ => Some(Box::new(take(&option.ty(), reader, store)?)),
        }),
        Type::Result(result) => {
            let tag = reader.u8()?;
            let ty = if tag == 0 { result.ok() } else { result.err() };
            let payload = ty.map(|ty| take(&ty, reader, store)).transpose()?.map(Box::new);
            Val::Result(if tag == 0 { Ok(payload) } else { Err(payload) })
        }
        Type::Own(resource) if *resource == ResourceType::host::<DynPollable>() => {
            Val::Resource(pollable(reader, store)?.try_into_resource_any(store.as_context_mut())?)
        }
        Type::Own(_) => {
            let (ty, rep) = (reader.u32()?, reader.u32()?);
            Val::Resource(ResourceDynamic::new_own(rep, ty).try_into_resource_any(store.as_context_mut())?)
        }
        _ => bail!("a value of a kind that no host function gives"),
    })
}

// ---------------------------------------------------------------- typed values

pub trait Put {
    fn put(&self, out: &mut Vec<u8>);
}
impl Put for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }
}
impl Put for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend(self.as_bytes());
    }
}
impl Put for ResourceDynamic {
    fn put(&self, out: &mut Vec<u8>) {
        self.rep().put(out);
    }
}
impl Put for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend(self);
    }
}
impl Put for Vec<u32> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.reserve(self.len() * 4);
        out.extend(self.iter().flat_map(|v| v.to_le_bytes()));
    }
}
impl Put for Vec<Vec<u32>> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        self.iter().for_each(|v| v.put(out));
    }
}
macro_rules! put_tuple {
    ($($name:ident)*) => {
        impl<$($name: Put),*> Put for ($($name,)*) {
            #[allow(non_snake_case)]
            fn put(&self, out: &mut Vec<u8>) {
                let ($($name,)*) = self;
                $($name.put(out);)*
            }
        }
    };
}
put_tuple!(A);
put_tuple!(A B);
put_tuple!(A B C);

pub trait Take: Sized {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self>;
}
impl Take for () {
    fn take(_: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(())
    }
}
impl Take for u32 {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        reader.u32()
    }
}
impl Take for bool {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(reader.u8()? != 0)
    }
}
impl Take for f32 {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(f32::from_bits(reader.u32()?))
    }
}
impl Take for String {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        reader.string()
    }
}
impl Take for Vec<u8> {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        let size = reader.u32()? as usize;
        Ok(reader.bytes(size)?.to_vec())
    }
}
impl Take for Vec<u32> {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        let count = reader.u32()? as usize;
        Ok(reader.bytes(count * 4)?.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("4 bytes"))).collect())
    }
}
impl Take for Vec<f32> {
    fn take(reader: &mut Reader, _: &mut StoreContextMut<'_, State>) -> Result<Self> {
        let count = reader.u32()? as usize;
        Ok(reader.bytes(count * 4)?.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect())
    }
}
macro_rules! take_list {
    ($($name:ty)*) => {$(
        impl Take for Vec<$name> {
            fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
                let count = reader.u32()?;
                (0..count).map(|_| <$name>::take(reader, store)).collect()
            }
        }
    )*};
}
take_list!(Vec<u8> String Slot);
impl<T: Take> Take for Option<T> {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(if reader.u8()? == 0 { None } else { Some(T::take(reader, store)?) })
    }
}
impl<T: Take, E: Take> Take for std::result::Result<T, E> {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(if reader.u8()? == 0 { Ok(T::take(reader, store)?) } else { Err(E::take(reader, store)?) })
    }
}
impl<A: Take, B: Take> Take for (A, B) {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok((A::take(reader, store)?, B::take(reader, store)?))
    }
}
impl<A: Take> Take for (A,) {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok((A::take(reader, store)?,))
    }
}
impl Take for Resource<DynPollable> {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        pollable(reader, store)
    }
}

/// pie:core/inference.slot-output: typed, because logits and whole distributions are as long as the vocabulary.
#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(variant)]
pub enum Slot {
    #[component(name = "token")]
    Token(u32),
    #[component(name = "distribution")]
    Distribution((Vec<u32>, Vec<f32>)),
    #[component(name = "logits")]
    Logits(Vec<u8>),
    #[component(name = "logprobs")]
    Logprobs(Vec<f32>),
    #[component(name = "entropy")]
    Entropy(f32),
    #[component(name = "embedding")]
    Embedding(Vec<u8>),
}
impl Take for Slot {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(match reader.u32()? {
            0 => Slot::Token(Take::take(reader, store)?),
            1 => Slot::Distribution(Take::take(reader, store)?),
            2 => Slot::Logits(Take::take(reader, store)?),
            3 => Slot::Logprobs(Take::take(reader, store)?),
            4 => Slot::Entropy(Take::take(reader, store)?),
            5 => Slot::Embedding(Take::take(reader, store)?),
            other => bail!("a host function gave slot-output case {other}"),
        })
    }
}

#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(record)]
pub struct Output {
    slots: Vec<Slot>,
    #[component(name = "spec-tokens")]
    spec_tokens: Vec<u32>,
    #[component(name = "spec-positions")]
    spec_positions: Vec<u32>,
}
impl Take for Output {
    fn take(reader: &mut Reader, store: &mut StoreContextMut<'_, State>) -> Result<Self> {
        Ok(Output {
            slots: Take::take(reader, store)?,
            spec_tokens: Take::take(reader, store)?,
            spec_positions: Take::take(reader, store)?,
        })
    }
}

/// hearth:inferlet/sampling.draw: typed, because every decode step attaches one.
#[derive(wasmtime::component::ComponentType, wasmtime::component::Lift)]
#[component(record)]
pub struct Draw {
    temperature: f32,
    #[component(name = "top-k")]
    top_k: u32,
    #[component(name = "top-p")]
    top_p: f32,
    #[component(name = "min-p")]
    min_p: f32,
    seed: u64,
}
impl Put for Draw {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.temperature.to_le_bytes());
        self.top_k.put(out);
        out.extend(self.top_p.to_le_bytes());
        out.extend(self.min_p.to_le_bytes());
        out.extend(self.seed.to_le_bytes());
    }
}

// ---------------------------------------------------------------- signatures

/// `func(borrow<model>, string) -> result<_, string>`: what host functions are declared with.
pub fn signature(func: &ComponentFunc, resources: &[(ResourceType, String)]) -> String {
    let params: Vec<_> = func.params().map(|(_, ty)| type_text(&ty, resources)).collect();
    let results: Vec<_> = func.results().map(|ty| type_text(&ty, resources)).collect();
    let arrow = if results.is_empty() { String::new() } else { format!(" -> {}", results.join(", ")) };
    format!("{}func({}){arrow}", if func.async_() { "async " } else { "" }, params.join(", "))
}

fn type_text(ty: &Type, resources: &[(ResourceType, String)]) -> String {
    let text = |ty: &Type| type_text(ty, resources);
    let handle = |kind: &str, resource: &ResourceType| {
        let name = resources.iter().find(|(r, _)| r == resource).map_or("?", |(_, name)| name);
        format!("{kind}<{name}>")
    };
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(list) => format!("list<{}>", text(&list.ty())),
        Type::Record(record) => {
            let fields: Vec<_> = record.fields().map(|f| format!("{}: {}", f.name, text(&f.ty))).collect();
            format!("record{{{}}}", fields.join(", "))
        }
        Type::Tuple(tuple) => format!("tuple<{}>", tuple.types().map(|ty| text(&ty)).collect::<Vec<_>>().join(", ")),
        Type::Variant(variant) => {
            let cases: Vec<_> = variant
                .cases()
                .map(|c| c.ty.as_ref().map_or(c.name.to_string(), |ty| format!("{}({})", c.name, text(ty))))
                .collect();
            format!("variant{{{}}}", cases.join(", "))
        }
        Type::Enum(names) => format!("enum{{{}}}", names.names().collect::<Vec<_>>().join(", ")),
        Type::Option(option) => format!("option<{}>", text(&option.ty())),
        Type::Result(result) => match (result.ok(), result.err()) {
            (None, None) => "result".into(),
            (Some(ok), None) => format!("result<{}>", text(&ok)),
            (ok, Some(err)) => format!("result<{}, {}>", ok.map_or("_".into(), |ok| text(&ok)), text(&err)),
        },
        Type::Flags(flags) => format!("flags{{{}}}", flags.names().collect::<Vec<_>>().join(", ")),
        Type::Own(resource) => handle("own", resource),
        Type::Borrow(resource) => handle("borrow", resource),
        _ => "?".into(),
    }
}
