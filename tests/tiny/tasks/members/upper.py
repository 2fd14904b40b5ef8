def change(words: str) -> str:
    return words.upper()
