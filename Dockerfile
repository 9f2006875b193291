# syntax=docker/dockerfile:1
# The service: aicore-sync and the environments that flows are rendered in, as user 65534, on a read-only root file
# system with one volume. docs/kubernetes.md says how to build and run it.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /build
# The environments have no pip of their own, so that none reaches the last stage. Everything comes from locks with hashes.
COPY deploy/image/service.lock deploy/image/build.lock ./
RUN python -m venv --without-pip /opt/aicore-sync \
 && pip --python /opt/aicore-sync/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes -r service.lock \
 && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r build.lock
COPY . .
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/aicore-sync/bin/python install --no-cache-dir --disable-pip-version-check --no-deps dist/*.whl \
 && python -m compileall -q /opt/aicore-sync/lib

# Each word is an environment, /opt/render/<word>, with what aicore_sync/render/<word>.requirements.txt names. SAP's
# Metaflow plugin is under SAP's licence: --build-arg RENDERERS=native leaves it out.
FROM python:${PYTHON} AS render
WORKDIR /build
ARG RENDERERS="native plugin"
COPY aicore_sync/render/*.requirements.txt ./
RUN mkdir /opt/render \
 && for name in ${RENDERERS}; do \
      python -m venv --without-pip "/opt/render/${name}" \
      && pip --python "/opt/render/${name}/bin/python" install --no-cache-dir --disable-pip-version-check \
           --require-hashes -r "${name}.requirements.txt" \
      && python -m compileall -q "/opt/render/${name}/lib" || exit 1; \
    done

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="aicore-sync" \
      org.opencontainers.image.description="GitOps controller for SAP AI Core" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# Publishing needs git and its ssh, signatures of OpenPGP need gpg. Their versions follow the base image: a pinned one disappears from Debian's mirrors
# with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git openssh-client gpg gpg-agent \
 && rm -rf /var/lib/apt/lists/* \
 && python -m pip uninstall -y --root-user-action=ignore pip \
 && install -d -o 65534 -g 65534 /var/cache/aicore-sync
COPY --from=render /opt/render /opt/render
COPY --from=build /opt/aicore-sync /opt/aicore-sync
# Whatever wants to write somewhere writes to the volume.
ENV PATH=/opt/aicore-sync/bin:$PATH \
    HOME=/var/cache/aicore-sync \
    TMPDIR=/var/cache/aicore-sync \
    XDG_CACHE_HOME=/var/cache/aicore-sync \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65534:65534
WORKDIR /var/cache/aicore-sync
VOLUME /var/cache/aicore-sync
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import sys, urllib.request as u; sys.exit(u.urlopen('http://127.0.0.1:8080/healthz', timeout=2).status != 200)"]
ENTRYPOINT ["aicore-sync"]
CMD ["run", "--config", "/etc/aicore-sync/config.yaml"]
