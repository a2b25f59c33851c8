"""The texts of the Basis page, from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.queries.basis import DOMAINS, BasisConfig, EigenvalueSpectrum, HarmonicProperties
from explorer.widgets.text import LabelledValue, Sentence, number


def harmonic_readout(properties: HarmonicProperties) -> list[LabelledValue]:
    """The read-out of one harmonic."""
    wave = properties.wavelength_km
    return [
        ("Smallest scale", "–" if wave is None else number(wave / 2), "km"),
        ("Wavelength", "–" if wave is None else number(wave), "km"),
        ("Zero parallels", str(properties.parallels), ""),
        ("Zero meridians", str(2 * properties.meridians), ""),
    ]


def component_readout(config: BasisConfig, index: int, spectrum: EigenvalueSpectrum) -> list[LabelledValue]:
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


def domain_sentence(config: BasisConfig, fraction: float) -> str:
    """The domain of the fit."""
    domain = config.domain
    if domain.kind == "sphere":
        return "The fit uses every cell of the Earth, weighted by area."
    name = DOMAINS[domain.kind].lower()
    return (
        f"The fit uses the {name} only, {100 * fraction:.0f} % of the Earth's area. The rest is hatched on the globe."
    )


def limit_sentence(max_fit_degree: int) -> str:
    """The limit of L for components."""
    unknowns = number((max_fit_degree + 1) ** 2)
    return (
        f"L is at most {max_fit_degree} here: a fit solves an eigenproblem with (L+1)² = {unknowns} unknowns, "
        "and its cost grows with L⁶."
    )


def spectrum_sentences(config: BasisConfig, spectrum: EigenvalueSpectrum) -> list[Sentence]:
    """What the spectrum means for the choice of K."""
    count = min(config.num_components, len(spectrum.mean_degree))
    kept = 100 * spectrum.explained[:count].sum()
    sentences = [
        (f"{count} of {len(spectrum.explained)} components explain {kept:.1f} % of the variance.", False),
        (spectrum.plateau_text, spectrum.plateau is not None),
    ]
    # over the whole sphere every K ends within a degree; elsewhere only a split group of equal eigenvalues matters
    if config.domain.kind == "sphere" or not spectrum.is_cut_clean:
        sentences.append((spectrum.cut_text, not spectrum.is_cut_clean))
    if spectrum.rank_text is not None:
        sentences.append((spectrum.rank_text, config.num_components > count))
    return sentences


def harmonics_sentence(degree: int, max_degree: int) -> str:
    """The caption of all harmonics."""
    rest = "" if degree >= max_degree else f" L is {max_degree}."
    return f"Every harmonic to degree {degree}: degree downwards, order from left to right. Click one to draw it.{rest}"


MAKEUP_SENTENCE = (
    "Coefficients of this component: degree downwards, order from left to right, "
    "red positive and blue negative. Click a harmonic to draw it alone."
)


def profile_sentence(lon_deg: float) -> str:
    """The caption of the profile."""
    side = "E" if lon_deg >= 0 else "W"
    return (
        f"Along the meridian {abs(lon_deg):.0f}° {side} (line) and rms around each parallel (band). "
        "Click the globe to choose another meridian."
    )


def accuracy_sentences(passport: Mapping[str, Any]) -> list[Sentence]:
    """The numerical accuracy of the components, and its limits."""
    sentences = [
        (passport["precision"]["text"], bool(passport["precision"]["unstable"])),
        (passport["cut"]["text"], not passport["cut"]["clean"]),
    ]
    if passport["rank_text"] is not None:
        sentences.append((passport["rank_text"], False))
    note = passport["resolution_note"]
    return sentences if note is None else [*sentences, (f"On the grid of the fit, {note}.", True)]


def accuracy_rows(passport: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The accuracy as a table."""
    size = len(passport["spectrum"])
    unstable = passport["precision"]["unstable"]
    agreement = passport["agreement"]
    return [
        ("Harmonics (L+1)²", str(size)),
        ("Components K", str(passport["num_components"])),
        ("Variance explained", f"{100 * passport['explained']:.1f} %"),
        ("Effective rank", f"{passport['effective_rank']:.1f}"),
        ("Equal in float32", "not compared" if unstable is None else f"{passport['num_components'] - len(unstable)}"),
        *((f"Agreement with {name}", f"{value:.3f}") for name, value in agreement.items() if name != "chance"),
        ("Agreement by chance", f"{agreement['chance']:.3f}"),
    ]
