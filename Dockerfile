# Worker and API are one image: `darkhorses api` by default, any other command instead.
# Everything that pip takes is pinned by its hash, what builds the wheel too.

FROM python:3.12-slim-bookworm AS build

WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/darkhorses \
    && /opt/darkhorses/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
RUN python -m venv /opt/builder \
    && /opt/builder/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
RUN /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
    && /opt/darkhorses/bin/pip install --no-cache-dir --no-deps --no-index --find-links /opt/wheels darkhorses

FROM python:3.12-slim-bookworm

RUN useradd --system --user-group --uid 10001 --create-home --home-dir /var/lib/darkhorses darkhorses
COPY --from=build /opt/darkhorses /opt/darkhorses
ENV PATH=/opt/darkhorses/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8000 \
    DARKHORSES_DATA_DIR=/var/lib/darkhorses \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/darkhorses
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the API; a worker's is `darkhorses status`, as in compose.yaml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=4)"]
ENTRYPOINT ["darkhorses"]
CMD ["api"]
