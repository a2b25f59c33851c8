// Colours of the map itself. Data are coloured by the colour map, the same in both themes.

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
const palette = (ocean, land, missing, stage, ink, glow) => ({
  uOceanColor: rgb(ocean), uLandColor: rgb(land), uMissingColor: rgb(missing),
  uStageColor: rgb(stage), uInkColor: rgb(ink), uGlowColor: rgb(glow),
})
const COLORS = {
  dark: palette("#111824", "#232A36", "#3A4352", "#0B0E14", "#E8EBF1", "#5AA9FF"),
  light: palette("#EAEFF4", "#DDE2E8", "#C3CAD4", "#F4F6F8", "#151A23", "#3A465A"),
}
const BARE_LAND = { dark: rgb("#2A3343"), light: rgb("#CDD4DD") } // with more contrast to the bare ocean
const LIMB = { dark: [0.62, 0.16], light: [0.8, 0] } // brightness at the limb, strength of the glow on it
