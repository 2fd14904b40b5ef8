from tasks.far import strip_text


def tidy_text(text: str) -> str:
    return strip_text(text) + "\n"
