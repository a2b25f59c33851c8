"""The grid of the shell and of a page, at the three widths that LOOK is drawn for."""

NARROW = "@media (max-width: 899px)"
MEDIUM = "@media (min-width: 900px) and (max-width: 1179px)"

SHELL = {
    "display": "grid",
    "height": "100vh",
    "width": "100vw",
    "gridTemplate": "'rail page' minmax(0,1fr) / 80px minmax(0,1fr)",
    "gap": 0,
    "backgroundColor": "var(--stage)",
    # Panel wraps each child in an element without a box of its own
    "& > * > *": {"minWidth": 0, "minHeight": 0},
    NARROW: {"gridTemplate": "'page' minmax(0,1fr) 'rail' 64px / minmax(0,1fr)"},
}

PAGE = {
    "display": "grid",
    "height": "100%",
    "width": "100%",
    "gap": 0,
    "position": "relative",
    "gridTemplate": "'drawer head head' 64px 'drawer stage plots' minmax(0,1fr) 'drawer read read' 60px"
    " / auto minmax(0,1fr) clamp(272px, calc(28vw - 84px), 560px)",
    "& > * > *": {"minWidth": 0, "minHeight": 0},
    MEDIUM: {
        "gridTemplate": "'drawer head' 64px 'drawer stage' minmax(0,1.15fr) 'drawer plots' minmax(260px,1fr)"
        " 'drawer read' 60px / auto minmax(0,1fr)"
    },
    NARROW: {
        "gridTemplate": "'head' auto 'stage' minmax(300px,62vh) 'read' 152px 'plots' auto / minmax(0,1fr)",
        "overflowY": "auto",
    },
}

DRAWER = {
    "width": "304px",
    "height": "100%",
    "boxSizing": "border-box",
    "padding": "20px 20px 24px",
    "gap": "4px",
    "flexWrap": "nowrap",
    "overflowY": "auto",
    "overflowX": "hidden",
    "backgroundColor": "var(--panel)",
    "borderRight": "1px solid var(--divider)",
    MEDIUM: {"width": "288px"},
    NARROW: {"position": "fixed", "inset": "0 auto 64px 0", "height": "auto", "zIndex": 20, "boxShadow": 8},
}

HEAD = {
    "display": "flex",
    "flexDirection": "row",
    "alignItems": "center",
    "gap": "8px",
    "padding": "8px 24px",
    "height": "100%",
    "boxSizing": "border-box",
    NARROW: {"padding": "8px 16px"},
}

READ = {
    "display": "flex",
    "flexDirection": "row",
    "alignItems": "center",
    "gap": "28px",
    "padding": "0 24px",
    "height": "100%",
    "boxSizing": "border-box",
    "overflow": "hidden",
    "borderTop": "1px solid var(--divider)",
    NARROW: {"flexWrap": "wrap", "gap": "8px 24px", "padding": "8px 16px"},
}

PLOTS = {
    "height": "100%",
    "gap": "8px",
    "flexWrap": "nowrap",
    "boxSizing": "border-box",
    "padding": "0 24px 12px 0",
    "overflowY": "auto",
    "overflowX": "hidden",
    # map at the left, the figure with its heading at the right
    MEDIUM: {
        "padding": "0 16px 12px",
        "display": "grid",
        "gridTemplate": "auto auto minmax(0,1fr) / minmax(0,1fr) minmax(0,1fr)",
        "columnGap": "24px",
        "& > .child-wrapper:first-of-type > *": {"gridRow": "1 / span 3"},
    },
    NARROW: {"padding": "0 16px 16px", "height": "auto"},
}

HOST = {"height": "100%", "width": "100%", "gap": 0, "position": "relative", "& > * > *": {"minHeight": 0}}
STAGE = {"height": "100%", "width": "100%", "boxSizing": "border-box", "position": "relative", "gap": 0}
ERROR = {"padding": "64px", "maxWidth": "720px", "gap": "16px"}
