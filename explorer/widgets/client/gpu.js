// The WebGL2 side of one view: programs, a few textures, one polygon around the map. globe.py puts FRAGMENT and HALO in
// front.

// A regular polygon around the middle as a fan: the disc of the globe, or with four sides a rectangle. Fewer pixels
// than the whole canvas, since a software renderer pays for each.
const VERTEX = `#version 300 es
uniform vec2 uReach; // half width and height, 1 = the canvas
uniform int uSides;
void main() {
  float angle = 6.28318530718 * (float(gl_VertexID - 1) + 0.5) / float(uSides);
  vec2 corner = vec2(cos(angle), sin(angle)) / cos(3.14159265359 / float(uSides));
  gl_Position = vec4(gl_VertexID == 0 ? vec2(0.0) : uReach * corner, 0.0, 1.0);
}`

const HALO_REACH = 1.45 // radii; further out the halo is below half a grey level
const UNITS = { uField: 0, uSecond: 1, uDomain: 2, uLut: 3, uCoast: 4, uHatched: 5 }

function compile(gl, type, source) {
  const shader = gl.createShader(type)
  gl.shaderSource(shader, source)
  gl.compileShader(shader)
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader))
  return shader
}

// The fragment shader with its features as #defines behind the #version line
function link(gl, source, features) {
  const defines = Object.entries(features).map(([name, value]) => `#define ${name} ${Number(value)}\n`).join("")
  const program = gl.createProgram()
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX))
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, source.replace("\n", `\n${defines}`)))
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program))
  const places = {}
  return { program, at: (name) => (places[name] ??= gl.getUniformLocation(program, name)) }
}

class Gpu {
  constructor(gl) {
    this.gl = gl
    this.programs = new Map()
    this.textures = {}
    this.shown = {} // what each texture holds, so that an unchanged one is not sent again
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA) // colours are premultiplied
    for (const name of Object.keys(UNITS)) {
      this.textures[name] = gl.createTexture()
      this.bind(name)
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 1, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(1))
    }
    this.filter("uField", gl.NEAREST, gl.CLAMP_TO_EDGE)
    this.filter("uSecond", gl.NEAREST, gl.CLAMP_TO_EDGE)
    this.filter("uDomain", gl.NEAREST, gl.CLAMP_TO_EDGE)
    this.filter("uHatched", gl.NEAREST, gl.CLAMP_TO_EDGE)
    this.filter("uLut", gl.LINEAR, gl.CLAMP_TO_EDGE)
    this.filter("uCoast", gl.LINEAR, gl.REPEAT)
  }

  bind(name) {
    this.gl.activeTexture(this.gl.TEXTURE0 + UNITS[name])
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.textures[name])
  }

  filter(name, filter, wrapping) {
    const { gl } = this
    this.bind(name)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, wrapping)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)
  }

  // A program is compiled at the first use of its features, and kept
  use(source, features) {
    const key = `${source.length} ${Object.values(features).map(Number)}`
    if (!this.programs.has(key)) this.programs.set(key, link(this.gl, source, features))
    const program = this.programs.get(key)
    this.gl.useProgram(program.program)
    return program.at
  }

  layer(name, layer, at) {
    if (!layer) return
    const { gl } = this
    const { lat0, dlat, lon0, dlon, periodic, height, width, gaps } = layer.grid
    gl.uniform4f(at(`${name}Grid.axes`), lat0, dlat, lon0, dlon)
    gl.uniform2i(at(`${name}Grid.size`), width, height)
    gl.uniform2f(at(`${name}Grid.gaps`), ...gaps)
    gl.uniform1i(at(`${name}Grid.periodic`), periodic ? 1 : 0)
    if (this.shown[name] === layer) return
    const before = this.shown[name]
    const [stored, ...sent] = layer.colours ? [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE] : [gl.R32F, gl.RED, gl.FLOAT]
    this.bind(name)
    if (before?.grid.height === height && before.grid.width === width && before.colours === layer.colours) {
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, ...sent, layer.values)
    } else {
      gl.texImage2D(gl.TEXTURE_2D, 0, stored, width, height, 0, ...sent, layer.values)
    }
    this.shown[name] = layer
  }

  // The colours of the first field in one row, those of the second in the other
  lut(first, second) {
    const { gl } = this
    if (this.shown.uLut === first && this.shown.secondLut === second) return
    const both = new Uint8Array(2048)
    both.set(first)
    both.set(second, 1024)
    this.bind("uLut")
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, both)
    Object.assign(this.shown, { uLut: first, secondLut: second })
  }

  coast(image) {
    const { gl } = this
    if (!image || this.shown.uCoast === image) return
    this.bind("uCoast")
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, gl.RED, gl.UNSIGNED_BYTE, image)
    gl.generateMipmap(gl.TEXTURE_2D)
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_NEAREST)
    this.shown.uCoast = image
  }

  // shot: camera, features and colours (see View.shot)
  draw(scene, shot) {
    const { gl } = this
    gl.viewport(0, 0, shot.width, shot.height)
    gl.clear(gl.COLOR_BUFFER_BIT)
    if (shot.halo) this.halo(shot)
    const at = this.use(FRAGMENT, shot.features)
    for (const [name, unit] of Object.entries(UNITS)) gl.uniform1i(at(name), unit)
    this.layer("uField", scene.first, at)
    this.layer("uSecond", scene.second, at)
    this.layer("uDomain", scene.domain, at)
    this.layer("uHatched", scene.hatched, at)
    const [[lut, range], [secondLut, secondRange]] = scene.scales
    this.lut(lut, secondLut)
    this.coast(scene.coast)
    gl.uniform2f(at("uSize"), shot.width, shot.height)
    gl.uniform2f(at("uReach"), ...shot.reach)
    gl.uniform2f(at("uRange"), ...range)
    gl.uniform2f(at("uSecondRange"), ...secondRange)
    gl.uniform2f(at("uCentre"), ...shot.centre)
    gl.uniform2f(at("uLimb"), ...shot.limb)
    gl.uniform2f(at("uCoastScale"), ...scene.coastScale)
    gl.uniformMatrix3fv(at("uFrame"), false, shot.frame)
    gl.uniform1i(at("uSides"), shot.sides)
    for (const name of ["uScale", "uRatio", "uSwipe", "uCoastLod", "uLines"]) gl.uniform1f(at(name), shot[name])
    for (const [name, color] of Object.entries(shot.colors)) gl.uniform3fv(at(name), color)
    gl.drawArrays(gl.TRIANGLE_FAN, 0, shot.sides + 2)
  }

  halo({ width, height, reach, sides, uScale, dark, colors }) {
    const { gl } = this
    const at = this.use(HALO, {})
    gl.uniform2f(at("uSize"), width, height)
    gl.uniform2f(at("uReach"), HALO_REACH * reach[0], HALO_REACH * reach[1])
    gl.uniform1i(at("uSides"), sides)
    gl.uniform1f(at("uScale"), uScale)
    gl.uniform1i(at("uDark"), dark ? 1 : 0)
    gl.uniform3fv(at("uGlowColor"), colors.uGlowColor)
    gl.drawArrays(gl.TRIANGLE_FAN, 0, sides + 2)
  }

  free() {
    for (const texture of Object.values(this.textures)) this.gl.deleteTexture(texture)
    for (const { program } of this.programs.values()) this.gl.deleteProgram(program)
    this.gl.getExtension("WEBGL_lose_context")?.loseContext()
  }
}
