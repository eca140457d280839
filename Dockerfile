# lcclassify in a container: `stream` unless told otherwise, on the CPU, not as root. See docs/deploy.md
#
#   docker build -t lcclassify .                                        forests
#   docker build -t lcclassify:torch --build-arg EXTRAS=kafka,torch .   Balto and Messi, too
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-trixie AS build
ARG EXTRAS=kafka
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /source
RUN python -m venv /opt/lcclassify
ENV PATH=/opt/lcclassify/bin:$PATH
COPY constraints.txt ./
# Of PyPI, torch comes with CUDA: gigabytes that this image has no use for.
RUN case ",$EXTRAS," in *,torch,*) \
      pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" --constraint constraints.txt torch ;; \
    esac
COPY pyproject.toml README.md LICENSE ./
COPY lcclassify lcclassify
RUN pip install --no-cache-dir --constraint constraints.txt ".[$EXTRAS]" \
 && pip uninstall --yes pip \
 && find /opt/lcclassify -type d -name tests -prune -exec rm -r {} +

FROM python:${PYTHON}-slim-trixie
COPY --from=build /opt/lcclassify /opt/lcclassify
# Any user may run it; the cache is a place for a volume, or nothing but that is lost.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lcclassify \
 && install --directory --mode=1777 /var/cache/lcclassify /data
ENV PATH=/opt/lcclassify/bin:$PATH \
    LCCLASSIFY_CACHE=/var/cache/lcclassify \
    NUMBA_CACHE_DIR=/var/cache/lcclassify/numba \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["lcclassify"]
CMD ["stream"]
