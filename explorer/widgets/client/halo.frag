#version 300 es
// Light around the globe: a blue halo in the dark, a soft shadow in the light, nothing left at the canvas edge.
precision highp float;

uniform vec2 uSize;      // canvas, device pixels
uniform float uScale;    // device pixels per sphere radius
uniform bool uDark;
uniform vec3 uGlowColor;

out vec4 outColor;

void main() {
  vec2 p = (gl_FragCoord.xy - 0.5 * uSize) / uScale;
  vec2 fromEdge = min(gl_FragCoord.xy, uSize - gl_FragCoord.xy);
  float fade = smoothstep(0.0, 0.03 * min(uSize.x, uSize.y), min(fromEdge.x, fromEdge.y));
  float away = max(length(p) - 1.0, 0.0);
  float glow = 0.42 * exp(-away * 55.0) + 0.20 * exp(-away * 16.0);
  float below = max(length(p + vec2(0.0, 0.022)) - 0.99, 0.0);
  float shade = 0.34 * exp(-below * 26.0);
  outColor = vec4(uGlowColor, 1.0) * (uDark ? glow : shade) * fade;
}
