"""Operations on content, for any store: walking, copying, converting."""
