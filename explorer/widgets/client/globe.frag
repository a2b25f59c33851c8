#version 300 es
// Each fragment inside the map asks which place on the sphere it shows, and paints it. gpu.js puts #defines behind the
// first line: PROJECTION (0 globe, 1 Equal Earth, 2 plate carrée), FIELD and SECOND (0 none, 1 values, 2 colours), and
// BLOCKS, DOMAIN, DIMMED, HATCHED, COAST, SMOOTH, LINE, GRATICULE as 0 or 1, and COVERED (0 nothing, 1 land, 2 sea). They are no uniforms because a software
// renderer runs both sides of every branch.
precision highp float;
precision highp int;
precision highp sampler2D;

const float PI = 3.14159265358979;
const float MISSING = 3.0e38;        // scene.js writes the same value: isnan() is not dependable in WebGL
const int COLOURS = 2;               // the kind of a field that needs no colour map
const float REACH = 0.5001;          // steps that a grid reaches beyond its last sample: half, and what rounding adds
const float EARTH_TOP = 1.31736275;  // Equal Earth: y of the pole

struct Grid {
  vec4 axes;      // lat0, dlat, lon0, dlon in degrees
  ivec2 size;     // columns, rows
  vec2 gaps;      // rows from the first / last row across its pole to the same row, 0 where there is none
  bool periodic;
};

uniform vec2 uSize;          // canvas, device pixels
uniform float uScale;        // device pixels per sphere radius (globe) or per unit of the projection
uniform float uRatio;        // device pixels per CSS pixel
uniform mat3 uFrame;         // columns: east, north and outward at the centre
uniform vec2 uCentre;        // flat maps: central meridian in radians, y at the middle of the canvas

uniform sampler2D uField, uSecond, uDomain, uHatched, uCoast, uLut;
uniform Grid uFieldGrid, uSecondGrid, uDomainGrid, uHatchedGrid;
uniform vec2 uRange, uSecondRange; // vmin, vmax
uniform float uSwipe;        // x of the divider, device pixels
uniform vec2 uCoastScale;    // degrees per byte/255, byte/255 of the coast
uniform float uCoastLod;
uniform float uLines;        // graticule: 180 / step
uniform vec2 uLimb;          // globe: brightness at the limb, strength of the glow on it
uniform vec3 uOceanColor, uLandColor, uMissingColor, uStageColor, uInkColor, uGlowColor;

out vec4 outColor;

// ---------------------------------------------------------------- places

struct Place {
  float lat, lon;   // degrees
  float facing;     // cosine of the angle between the ground and the eye, 1 on flat maps
  float coverage;   // antialiased share of the pixel inside the map
};

#if PROJECTION == 0
Place placeAt(vec2 p) {
  float r = length(p);
  vec2 q = r > 1.0 ? p / r : p;
  float facing = sqrt(max(0.0, 1.0 - dot(q, q)));
  vec3 n = uFrame * vec3(q, facing);
  return Place(degrees(atan(n.z, length(n.xy))), degrees(atan(n.y, n.x)), facing,
               clamp(0.5 + (1.0 - r) * uScale, 0.0, 1.0));
}

#elif PROJECTION == 2
Place placeAt(vec2 p) {
  vec2 margin = vec2(PI, 0.5 * PI) - abs(p);
  float inside = clamp(0.5 + min(margin.x, margin.y) * uScale, 0.0, 1.0);
  vec2 q = clamp(p, vec2(-PI, -0.5 * PI), vec2(PI, 0.5 * PI));
  return Place(degrees(q.y), degrees(q.x + uCentre.x), 1.0, inside);
}

