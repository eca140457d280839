"""From what is asked for to a bundle that is checked and installed."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import Timeout

from lcclassify.bundle import ModelBundle
from lcclassify.cache import cache_dir
from lcclassify.download.fetch import Fetcher, Found, Progress, require_space
from lcclassify.download.remote import AbsentError, Patience
from lcclassify.download.staging import Staging
from lcclassify.download.trust import Come, LockFile, measure, only_one, set_digest
from lcclassify.download.wanted import Wanted, title
from lcclassify.errors import DownloadError, LcclassifyError, ModelError, OutputError, os_reason
from lcclassify.store import installed_dir, list_models, sound_model


def user_lock() -> LockFile:
    """What this user, or whoever shares the cache, found at the first use of each model."""
    return LockFile(cache_dir() / "downloads.toml")


@dataclass(frozen=True, slots=True)
class How:
    """How a model is fetched, and what must be true of it."""

    patience: Patience = field(default_factory=Patience)
    lock: Path | None = None  # a lock file besides the user's own
    sha256: str | None = None  # the digest of the one file, or of the set
    keep: bool = False  # the files as they came, too
    offline: bool = False

    @property
    def locks(self) -> tuple[LockFile, ...]:
        """Where it is written what was found at first use."""
        return (user_lock(), *([LockFile(self.lock)] if self.lock else []))


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to tell what happens."""

    say: Callable[[str], None]
    fetching: Callable[[int, int], None]  # number of files and bytes, when they are known
    progress: Progress


SILENT = Talk(lambda _: None, lambda *_: None, lambda *_: None)


def at_hand(wanted: Wanted, how: How) -> ModelBundle | None:
    """What is installed of a model, if it is what is asked for; nothing is fetched or written.

    ModelError if it is not what lock files or ``sha256`` say, or was not downloaded at all.
    """
    if wanted.is_found_anew:
        return None
    if wanted.label:
        bundle = sound_model(installed_dir() / wanted.label)
    else:
        bundle = next(
            (m.bundle for m in list_models()[0] if _came(m.bundle).get("asked") == wanted.asked),
            None,
        )
    if bundle is None:
        return None
    came = _came(bundle)
    if not came:
        raise ModelError(
            f"another {bundle.label} is installed, which was not downloaded: {bundle.path}; "
            f"remove it first (lcclassify models remove {bundle.label})"
        )
    digest = came["sha256"]
    known = [lock.digest(wanted.asked) for lock in how.locks]
    fetch_anew = wanted.is_elsewhere and not how.offline  # to compare, or it is not known at all
    if not came["url"].startswith(wanted.urls) and (fetch_anew or digest not in known):
        return None
    if how.keep and not how.offline and not originals(digest).exists():  # fetched for their sake
        return None
    _insist(how, wanted.asked, digest)
    for lock, first in zip(how.locks, known, strict=True):
        if first and first != digest:
            lock.refuse(f"the installed {bundle.label}", digest, first)
    return bundle


def write_lock(wanted: Wanted, how: How, bundle: ModelBundle) -> None:
    """Let the lock file know a model that is ``at_hand``, as if it came only now. OutputError"""
    if how.lock:
        LockFile(how.lock).record_earlier(wanted.asked, _came(bundle)["sha256"], user_lock())


def look(wanted: Wanted, how: How) -> list[Found]:
    """What would be fetched, without fetching it."""
    with Fetcher(how.patience) as fetcher:
        return _look(fetcher, wanted)


def download(wanted: Wanted, how: How, talk: Talk = SILENT) -> ModelBundle:
    """Fetch a model, check it, turn it into a bundle, and install that; once for all processes.

    A run that is killed leaves what it has, and the next one goes on from there. DownloadError if
    it cannot be had, OutputError if it cannot be written, ModelError if it is not what it must be.
    """
    if there := at_hand(wanted, how):
        write_lock(wanted, how, there)
        return there
    if how.offline and not wanted.is_local:
        raise DownloadError(
            f"{wanted.asked} is not in {cache_dir()}, and --offline keeps from fetching it"
        )
    with _alone(wanted, talk):
        if there := at_hand(wanted, how):
            write_lock(wanted, how, there)
            return there
        return _download(wanted, how, talk)


def _download(wanted: Wanted, how: How, talk: Talk) -> ModelBundle:
    staging = Staging(cache_dir() / "partial" / wanted.key, title(wanted))
    with Fetcher(how.patience, talk.say) as fetcher:
        talk.say(f"looking for {wanted.asked}")
        found = _look(fetcher, wanted)
        require_space(cache_dir(), found, staging)
        talk.fetching(len(found), sum(item.remote.size or 0 for item in found))
        try:
            found = fetcher.fetch(found, staging, talk.progress)
        except AbsentError as error:
            raise DownloadError(f"a file of {wanted.asked} is gone: {error}") from None
    talk.say(f"checking {len(found)} files")
    files = _checked(wanted, how, found, staging)
    talk.say("converting, and comparing with the golden rows")
    bundle = _install(wanted, files, staging)
    for lock in () if wanted.is_found_anew else how.locks:
        lock.record(wanted.asked, files)
    if how.keep:
        kept = originals(set_digest(files))
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            staging.whole.rename(kept)
        talk.say(f"the files as they came: {kept}")
    shutil.rmtree(staging.folder, ignore_errors=True)
    return bundle


def originals(digest: str) -> Path:
    """Where the files of a model are kept as they came."""
    return cache_dir() / "originals" / digest


def _look(fetcher: Fetcher, wanted: Wanted) -> list[Found]:
    found = []
    for part in wanted.parts:
        absent = []
        for address in part.addresses:
            try:
                files = fetcher.look(address)
                break
            except AbsentError as error:
                absent.append(str(error))
        else:
            reasons = "; ".join(dict.fromkeys(absent))
            raise DownloadError(f"cannot find {wanted.asked}: {reasons}")
        found += [item._replace(spec=item.spec.within(part.folder)) for item in files]
    return found


def _checked(wanted: Wanted, how: How, found: Sequence[Found], staging: Staging) -> list[Come]:
    """What came, after comparing it with all that is known. ModelError"""
    files = []
    try:
        for item in found:
            path = staging.file(item.spec.name)
            files.append(measure(path, item.spec, item.remote.place))
        _insist(how, wanted.asked, set_digest(files))
        for lock in how.locks:
            lock.check(wanted.asked, files)
    except OSError as error:
        raise OutputError(f"cannot read {error.filename} again: {os_reason(error)}") from None
    except ModelError:
        shutil.rmtree(staging.folder, ignore_errors=True)
        raise
    return files


def _insist(how: How, what: str, digest: str) -> None:
    if how.sha256 and digest != how.sha256.lower():
        raise ModelError(f"{what}: its SHA-256 is {digest}, --sha256 says {how.sha256.lower()}")


def _install(wanted: Wanted, files: Sequence[Come], staging: Staging) -> ModelBundle:
    """Convert what came, let it pass its own golden rows, and put it where its name finds it."""
    from lcclassify.convert import convert
    from lcclassify.predictors.families import open_predictor

    source = staging.whole if len(files) > 1 else staging.file(files[0].name)
    first = files[0].url  # at the top of the model's folder
    place = first if len(files) == 1 else first.rpartition("/")[0] + "/"
    came = {"asked": wanted.asked, "url": place, "sha256": set_digest(files)}
    work = staging.folder / "bundle"
    shutil.rmtree(work, ignore_errors=True)
    about = {**wanted.card, "download": came}
    try:
        made = convert(source, work / "made", name=wanted.name, version=wanted.version, about=about)
    except OutputError:
        raise
    except LcclassifyError as error:
        shutil.rmtree(staging.folder, ignore_errors=True)
        reason = str(error).replace(str(source), place.rstrip("/"))
        raise ModelError(
            f"what was downloaded for {wanted.asked} cannot be used, and was deleted: {reason}"
        ) from None
    open_predictor(made)  # what came stays if this fails: a package may be missing
    path = installed_dir() / made.label
    there = sound_model(path)
    if there is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.path.rename(path)
        except OSError as error:
            raise OutputError(f"cannot write the model {path}: {os_reason(error)}") from None
    elif _came(there).get("sha256") != came["sha256"]:
        raise ModelError(
            f"another {made.label} is installed: {path} came from files with SHA-256 "
            f"{_came(there).get('sha256', 'unknown')}, {place} has {came['sha256']}; remove the "
            f"one there first (lcclassify models remove {made.label})"
        )
    bundle = sound_model(path)
    if bundle is None:
        raise ModelError(f"the model {path} vanished meanwhile")
    return bundle


def _came(bundle: ModelBundle) -> dict[str, str]:
    """From where a model was downloaded; empty if it was not."""
    came = bundle.manifest.get("download")
    keys = ("asked", "url", "sha256")
    if isinstance(came, dict) and all(isinstance(came.get(key), str) for key in keys):
        return came
    return {}


@contextmanager
def _alone(wanted: Wanted, talk: Talk) -> Iterator[None]:
    """Wait until no other process fetches the same model."""
    try:
        lock = only_one(wanted.asked)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            talk.say(f"waiting for another process that fetches {wanted.asked}")
            lock.acquire()
    except OSError as error:
        raise OutputError(
            f"cannot write to the cache {cache_dir()}: {os_reason(error)}; set LCCLASSIFY_CACHE to "
            "a folder of yours"
        ) from None
    try:
        yield
    finally:
        lock.release()
