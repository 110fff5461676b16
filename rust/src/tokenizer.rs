//! See include/hearth_tokenizer.h.
use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokenizers::models::{TrainerWrapper, bpe::BpeTrainer};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::{byte_level::ByteLevel, sequence::Sequence, split::Split, split::SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper,
    SplitDelimiterBehavior, Token, TokenizerImpl,
};

use crate::bpe::Bpe;
use crate::budget::{Budget, within};
use crate::face::{Sink, bounded, guarded, slice, text};

enum Base {
    Json(tokenizers::Tokenizer),
    Lists(Bpe),
}

/// One model behind two tokenizers, which differ in the added tokens they look for.
struct SharedModel {
    base: Arc<Base>,
    added: Arc<HashMap<String, u32>>,
}

impl Model for SharedModel {
    type Trainer = TrainerWrapper;
    fn tokenize(&self, sequence: &str) -> tokenizers::Result<Vec<Token>> {
        match &*self.base {
            Base::Json(json) => json.get_model().tokenize(sequence),
            Base::Lists(bpe) => Ok(bpe.tokenize(sequence)),
        }
    }
    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.added.get(token).copied().or_else(|| match &*self.base {
            Base::Json(json) => json.get_model().token_to_id(token),
            Base::Lists(bpe) => bpe.token_to_id(token),
        })
    }
    fn id_to_token(&self, id: u32) -> Option<String> {
        match &*self.base {
            Base::Json(json) => json.get_model().id_to_token(id),
            Base::Lists(bpe) => bpe.id_to_token(id),
        }
    }
    fn get_vocab(&self) -> HashMap<String, u32> {
        match &*self.base {
            Base::Json(json) => json.get_model().get_vocab(),
            Base::Lists(bpe) => bpe.vocabulary(),
        }
    }
    fn get_vocab_size(&self) -> usize {
        match &*self.base {
            Base::Json(json) => json.get_model().get_vocab_size(),
            Base::Lists(bpe) => bpe.vocabulary_size(),
        }
    }
    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match &*self.base {
            Base::Json(json) => json.get_model().save(folder, prefix),
            Base::Lists(_) => Err("a tokenizer made from lists is not saved".into()),
        }
    }
    fn get_trainer(&self) -> TrainerWrapper {
        match &*self.base {
            Base::Json(json) => json.get_model().get_trainer(),
            Base::Lists(_) => BpeTrainer::default().into(),
        }
    }
}

/// A clone of the library's own would compile its regular expressions again.
#[derive(Clone)]
struct SharedPreTokenizer(Arc<PreTokenizerWrapper>);

impl PreTokenizer for SharedPreTokenizer {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        self.0.pre_tokenize(text)
    }
}

type Inner = TokenizerImpl<SharedModel, NormalizerWrapper, SharedPreTokenizer, PostProcessorWrapper, DecoderWrapper>;

pub struct HearthTokenizer {
    with_special: Inner,
    without_special: Inner,
}

impl HearthTokenizer {
    fn new(
        base: Base,
        added: Vec<(u32, AddedToken)>,
        normalizer: Option<NormalizerWrapper>,
        pre_tokenizer: Option<PreTokenizerWrapper>,
    ) -> Self {
        let base = Arc::new(base);
        let pre_tokenizer = pre_tokenizer.map(|shared| SharedPreTokenizer(Arc::new(shared)));
        let ids = Arc::new(added.iter().map(|(id, token)| (token.content.clone(), *id)).collect::<HashMap<_, _>>());
        let make = |keep_special: bool| {
            let mut inner = Inner::new(SharedModel { base: base.clone(), added: ids.clone() });
            inner.with_normalizer(normalizer.clone());
            inner.with_pre_tokenizer(pre_tokenizer.clone());
            let tokens: Vec<_> = added
                .iter()
                .filter(|(_, token)| !token.content.is_empty() && (keep_special || !token.special))
                .map(|(_, token)| token.clone())
                .collect();
            inner.add_tokens(&tokens);
            inner
        };
        HearthTokenizer { with_special: make(true), without_special: make(false) }
    }

    fn json(&self) -> Result<&tokenizers::Tokenizer, String> {
        match &*self.with_special.get_model().base {
            Base::Json(tokenizer) => Ok(tokenizer),
            Base::Lists(_) => Err("this tokenizer was made from lists".to_string()),
        }
    }
}

#[repr(C)]
pub struct Words {
    bytes: *const c_char,
    ends: *const usize,
    count: usize,
}

impl Words {
    unsafe fn list<'a>(&self) -> Result<Vec<&'a str>, String> {
        let ends = unsafe { slice(self.ends, self.count) };
        let all = unsafe { text(self.bytes, ends.last().copied().unwrap_or(0)) }?;
        let mut begin = 0;
        ends.iter()
            .map(|&end| {
                let word = all.get(begin..end).ok_or_else(|| format!("a text ends inside a character at {end}"));
                begin = end;
                word
            })
            .collect()
    }
}

#[repr(C)]
pub struct Lists {
    tokens: Words,
    kinds: *const u8,
    merges: Words,
    splits: Words,
    ignore_merges: bool,
    nfc: bool,
}

const PLAIN: u8 = 0;
const ADDED: u8 = 1;
const SPECIAL: u8 = 2;

unsafe fn from_lists(parts: &Lists) -> Result<HearthTokenizer, String> {
    let tokens = unsafe { parts.tokens.list() }?;
    let kinds = unsafe { slice(parts.kinds, tokens.len()) };
    let added = tokens
        .iter()
        .zip(kinds)
        .enumerate()
        .filter(|(_, (_, kind))| **kind == ADDED || **kind == SPECIAL)
        .map(|(id, (token, kind))| (id as u32, AddedToken::from(*token, *kind == SPECIAL).normalized(false)))
        .collect();
    let merges = unsafe { parts.merges.list() }?;
    let bpe = Bpe::new(&tokens, |id| kinds[id] == PLAIN || kinds[id] == ADDED, &merges, parts.ignore_merges)?;
    let mut steps = Vec::<PreTokenizerWrapper>::new();
    for pattern in unsafe { parts.splits.list() }? {
        let pattern = SplitPattern::Regex(pattern.to_string());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        steps.push(split.map_err(|error| error.to_string())?.into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    let normalizer = parts.nfc.then(|| NFC.into());
    Ok(HearthTokenizer::new(Base::Lists(bpe), added, normalizer, Some(Sequence::new(steps).into())))
}

/// # Safety
/// As include/hearth_tokenizer.h says of each argument; so for the other entry points.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_from_json(
    json: *const c_char,
    size: usize,
    budget: Budget,
    out: *mut *mut HearthTokenizer,
) -> *mut c_char {
    guarded(|| {
        let bytes = unsafe { slice(json.cast::<u8>(), size) };
        let tokenizer = bounded(budget, || {
            let base = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
            let mut added: Vec<_> = base.get_added_tokens_decoder().into_iter().collect();
            added.sort_by_key(|(id, _)| *id);
            let (normalizer, pre_tokenizer) = (base.get_normalizer().cloned(), base.get_pre_tokenizer().cloned());
            Ok(HearthTokenizer::new(Base::Json(base), added, normalizer, pre_tokenizer))
        })?;
        unsafe { *out = Box::into_raw(Box::new(tokenizer)) };
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_from_bpe(parts: *const Lists, out: *mut *mut HearthTokenizer) -> *mut c_char {
    guarded(|| {
        let tokenizer = unsafe { from_lists(&*parts) }?;
        unsafe { *out = Box::into_raw(Box::new(tokenizer)) };
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_free(tokenizer: *mut HearthTokenizer) {
    if !tokenizer.is_null() {
        drop(unsafe { Box::from_raw(tokenizer) });
    }
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_encode(
    tokenizer: *const HearthTokenizer,
    bytes: *const c_char,
    size: usize,
    parse_special: bool,
    template_tokens: bool,
    budget: Budget,
    ids: Sink,
) -> *mut c_char {
    guarded(|| {
        let tokenizer = unsafe { &*tokenizer };
        let input = unsafe { text(bytes, size) }?;
        let encoding = within(budget, || {
            let encoding = if template_tokens {
                tokenizer.json()?.encode_fast(input, true)
            } else if parse_special {
                tokenizer.with_special.encode_fast(input, false)
            } else {
                tokenizer.without_special.encode_fast(input, false)
            };
            encoding.map_err(|error| error.to_string())
        })?;
        ids.write(encoding.get_ids());
        Ok(())
    })
}

type EachToken = extern "C" fn(*mut c_void, u32, *const c_char, usize, u8);

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_vocabulary(
    tokenizer: *const HearthTokenizer,
    context: *mut c_void,
    each: EachToken,
) -> *mut c_char {
    guarded(|| {
        let json = unsafe { &*tokenizer }.json()?;
        let added = json.get_added_tokens_decoder();
        for (token, id) in json.get_vocab(false) {
            if !added.contains_key(&id) {
                each(context, id, token.as_ptr().cast(), token.len(), PLAIN);
            }
        }
        for (id, token) in added {
            let kind = if token.special { SPECIAL } else { ADDED };
            each(context, id, token.content.as_ptr().cast(), token.content.len(), kind);
        }
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_tokenizer_describe(tokenizer: *const HearthTokenizer, out: Sink) -> *mut c_char {
    guarded(|| {
        let tokenizer = unsafe { &*tokenizer }.json()?;
        let value = |part: Result<Value, serde_json::Error>| part.map_err(|error| error.to_string());
        let description = json!({
            "normalizer": value(serde_json::to_value(tokenizer.get_normalizer()))?,
            "pre_tokenizer": value(serde_json::to_value(tokenizer.get_pre_tokenizer()))?,
            "decoder": value(serde_json::to_value(tokenizer.get_decoder()))?,
        });
        out.write(description.to_string().as_bytes());
        Ok(())
    })
}
