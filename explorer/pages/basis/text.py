"""What the Basis page says in words, from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.queries.basis import DOMAINS, BasisConfig, EigenvalueSpectrum, HarmonicProperties
from explorer.widgets.text import number

Fact = tuple[str, str, str]


def harmonic_facts(facts: HarmonicProperties) -> list[Fact]:
    """The read-out of one harmonic."""
    wave = facts.wavelength_km
    return [
        ("Smallest scale", "–" if wave is None else number(wave / 2), "km"),
        ("Wavelength", "–" if wave is None else number(wave), "km"),
        ("Zero parallels", str(facts.parallels), ""),
        ("Zero meridians", str(2 * facts.meridians), ""),
    ]


def component_facts(config: BasisConfig, index: int, spectrum: EigenvalueSpectrum) -> list[Fact]:
    """The read-out of one component; ``index`` counts from 0."""
    return [
        ("Explains", number(100 * spectrum.explained[index]), "%"),
        (
            f"First {config.num_components} explain",
            number(100 * spectrum.explained[: config.num_components].sum()),
            "%",
        ),
        ("Smallest scale", number(spectrum.smallest_scale_km), "km"),
        ("Mean degree", number(spectrum.mean_degree[index]), ""),
    ]


def domain_sentence(config: BasisConfig, share: float) -> str:
    """Which part of the Earth counts."""
    domain = config.domain
    if domain.kind == "sphere":
        return "Every cell of the Earth counts, by its area."
    name = DOMAINS[domain.kind].lower()
    return f"Only the {name} counts: {100 * share:.0f} % of the Earth's area. The rest is hatched on the globe."


def limit_sentence(max_fit_degree: int) -> str:
    """Why L stops where it does for components."""
    unknowns = number((max_fit_degree + 1) ** 2)
    return (
        f"L stops at {max_fit_degree} here: a fit solves an eigenproblem with (L+1)² = {unknowns} unknowns, "
        "and its cost grows with L⁶."
    )


def spectrum_sentences(config: BasisConfig, spectrum: EigenvalueSpectrum) -> list[tuple[str, bool]]:
    """What the spectrum means for the choice of K: sentences, each with whether it is a caution."""
    count = config.num_components
    kept = 100 * spectrum.explained[:count].sum()
    said = [
        (f"{count} of {len(spectrum.explained)} components explain {kept:.1f} % of the variance.", False),
        (spectrum.plateau_text, spectrum.plateau is not None),
    ]
    # over the whole sphere the degree that K ends in is always worth knowing; elsewhere only a split tie is
    if config.domain.kind == "sphere" or not spectrum.is_cut_clean:
        said.append((spectrum.cut_text, not spectrum.is_cut_clean))
    return said


def pyramid_sentence(degree: int, max_degree: int) -> str:
    """What the pyramid of pictures shows."""
    rest = "" if degree >= max_degree else f" L goes on to {max_degree}."
    return f"Every harmonic to degree {degree}: degree downwards, order from left to right. Click one to see it.{rest}"


MAKEUP_SENTENCE = (
    "The harmonics this component mixes: degree downwards, order from left to right, "
    "red adds and blue subtracts. Click one to see it alone."
)


def profile_sentence(lon_deg: float) -> str:
    """Where the profile runs."""
    side = "E" if lon_deg >= 0 else "W"
    return (
        f"Along the meridian {abs(lon_deg):.0f}° {side} (line) and rms around each parallel (band). "
        "Click the globe to choose another meridian."
    )


def passport_sentences(passport: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What can be relied on, and what cannot."""
    found = [
        (passport["precision"]["text"], bool(passport["precision"]["unstable"])),
        (passport["cut"]["text"], not passport["cut"]["clean"]),
    ]
    note = passport["resolution_note"]
    return found if note is None else [*found, (f"On the grid of the fit, {note}.", True)]


def passport_rows(passport: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The passport as a table."""
    size = len(passport["spectrum"])
    unstable = passport["precision"]["unstable"]
    agreement = passport["agreement"]
    return [
        ("Harmonics (L+1)²", str(size)),
        ("Components K", str(passport["num_components"])),
        ("Variance explained", f"{100 * passport['explained']:.1f} %"),
        ("Effective rank", f"{passport['effective_rank']:.1f}"),
        ("Same in float32", "not compared" if unstable is None else f"{passport['num_components'] - len(unstable)}"),
        *((f"Agreement with {name}", f"{value:.3f}") for name, value in agreement.items() if name != "chance"),
        ("Agreement by chance", f"{agreement['chance']:.3f}"),
    ]
