# vLLM's router (deploy/compose.replicas.yaml, deploy/kubernetes). Built with the lock files around it:
#     docker build -f deploy/router.Dockerfile -t m1app-router:built-here requirements
FROM python:3.12-slim-bookworm

COPY router.txt /tmp/router.txt
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/router.txt && rm /tmp/router.txt \
    && useradd --uid 10001 --no-create-home router

USER 10001
EXPOSE 8000
ENTRYPOINT ["vllm-router"]