#else
// Equal Earth (Šavrič, Patterson and Jenny 2018), inverted by Newton's method
Place placeAt(vec2 p) {
  const float A1 = 1.340264, A2 = -0.081106, A3 = 0.000893, A4 = 0.003796;
  float y = clamp(p.y, -EARTH_TOP, EARTH_TOP);
  float t = y / A1;
  float slope = A1;
  for (int k = 0; k < 6; k++) {
    float t2 = t * t, t6 = t2 * t2 * t2;
    slope = A1 + 3.0 * A2 * t2 + t6 * (7.0 * A3 + 9.0 * A4 * t2);
    t -= (t * (A1 + A2 * t2 + t6 * (A3 + A4 * t2)) - y) / slope;
  }
  float t2 = t * t, t6 = t2 * t2 * t2;
  slope = A1 + 3.0 * A2 * t2 + t6 * (7.0 * A3 + 9.0 * A4 * t2);
  float perRadian = 2.0 * cos(t) / (sqrt(3.0) * slope);
  float lon = p.x / perRadian;
  float s = clamp(2.0 * sin(t) / sqrt(3.0), -1.0, 1.0);
  float margin = min((PI - abs(lon)) * perRadian, EARTH_TOP - abs(p.y));
  float lat = abs(s) > 0.9999 ? sign(s) * (90.0 - degrees(sqrt(max(0.0, 2.0 * (1.0 - abs(s)))))) : degrees(asin(s));
  return Place(lat, degrees(clamp(lon, -PI, PI) + uCentre.x), 1.0, clamp(0.5 + margin * uScale, 0.0, 1.0));
}
#endif

// ---------------------------------------------------------------- grids

// u in [0, turn), also where rounding would give `turn` itself
float wrap(float u, float turn) {
  u -= turn * floor(u / turn);
  return u < turn ? u : 0.0;
}

// A sample and, in alpha, whether there is one: a value is (value, 0, 0, 1), a colour itself, a missing one all zero
vec4 sampleAt(sampler2D data, int column, int row) {
  vec4 found = texelFetch(data, ivec2(column, row), 0);
  return found.r < MISSING ? found : vec4(0.0);
}

// Column and row of a place, in samples; false where the grid does not reach
bool locate(Grid grid, Place place, out vec2 at) {
  float columns = float(grid.size.x);
  float last = float(grid.size.y - 1);
  at = (vec2(place.lon, place.lat) - grid.axes.zx) / grid.axes.wy;
  if (grid.periodic) {
    at.x = wrap(at.x, columns);
  } else {
    float turn = abs(360.0 / grid.axes.w);
    at.x -= turn * floor((at.x - 0.5 * (columns - 1.0)) / turn + 0.5);
    if (at.x < -REACH || at.x > columns - 1.0 + REACH) return false;
    at.x = clamp(at.x, 0.0, columns - 1.0);
  }
  float gap = at.y < 0.0 ? grid.gaps.x : grid.gaps.y;
  return gap > 0.0 || (at.y >= -REACH && at.y <= last + REACH);
}

struct Row {
  vec4 mean;      // of the samples either side, weighted; alpha is the share of those that exist
  float nearest;  // whether the nearer one exists
};

Row rowAround(sampler2D data, Grid grid, int row, float u) {
  float left = floor(u);
  float f = u - left;
  int i = int(left);
  int j = i + 1 < grid.size.x ? i + 1 : grid.periodic ? 0 : i;
  vec4 a = sampleAt(data, i, row);
  vec4 b = sampleAt(data, j, row);
  return Row(mix(a, b, f), f < 0.5 ? a.a : b.a);
}

// Bilinear on the grid; across a pole the next row is the same row 180° away. Missing where the nearest cell is.
vec4 smoothAt(sampler2D data, Grid grid, Place place) {
  vec2 at;
  if (!locate(grid, place, at)) return vec4(0.0);
  float v = clamp(at.y, 0.0, float(grid.size.y - 1));
  float over = abs(at.y - v);
  float gap = at.y < 0.0 ? grid.gaps.x : grid.gaps.y;
  int row = int(v);
  int next = min(row + 1, grid.size.y - 1);
  float f = v - float(row);
  float u = at.x;
  if (over > 0.0 && gap > 0.0) {
    next = row;
    f = min(over / gap, 0.5);
    u = wrap(u + 0.5 * float(grid.size.x), float(grid.size.x));
  }
  Row near = rowAround(data, grid, row, at.x);
  Row far = rowAround(data, grid, next, u);
  vec4 mean = mix(near.mean, far.mean, f);
  float nearest = f < 0.5 ? near.nearest : far.nearest;
  return nearest > 0.0 ? mean / mean.a : vec4(0.0);
}

