# The app with its embedded engine, on a CPU. For vLLM on a GPU beside it: compose.yaml.
#     docker build -t m1app . &&
#     docker run --rm -p 127.0.0.1:7860:7860 -v m1-data:/data -e M1_ADMIN_PASSWORD=... m1app
# M1_ADMIN_PASSWORD makes the first account, admin; a container serves on every address, and needs one to start.
FROM python:3.12-slim-bookworm

LABEL org.opencontainers.image.title="m1app" \
      org.opencontainers.image.description="See a medical reasoning model think: budgets, forced rounds, traces. Research use, not medical advice." \
      org.opencontainers.image.licenses="Apache-2.0"

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# The embedded engine's threads (llama.cpp is built with OpenMP); the slim image has none.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

RUN groupadd --gid 10001 m1 \
    && useradd --uid 10001 --gid m1 --create-home m1 \
    && install -d -o m1 -g m1 /data

WORKDIR /app
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt

# The demo model is part of the image, so that it starts without a network. A new named volume begins as a copy of
# /data; with a folder of the host in its place, the first start downloads the model.
COPY models/ models/
USER 10001:10001
ENV M1_HOME=/data
RUN python -m models.weights.download smollm2-135m --directory /data/models

# The code belongs to root: the app can read it and not change it.
USER 0:0
COPY storage/ storage/
COPY m1app/ m1app/
COPY app.py LICENSE ./
RUN python -m compileall -q app.py m1app models storage

USER 10001:10001
ENV M1_HOST=0.0.0.0 \
    M1_PORT=7860
EXPOSE 7860
VOLUME /data
# Whether the process answers. Whether it is ready is another question: an orchestrator that restarts what is unhealthy
# would interrupt a long download of weights.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"M1_PORT\"]}/healthz/live', timeout=4)"]
CMD ["python", "app.py"]
