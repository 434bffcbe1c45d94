"""A classifier small enough to be built on the spot: random weights, a few words of vocabulary."""

from __future__ import annotations

from pathlib import Path

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "profit",
    "loss",
    "up",
    "down",
    "the",
    "shares",
    "of",
    "a",
    "##s",
]
LABELS = ("positive", "negative", "neutral")


def save_tiny_bert(
    folder: Path, *, labels: tuple[str, ...] = LABELS, safe: bool = True, seed: int = 0
) -> Path:
    """Write config, tokenizer and weights of a two-layer BERT and return the folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={label: place for place, label in enumerate(LABELS)},
        initializer_range=0.5,
    )
    model = BertForSequenceClassification(config)
    if safe:
        model.save_pretrained(folder)
    else:
        config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder
