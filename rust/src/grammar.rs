//! See include/hearth_grammar.h.
use std::ffi::c_char;
use std::sync::Arc;

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use crate::budget::Budget;
use crate::face::{Sink, bounded, guarded, slice, text};

pub struct HearthTokenTree {
    factory: ParserFactory,
    stops: Arc<Vec<u32>>,
    special: Arc<Vec<u32>>, // without the stops
}

pub struct HearthMatcher {
    matcher: Matcher,
    fresh: Matcher,
    stops: Arc<Vec<u32>>,
    special: Arc<Vec<u32>>,
    /// Stop tokens accepted after the grammar had ended by itself.
    extra_stops: usize,
}

/// What a tree of tokens can hold: longer tokens never match.
const MAX_TOKEN_BYTES: usize = 1000;

fn limits() -> ParserLimits {
    ParserLimits { verbose_errors: false, ..ParserLimits::default() }
}

/// The library's errors go on with states and backtraces for its developers.
fn plain(error: impl std::fmt::Display) -> String {
    let text = error.to_string();
    let end = ["\n<state>", "\n<non-verbose/>", "\n<backtrace>"].iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())].trim_end().to_string()
}

#[repr(C)]
pub struct TokenTreeParts {
    bytes: *const u8,
    ends: *const usize,
    count: usize,
    special: *const u8,
    stops: *const u32,
    stop_count: usize,
}

unsafe fn plant(parts: &TokenTreeParts) -> Result<HearthTokenTree, String> {
    let ends = unsafe { slice(parts.ends, parts.count) };
    let bytes = unsafe { slice(parts.bytes, ends.last().copied().unwrap_or(0)) };
    let special = unsafe { slice(parts.special, parts.count) };
    let stops = unsafe { slice(parts.stops, parts.stop_count) };
    let first_stop = *stops.first().ok_or("the tokenizer names no token that ends a text")?;
    let mut begin = 0;
    let mut words = Vec::with_capacity(ends.len());
    for (&end, &special) in ends.iter().zip(special) {
        let word = &bytes[begin..end];
        begin = end;
        words.push(match (word.len() <= MAX_TOKEN_BYTES, special != 0, word.first()) {
            (true, true, Some(_)) => [&[TokTrie::SPECIAL_TOKEN_MARKER], word].concat(),
            // The marker itself never begins UTF-8 text, so no grammar needs such a token.
            (true, false, Some(&first)) if first != TokTrie::SPECIAL_TOKEN_MARKER => word.to_vec(),
            _ => Vec::new(),
        });
    }
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, first_stop), &words).with_eos_tokens(stops);
    let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let capabilities = InferenceCapabilities::default();
    let slices = llguidance::earley::SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&environment, capabilities, &slices).map_err(plain)?;
    factory.quiet();
    *factory.limits_mut() = limits();
    let special = (0..special.len() as u32).filter(|id| special[*id as usize] != 0 && !stops.contains(id)).collect();
    Ok(HearthTokenTree { factory, stops: Arc::new(stops.to_vec()), special: Arc::new(special) })
}

fn parse(kind: i32, text: &str) -> Result<TopLevelGrammar, String> {
    match kind {
        0 => Ok(TopLevelGrammar::from_json_schema(serde_json::from_str(text).map_err(plain)?)),
        1 => Ok(TopLevelGrammar::from_regex(text)),
        2 => Ok(TopLevelGrammar::from_lark(text.to_string())),
        _ => Err(format!("grammar kind; got {kind}, need 0, 1 or 2")),
    }
}

/// # Safety
/// As include/hearth_grammar.h says of each argument; so for the other entry points.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_token_tree_create(
    parts: *const TokenTreeParts,
    out: *mut *mut HearthTokenTree,
) -> *mut c_char {
    guarded(|| {
        let tree = unsafe { plant(&*parts) }?;
        unsafe { *out = Box::into_raw(Box::new(tree)) };
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_token_tree_free(tree: *mut HearthTokenTree) {
    if !tree.is_null() {
        drop(unsafe { Box::from_raw(tree) });
    }
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_grammar_check(
    kind: i32,
    bytes: *const c_char,
    size: usize,
    budget: Budget,
) -> *mut c_char {
    guarded(|| {
        let source = unsafe { text(bytes, size) }?;
        bounded(budget, || {
            let grammar = GrammarInit::Serialized(parse(kind, source)?);
            grammar.validate(None, limits()).into_error().map_or(Ok(()), |error| Err(plain(error)))
        })
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_create(
    tree: *const HearthTokenTree,
    kind: i32,
    bytes: *const c_char,
    size: usize,
    budget: Budget,
    out: *mut *mut HearthMatcher,
) -> *mut c_char {
    guarded(|| {
        let tree = unsafe { &*tree };
        let source = unsafe { text(bytes, size) }?;
        let fresh = bounded(budget, || {
            let matcher = Matcher::new(tree.factory.create_parser(parse(kind, source)?));
            matcher.get_error().map_or(Ok(matcher), |error| Err(plain(error)))
        })?;
        let matcher = fresh.deep_clone();
        let made = HearthMatcher {
            matcher,
            fresh,
            stops: tree.stops.clone(),
            special: tree.special.clone(),
            extra_stops: 0,
        };
        unsafe { *out = Box::into_raw(Box::new(made)) };
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_free(matcher: *mut HearthMatcher) {
    if !matcher.is_null() {
        drop(unsafe { Box::from_raw(matcher) });
    }
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_fork(matcher: *const HearthMatcher) -> *mut HearthMatcher {
    let from = unsafe { &*matcher };
    let mut forked = std::ptr::null_mut();
    let failed = guarded(|| {
        forked = Box::into_raw(Box::new(HearthMatcher {
            matcher: from.matcher.deep_clone(),
            fresh: from.fresh.deep_clone(),
            stops: from.stops.clone(),
            special: from.special.clone(),
            extra_stops: from.extra_stops,
        }));
        Ok(())
    });
    unsafe { crate::face::hearth_text_free(failed) };
    forked
}

impl HearthMatcher {
    fn mask(&mut self) -> Result<Vec<u32>, String> {
        let count = self.matcher.tok_env().map_err(plain)?.tok_trie().vocab_size().div_ceil(32);
        let mut mask = self.matcher.compute_mask_or_eos().map_err(plain)?;
        // The byte that marks special tokens is one byte among others for the complement of a terminal, so the library
        // lets them through where it then does not take them.
        for &token in self.special.iter() {
            if mask.is_allowed(token) && self.matcher.validate_tokens(&[token]).map_err(plain)? == 0 {
                mask.disallow_token(token);
            }
        }
        Ok(mask.as_slice()[..count].to_vec())
    }

    fn accept(&mut self, tokens: &[u32]) -> Result<(), String> {
        let vocabulary = self.matcher.tok_env().map_err(plain)?.tok_trie().vocab_size();
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(format!("token id; got {token}, need less than {vocabulary}"));
        }
        let mut accepted = 0;
        if !self.matcher.is_stopped() {
            accepted = self.matcher.try_consume_tokens(tokens).map_err(plain)?;
        }
        let rest = &tokens[accepted..];
        if rest.is_empty() {
            return Ok(());
        }
        let ended = self.matcher.is_stopped() && !self.matcher.is_error();
        if ended && rest.iter().all(|token| self.stops.contains(token)) {
            self.extra_stops += rest.len();
            return Ok(());
        }
        self.matcher.rollback(accepted).map_err(plain)?;
        Err(format!("token {} (number {accepted} of {}) does not fit the grammar here", rest[0], tokens.len()))
    }

    fn rollback(&mut self, tokens: usize) -> Result<(), String> {
        let extra = tokens.min(self.extra_stops);
        self.matcher.rollback(tokens - extra).map_err(plain)?;
        self.extra_stops -= extra;
        Ok(())
    }
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_accept(
    matcher: *mut HearthMatcher,
    tokens: *const u32,
    count: usize,
) -> *mut c_char {
    guarded(|| unsafe { &mut *matcher }.accept(unsafe { slice(tokens, count) }))
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_mask(matcher: *mut HearthMatcher, words: Sink) -> *mut c_char {
    guarded(|| {
        words.write(&unsafe { &mut *matcher }.mask()?);
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_terminated(matcher: *const HearthMatcher) -> bool {
    unsafe { &*matcher }.matcher.is_stopped()
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_reset(matcher: *mut HearthMatcher) -> *mut c_char {
    guarded(|| {
        let matcher = unsafe { &mut *matcher };
        matcher.matcher = matcher.fresh.deep_clone();
        matcher.extra_stops = 0;
        Ok(())
    })
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_rollback(matcher: *mut HearthMatcher, tokens: usize) -> *mut c_char {
    guarded(|| unsafe { &mut *matcher }.rollback(tokens))
}

/// # Safety
/// See above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hearth_matcher_forced(matcher: *mut HearthMatcher, bytes: Sink) -> *mut c_char {
    guarded(|| {
        let matcher = unsafe { &mut *matcher };
        if !matcher.matcher.is_stopped() {
            bytes.write(&matcher.matcher.compute_ff_bytes());
        }
        Ok(())
    })
}
