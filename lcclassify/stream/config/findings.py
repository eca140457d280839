"""What is missing and what is wrong, collected so that all of it can be told at once."""

from dataclasses import dataclass, field

from lcclassify.errors import SettingsError
from lcclassify.stream.config.classes import class_meaning
from lcclassify.stream.config.options import table
from lcclassify.stream.config.told import Choice


@dataclass(slots=True)
class Findings:
    """Of one reading of the settings."""

    missing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for the log

    def need(self, choice: Choice, name: str) -> str:
        """A setting; nothing where it is missing, which is noted, or has no meaning."""
        value = choice[name]
        if value in (None, "", ()):
            if name not in choice.refused:
                self.miss(name)
            return ""
        return str(value)

    def miss(self, *names: str) -> None:
        """Note that one of these settings is missing."""
        self.missing.append(" or ".join(table().options[name].ways for name in names))

    def meaning(self, choice: Choice, name: str, kinds: tuple[str, ...]) -> str | None:
        """What a class stands for; None if none was told, or if it is unknown, which is noted."""
        dotted = choice[name]
        if not dotted:
            return None
        try:
            return class_meaning(kinds, dotted)
        except ValueError as error:
            sentence = f"{table().options[name].ways}: {error}"
            if sentence not in self.problems:
                self.problems.append(sentence)
            return None

    def raise_all(self) -> None:
        """SettingsError with everything, if there is anything."""
        missing = [f"missing: {'; '.join(self.missing)}"] if self.missing else []
        if sentences := [*missing, *self.problems]:
            raise SettingsError(". ".join(sentences))
