# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/e2a
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
# The versions that were tested. Their hashes would be asked of this project too, which has none.
RUN sed -e '/^ *--hash/d' -e 's/ *\\$//' constraints.txt > versions.txt \
 && /opt/e2a/bin/pip install --constraint versions.txt ".[postgresql]"

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="e2a" \
      org.opencontainers.image.description="Authenticated email for AI agents" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/Mnexa-AI/e2a-mcp" \
      io.modelcontextprotocol.server.name="io.github.Mnexa-AI/e2a-mcp"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/e2a e2a \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/e2a
COPY --from=build /opt/e2a /opt/e2a
ENV PATH=/opt/e2a/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    E2A_HOME=/var/lib/e2a E2A_SMTP_LISTEN=0.0.0.0:2525 E2A_HTTP_LISTEN=0.0.0.0:8080
USER 10001:10001
VOLUME ["/var/lib/e2a"]
EXPOSE 2525 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["e2a"]
CMD ["serve"]
