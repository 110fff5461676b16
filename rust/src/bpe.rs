//! Byte-level BPE from plain lists: the same ids as the library's own model gives, whose tables of owned texts take
//! most of a program's start to build. Here one copy of the texts and two hash tables are all there is.
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use ahash::{AHashMap, RandomState};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tokenizers::Token;

/// Texts one after another, found by their number and, those that were given an id, by themselves.
struct Texts {
    bytes: String,
    ends: Vec<usize>,
    ids: HashTable<u32>,
    hasher: RandomState,
}

fn part<'a>(bytes: &'a str, ends: &[usize], id: u32) -> Option<&'a str> {
    let at = id as usize;
    let begin = if at == 0 { 0 } else { *ends.get(at - 1)? };
    bytes.get(begin..*ends.get(at)?)
}

impl Texts {
    /// `wanted`: which are found by their text; of equal ones the last.
    fn new(list: &[&str], wanted: impl Fn(usize) -> bool) -> Self {
        let mut texts = Texts {
            bytes: list.concat(),
            ends: Vec::with_capacity(list.len()),
            ids: HashTable::with_capacity(list.len()),
            hasher: RandomState::new(),
        };
        let mut end = 0;
        for text in list {
            end += text.len();
            texts.ends.push(end);
        }
        let (bytes, ends, hasher) = (&texts.bytes, &texts.ends, &texts.hasher);
        let hash_of = |id: &u32| hasher.hash_one(part(bytes, ends, *id).unwrap_or_default());
        for (at, text) in list.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let same = |id: &u32| part(bytes, ends, *id) == Some(*text);
            match texts.ids.entry(hasher.hash_one(*text), same, hash_of) {
                Entry::Occupied(mut known) => *known.get_mut() = at as u32,
                Entry::Vacant(place) => drop(place.insert(at as u32)),
            }
        }
        texts
    }

    fn text(&self, id: u32) -> Option<&str> {
        part(&self.bytes, &self.ends, id)
    }

    fn character(&self, c: char) -> Option<u32> {
        self.id(c.encode_utf8(&mut [0; 4]))
    }

    fn id(&self, text: &str) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(text), |id| self.text(*id) == Some(text)).copied()
    }
}

#[derive(Clone, Copy)]
struct Merge {
    rank: u32,
    id: u32,
}

/// A character or what became of it and its neighbours; `size` 0: it went into the one before it.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    size: usize,
    before: usize,
    after: usize,
}
const NONE: usize = usize::MAX;
const ALPHABET: u32 = 0x180;

pub struct Bpe {
    texts: Texts,
    characters: Vec<Option<u32>>, // tokens of the first characters: the byte-level alphabet is among them
    merges: AHashMap<(u32, u32), Merge>,
    ignore_merges: bool,
}

impl Bpe {
    pub fn new(
        tokens: &[&str],
        plain: impl Fn(usize) -> bool,
        merges: &[&str],
        ignore_merges: bool,
    ) -> Result<Self, String> {
        let texts = Texts::new(tokens, plain);
        let mut map = AHashMap::with_capacity(merges.len());
        let mut sum = String::new();
        for (rank, line) in merges.iter().enumerate() {
            let (left, right) =
                line.split_once(' ').ok_or_else(|| format!("merge; got {line:?}, need two tokens"))?;
            sum.clear();
            sum.push_str(left);
            sum.push_str(right);
            let id = |text: &str| {
                texts.id(text).ok_or_else(|| format!("merge; got {line:?}, need {text:?} to be a token"))
            };
            map.insert((id(left)?, id(right)?), Merge { rank: rank as u32, id: id(&sum)? });
        }
        let characters = (0..ALPHABET).map(|c| texts.character(char::from_u32(c)?)).collect();
        Ok(Bpe { texts, characters, merges: map, ignore_merges })
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.texts.id(token)
    }
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.texts.text(id).map(str::to_string)
    }
    pub fn vocabulary(&self) -> HashMap<String, u32> {
        self.texts.ids.iter().filter_map(|&id| Some((self.id_to_token(id)?, id))).collect()
    }
    pub fn vocabulary_size(&self) -> usize {
        self.texts.ids.len()
    }

    /// Characters without a token are left out.
    pub fn tokenize(&self, piece: &str) -> Vec<Token> {
        if self.ignore_merges
            && !piece.is_empty()
            && let Some(id) = self.texts.id(piece)
        {
            return vec![Token::new(id, piece.to_string(), (0, piece.len()))];
        }
        let mut symbols = Vec::<Symbol>::with_capacity(piece.len());
        for c in piece.chars() {
            let known = self.characters.get(c as usize).copied();
            if let Some(id) = known.unwrap_or_else(|| self.texts.character(c)) {
                let at = symbols.len();
                symbols.push(Symbol { id, size: c.len_utf8(), before: at.wrapping_sub(1), after: at + 1 });
            }
        }
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        self.merge(&mut symbols);
        let mut begin = 0;
        symbols
            .iter()
            .filter(|symbol| symbol.size > 0)
            .map(|symbol| {
                let end = begin + symbol.size;
                let token = Token::new(symbol.id, self.id_to_token(symbol.id).unwrap_or_default(), (begin, end));
                begin = end;
                token
            })
            .collect()
    }

    /// The best pair first, of equal ones the first, until no two neighbours are a pair.
    fn merge(&self, symbols: &mut [Symbol]) {
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        let find = |symbols: &[Symbol], left: usize, right: usize| {
            self.merges.get(&(symbols[left].id, symbols[right].id)).map(|merge| Reverse((merge.rank, left, merge.id)))
        };
        queue.extend((1..symbols.len()).filter_map(|at| find(symbols, at - 1, at)));
        while let Some(Reverse((_, left, id))) = queue.pop() {
            let right = symbols[left].after;
            // An entry is old when its pair has changed since.
            if symbols[left].size == 0 || right == NONE || find(symbols, left, right).is_none_or(|now| now.0.2 != id) {
                continue;
            }
            let gone = std::mem::replace(&mut symbols[right].size, 0);
            symbols[left].id = id;
            symbols[left].size += gone;
            let after = symbols[right].after;
            symbols[left].after = after;
            if after != NONE {
                symbols[after].before = left;
                queue.extend(find(symbols, left, after));
            }
            if symbols[left].before != NONE {
                queue.extend(find(symbols, symbols[left].before, left));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::Model;
    use tokenizers::models::bpe::BPE;

    fn ids(tokens: Vec<Token>) -> Vec<u32> {
        tokens.iter().map(|token| token.id).collect()
    }

    /// A few letters and merges at random, against the library's model.
    #[test]
    fn same_as_the_library() {
        let mut state = 1u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for round in 0..300 {
            let mut tokens: Vec<String> = ["a", "b", "c", "ä", "Ġ"].map(str::to_string).to_vec();
            let mut merges = Vec::new();
            for _ in 0..random(40) {
                let (left, right) = (tokens[random(tokens.len())].clone(), tokens[random(tokens.len())].clone());
                let sum = format!("{left}{right}");
                if !tokens.contains(&sum) && sum.len() < 20 {
                    tokens.push(sum);
                } else if sum.len() >= 20 {
                    continue;
                }
                merges.push((left, right));
            }
            let vocab = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
            let theirs =
                BPE::builder().vocab_and_merges::<tokenizers::models::bpe::Vocab, _>(vocab, merges.clone()).ignore_merges(round % 2 == 0).build().unwrap();
            let lines: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
            let ours = Bpe::new(
                &tokens.iter().map(String::as_str).collect::<Vec<_>>(),
                |_| true,
                &lines.iter().map(String::as_str).collect::<Vec<_>>(),
                round % 2 == 0,
            )
            .unwrap();
            for _ in 0..30 {
                let text: String = (0..random(60)).map(|_| ["a", "b", "c", "ä", "Ġ", "x"][random(6)]).collect();
                let (got, want) = (ours.tokenize(&text), theirs.tokenize(&text).unwrap());
                assert_eq!(ids(got), ids(want), "{text:?} by {merges:?}");
            }
        }
    }
}
