# The service for a team, built from this checkout: docker build -t cleanlist-mcp .
# It runs as user 10001 and writes nothing but the journal below: start it with --read-only --tmpfs /tmp.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY cleanlist_mcp cleanlist_mcp
RUN python -m venv /opt/cleanlist-mcp \
    && /opt/cleanlist-mcp/bin/python -m pip install --no-cache-dir '.[team]'

FROM python:3.13-slim
COPY --from=build /opt/cleanlist-mcp /opt/cleanlist-mcp
# Without a PostgreSQL database the journal of runs lies here: mount a volume that lasts, which user 10001 may write.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/cleanlist-mcp
ENV PATH=/opt/cleanlist-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CLEANLIST_STATE_DIR=/var/lib/cleanlist-mcp
USER 10001:10001
EXPOSE 8000
# The service answers only under the names that it was given.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; host = os.environ.get('CLEANLIST_ALLOWED_HOSTS', '').split(',')[0].strip() or '127.0.0.1:8000'; web.urlopen(web.Request('http://127.0.0.1:8000/healthz', headers={'Host': host}), timeout=2)"]
# A call lasts up to 50 seconds, and the end waits for it: docker stop --time 60.
ENTRYPOINT ["cleanlist-mcp"]
CMD ["serve", "--http", "--host", "0.0.0.0", "--port", "8000"]
