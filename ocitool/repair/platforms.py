"""Evidence of an image's platform: its words and its programs, and what to believe where they differ.

A platform is changed only where a program confirms it, or where nothing speaks against the one word there
is. Everything else is for a human (K004, K007, K008, K010).
"""

from typing import Final

from ocitool.binaries.compatibility import Misfit
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.check.programs import judged, speaking
from ocitool.check.rules.index import agree
from ocitool.model.platform import ARM_DEFAULT, Platform
from ocitool.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class PlatformEvidence:
    """What the index entry and the config ought to say; None leaves it. `open` is what a human decides.

    `rule` is the id of the rule that finds the present state wrong.
    """

    entry: Platform | None = None
    config: Platform | None = None
    open: str = ""
    rule: str = ""


RIGHT: Final = PlatformEvidence()
"""Both say what they ought to."""


def verdict(inspection: Inspection, image: InspectedImage, *, without_proof: bool = False) -> PlatformEvidence:
    """What to believe of one image in the index; `without_proof` believes the config where no program speaks."""
    said = image.said.canonical() if image.said is not None else None
    own = image.config.platform.canonical() if image.config is not None else None
    if own is None:
        return RIGHT
    if not own.is_whole:
        known = said if said is not None and said.is_known else None
        return _blank_config(inspection, image, known, without_proof=without_proof)
    if said is None or said.is_unknown:
        if _speaks(inspection, image, own) is False:
            return _belied(inspection, image, own)
        return PlatformEvidence(
            entry=own, rule="index/missing-platform" if said is None else "index/wrong-platform"
        )
    if agree(said, own):
        if not said.is_whole:
            return _half(inspection, image, said, own)
        return _named(inspection, image, said, own, without_proof=without_proof)
    for_said, for_own = _speaks(inspection, image, said), _speaks(inspection, image, own)
    if for_own and not for_said:
        return PlatformEvidence(entry=own, rule="index/wrong-platform")
    if for_said and not for_own:
        really = said if said.is_known else _programs_platform(inspection, image)
        if really is not None:
            return PlatformEvidence(entry=_unless_said(image, really), config=really, rule="index/wrong-platform")
    if for_own is None and for_said is None and without_proof:
        return PlatformEvidence(entry=own, rule="index/wrong-platform")
    return PlatformEvidence(
        open=f"the entry says {said}, the config {own}, and no program decides; "
        f"--without-proof believes the config, {_annotate(image)} sets the entry"
    )


def _blank_config(
    inspection: Inspection, image: InspectedImage, said: Platform | None, *, without_proof: bool
) -> PlatformEvidence:
    if said is None:
        return _unnamed(inspection, image)
    speaks = _speaks(inspection, image, said)
    if speaks or (speaks is None and without_proof):
        return PlatformEvidence(entry=_unless_said(image, said), config=said, rule="config/no-platform")
    return PlatformEvidence(
        open=f"no program confirms the entry's {said}; --without-proof writes it into the config"
    )


def _unless_said(image: InspectedImage, platform: Platform) -> Platform | None:
    """What the entry ought to say, if it does not say it letter for letter."""
    return platform if platform != image.said else None


def _unnamed(inspection: Inspection, image: InspectedImage) -> PlatformEvidence:
    """Nobody says a platform: the programs do, if they are all for one."""
    really = _programs_platform(inspection, image)
    if really is not None:
        return PlatformEvidence(entry=really, config=really, rule="config/no-platform")
    if image.edge is None:
        return PlatformEvidence(open="the config says no platform, and no program decides")
    return PlatformEvidence(
        open="neither the entry nor the config says a platform, and no program decides; "
        f"{_annotate(image)} sets the entry's"
    )


def _half(inspection: Inspection, image: InspectedImage, said: Platform, own: Platform) -> PlatformEvidence:
    """The entry leaves os or architecture open: the config's word, with what the entry says beyond it."""
    if _speaks(inspection, image, own) is False:
        return PlatformEvidence(open=f"the config says {own}, its programs do not")
    whole = replace(said, os=own.os, architecture=own.architecture, variant=said.variant or own.variant)
    return PlatformEvidence(entry=whole, rule="index/missing-platform")


def _belied(inspection: Inspection, image: InspectedImage, told: Platform) -> PlatformEvidence:
    """The programs are for another platform than anybody says: theirs, if they agree with each other."""
    really = _programs_platform(inspection, image)
    if really is None:
        return PlatformEvidence(
            open=f"it is said to be for {told} and holds programs of several other platforms; build it again"
        )
    return PlatformEvidence(entry=really, config=really, rule="binary/wrong-platform")


def _agreed(inspection: Inspection, image: InspectedImage, said: Platform, own: Platform) -> PlatformEvidence:
    """Entry and config agree: a variant or version may be missing, or the programs know better than both."""
    if _speaks(inspection, image, said) is False:
        return _belied(inspection, image, said)
    if said.architecture == "arm" and not said.variant:
        is_clear = own.variant in {"", ARM_DEFAULT} and _arms(inspection) < 2
        if own.variant and not is_clear:
            return PlatformEvidence(entry=replace(said, variant=own.variant), rule="index/ambiguous-arm")
        if not is_clear:
            text = f"nothing says for which variant of arm {image.digest.short} is"
            way = f"ocitool index annotate REF --digest {image.digest} --variant VARIANT"
            return PlatformEvidence(open=f"{text}; {way} does")
    if said.os == "windows" and not said.os_version and own.os_version:
        return PlatformEvidence(entry=replace(said, os_version=own.os_version), rule="index/windows-version")
    return RIGHT


def _named(
    inspection: Inspection, image: InspectedImage, said: Platform, own: Platform, *, without_proof: bool
) -> PlatformEvidence:
    """Entry and config agree, and the entry may call it by a name of which no engine knows."""
    ruling = _agreed(inspection, image, said, own)
    if ruling != RIGHT or (said == image.said and said.is_known):
        return ruling
    if said.is_known:
        return PlatformEvidence(entry=said, rule="index/impossible-platform")
    if own.is_known and (without_proof or _speaks(inspection, image, own)):
        return PlatformEvidence(entry=replace(said, variant=own.variant), rule="index/impossible-platform")
    return PlatformEvidence(open=f"no engine asks for {said}; {_annotate(image)} sets the entry's platform")


def _annotate(image: InspectedImage) -> str:
    """The command that sets what an entry says."""
    return f"ocitool index annotate REF --digest {image.digest} --os OS --arch ARCH"


def _arms(inspection: Inspection) -> int:
    """How many images are for arm; where there is one only, its variant is not needed to tell it apart."""
    entries = (entry for index in inspection.indexes for entry in index.platforms)
    named = ((entry.digest, entry.platform) for entry in entries if entry.platform is not None)
    return len({digest for digest, platform in named if platform.canonical().architecture == "arm"})


def _speaks(inspection: Inspection, image: InspectedImage, platform: Platform) -> bool | None:
    """Whether the programs are for `platform`; None where there is none that says."""
    found = [misfit for _, misfit in speaking(judged(inspection, image, platform))]
    if any(misfit is not None and misfit.is_fatal and misfit.misfit is not Misfit.LEVEL for misfit in found):
        return False
    return True if any(misfit is None for misfit in found) else None


def _programs_platform(inspection: Inspection, image: InspectedImage) -> Platform | None:
    """The one platform that all programs are for, if there is one."""
    programs = speaking(judged(inspection, image, Platform("linux", "amd64")))
    kinds = {one.program.binary.platform for one, _ in programs}
    found = {
        Platform(one.os, one.architecture, one.variant if one.architecture == "arm" else "") if one else None
        for one in kinds
    }
    return found.pop() if len(found) == 1 else None
