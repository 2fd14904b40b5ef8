"""A tiny random model as a local Hugging Face folder, made by transformers' own classes: nothing is fetched."""

from pathlib import Path

from tests.tasks.text.toys import WORDS

LONGEST = 40


def make_folder(folder: Path) -> Path:
    """Write config, tokenizer and random weights of a BERT with one layer of 16 numbers that reads 40 tokens."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    cutter = BertWordPieceTokenizer(lowercase=True)
    cutter.train_from_iterator([" ".join(WORDS[2:])], vocab_size=100, min_frequency=1, show_progress=False)
    first, last = ((mark, cutter.token_to_id(mark)) for mark in ("[CLS]", "[SEP]"))
    cutter._tokenizer.post_processor = BertProcessing(last, first)
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=cutter._tokenizer, model_max_length=LONGEST, **marks)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(fast), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=LONGEST, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder
