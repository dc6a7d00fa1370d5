# One web node. It keeps nothing: the stories are in the Redis or Valkey server that LIVE_REDIS_URL names
# (or, without one, in the embedded server's files under /data).
FROM python:3.13-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY live live
COPY static static
RUN pip install --no-cache-dir . && rm -rf /src \
    && useradd --system --uid 10001 live \
    && install -d -o live /data

WORKDIR /data
USER live
ENV LIVE_HOST=0.0.0.0 LIVE_PORT=8000 LIVE_DATA_DIR=/data
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["live"]
CMD ["serve"]