#if BLOCKS
// The nearest sample
vec4 blockAt(sampler2D data, Grid grid, Place place) {
  vec2 at;
  if (!locate(grid, place, at)) return vec4(0.0);
  ivec2 cell = ivec2(floor(at + 0.5));
  return sampleAt(data, cell.x < grid.size.x ? cell.x : 0, clamp(cell.y, 0, grid.size.y - 1));
}
#endif

// ---------------------------------------------------------------- ink

// Share of a pixel covered by a line of `width` pixels along f = 0, where f changes by `slope` per pixel
float stroke(float f, float slope, float width) {
  return clamp(0.5 * width + 0.5 - abs(f) / max(slope, 1e-9), 0.0, 1.0);
}

float slopeOf(float f) {
  return length(vec2(dFdx(f), dFdy(f)));
}

#if COAST
#if SMOOTH
// Cubic B-spline through four bilinear taps: smooth coasts when a texel spans many pixels
float smoothCoast(vec2 at) {
  vec2 size = vec2(textureSize(uCoast, 0));
  vec2 x = at * size - 0.5;
  vec2 f = fract(x);
  vec2 f2 = f * f, f3 = f2 * f;
  vec2 w0 = (1.0 - 3.0 * f + 3.0 * f2 - f3) / 6.0;
  vec2 w1 = (4.0 - 6.0 * f2 + 3.0 * f3) / 6.0;
  vec2 w2 = (1.0 + 3.0 * f + 3.0 * f2 - 3.0 * f3) / 6.0;
  vec2 w3 = f3 / 6.0;
  vec2 low = w0 + w1, high = w2 + w3;
  vec2 base = floor(x) + 0.5;
  vec2 a = (base - 1.0 + w1 / low) / size;
  vec2 b = (base + 1.0 + w3 / high) / size;
  return mix(
    mix(textureLod(uCoast, vec2(b.x, b.y), 0.0).r, textureLod(uCoast, vec2(a.x, b.y), 0.0).r, low.x),
    mix(textureLod(uCoast, vec2(b.x, a.y), 0.0).r, textureLod(uCoast, a, 0.0).r, low.x), low.y);
}

#endif

// Great-circle degrees to the nearest coast, positive on land
float coastDistance(Place place) {
  vec2 at = vec2(place.lon / 360.0 + 0.5, 0.5 - place.lat / 180.0);
#if SMOOTH
  float level = smoothCoast(at);
#else
  float level = textureLod(uCoast, at, uCoastLod).r;
#endif
  return (level - uCoastScale.y) * uCoastScale.x;
}
#endif

float graticule(Place place) {
  float parallels = sin(radians(place.lat) * uLines);
  float meridians = sin(radians(place.lon) * uLines);
  float crowd = slopeOf(meridians);                // π / crowd is the spacing in pixels next to a line
  float open = smoothstep(5.0, 14.0, PI / max(crowd, 1e-6));
  float width = 0.8 * uRatio;
  float polar = abs(place.lat) > 89.0 ? 0.0 : 1.0; // sin(6φ) is zero at the pole too, where there is no parallel
  return max(polar * stroke(parallels, slopeOf(parallels), width), open * stroke(meridians, crowd, width));
}

float luma(vec3 c) {
  return dot(c, vec3(0.299, 0.587, 0.114));
}

