FROM registry.example/python-with-libpq
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /code
COPY deps /deps
ENV PYTHONPATH=/deps
COPY . .
COPY public ./static
CMD ["gunicorn", "app:app"]
