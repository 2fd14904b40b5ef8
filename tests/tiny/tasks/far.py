def strip_text(text: str) -> str:
    return text.strip()