// Ink that stays visible: dark on pale data, pale on dark data and on the bare ground of the dark stage
vec3 inkOn(vec3 ground) {
  return mix(vec3(0.93, 0.95, 0.98), vec3(0.03, 0.04, 0.07), smoothstep(0.32, 0.46, luma(ground)));
}

#if FIELD
#if BLOCKS
#define fieldAt blockAt
#else
#define fieldAt smoothAt
#endif

// `row` of the colour table: 0.25 for the first field, 0.75 for the second
vec3 paint(vec4 found, int kind, vec2 range, float row) {
  if (found.a == 0.0) return uMissingColor;
  if (kind == COLOURS) return found.rgb;
  float t = clamp((found.r - range.x) / (range.y - range.x), 0.0, 1.0);
  return textureLod(uLut, vec2((t * 255.0 + 0.5) / 256.0, row), 0.0).rgb;
}

vec3 dataColor(Place place) {
#if SECOND
  if (gl_FragCoord.x > uSwipe) return paint(fieldAt(uSecond, uSecondGrid, place), SECOND, uSecondRange, 0.75);
#endif
  return paint(fieldAt(uField, uFieldGrid, place), FIELD, uRange, 0.25);
}
#endif

vec3 ground(Place place) {
#if FIELD
  vec3 color = dataColor(place);
#else
  vec3 color = uOceanColor;
#endif
#if COAST
  float sd = coastDistance(place);
  float slope = slopeOf(sd);
#endif
#if HATCHED
  float share = smoothAt(uHatched, uHatchedGrid, place).r - 0.5;
  float line = abs(fract((gl_FragCoord.x - gl_FragCoord.y) / (6.0 * uRatio)) - 0.5);
  float covered = clamp(0.5 + share / max(slopeOf(share), 1e-9), 0.0, 1.0);
  color = mix(color, inkOn(color), 0.5 * covered * smoothstep(0.30, 0.40, line));
#endif
#if COAST && COVERED
  float inland = COVERED == 2 ? -sd : sd;          // the sea is covered in the colour of what is no data
  color = mix(color, uLandColor, clamp(0.5 + inland / max(slope, 1e-9), 0.0, 1.0));
#endif
#if DOMAIN
  float level = smoothAt(uDomain, uDomainGrid, place).r - 0.5;
  float steep = slopeOf(level);
#if DIMMED
  float border = 0.6 * stroke(level, steep, 1.3 * uRatio);
  float hatch = abs(fract((gl_FragCoord.x + gl_FragCoord.y) / (7.0 * uRatio)) - 0.5);
  vec3 dimmed = mix(mix(vec3(luma(color)), color, 0.45), uStageColor, 0.62);
  dimmed = mix(dimmed, uInkColor, 0.16 * smoothstep(0.36, 0.42, hatch));
  color = mix(dimmed, color, clamp(0.5 + level / max(steep, 1e-9), 0.0, 1.0));
#else
  float border = stroke(level, steep, 2.0 * uRatio);
#endif
#endif
  vec3 ink = inkOn(color);
#if GRATICULE
  color = mix(color, ink, 0.20 * graticule(place));
#endif
#if COAST && LINE
  color = mix(color, ink, 0.55 * stroke(sd, slope, uRatio) * smoothstep(0.0, 0.22, place.facing)); // thins out at the limb
#endif
#if DOMAIN
  color = mix(color, DIMMED == 1 ? uInkColor : ink, border);
#endif
  return color;
}

void main() {
  vec2 p = (gl_FragCoord.xy - 0.5 * uSize) / uScale;
#if PROJECTION != 0
  p.y += uCentre.y;
#endif
  Place place = placeAt(p);
  vec3 color = ground(place);
#if PROJECTION == 0
  float rim = 1.0 - place.facing;
  color *= mix(uLimb.x, 1.0, smoothstep(0.0, 0.85, sqrt(place.facing * sqrt(place.facing))));
  color += uGlowColor * uLimb.y * rim * rim * rim * rim * rim;
#endif
  outColor = vec4(color, 1.0) * place.coverage;
}
