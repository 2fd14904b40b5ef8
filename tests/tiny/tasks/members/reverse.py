def change(words: str) -> str:
    return words[::-1]
