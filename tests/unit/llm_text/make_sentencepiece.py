"""Writes sentencepiece.json: a small SentencePiece BPE model trained on this repository's own headers, and what the
sentencepiece package makes of some texts. Run from the repository root: python make_sentencepiece.py (needs the
package `sentencepiece`)."""
import glob
import io
import json
import random

import sentencepiece as spm

corpus = [line for path in sorted(glob.glob("src/*/*.h")) for line in open(path, encoding="utf-8")]
trained = io.BytesIO()
spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=trained, model_type="bpe", vocab_size=700,
                               byte_fallback=True, character_coverage=0.999, normalization_rule_name="identity",
                               remove_extra_whitespaces=False, add_dummy_prefix=True, user_defined_symbols=["[USER]"],
                               num_threads=1, minloglevel=2)
processor = spm.SentencePieceProcessor(model_proto=trained.getvalue())


def kind(i):
    if processor.is_unknown(i):
        return 2
    if processor.is_control(i):
        return 3
    if processor.is_byte(i):
        return 6
    return 4 if processor.id_to_piece(i) == "[USER]" else 1


random.seed(1)
words = " ".join(corpus).split()
texts = ["Hello world", " leading", "two  blanks   three", "trailing ", "größe 中文 🙂", "a\nb\n\nc\td", "tokenizer[USER]model",
         "aaaaaaaaaaaaaaaaaaaaa", "The quick brown fox", "▁already▁marked"]
texts += [" ".join(random.choices(words, k=12)) for _ in range(20)]
texts += ["".join(random.choices("etaoin shr(){};:_\n", k=60)) for _ in range(20)]
json.dump({"tokens": [processor.id_to_piece(i) for i in range(len(processor))],
           "scores": [processor.get_score(i) for i in range(len(processor))],
           "types": [kind(i) for i in range(len(processor))],
           "cases": [{"text": text, "ids": processor.encode(text)} for text in texts]},
          open("tests/unit/llm_text/sentencepiece.json", "w", encoding="utf-8"), ensure_ascii=False, indent=None,
          separators=(",", ":"))
