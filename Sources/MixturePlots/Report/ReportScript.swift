// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What moves on the report's page. It reads the JSON in `page-data`, draws on canvases, and puts text into the page only
/// as text, never as markup.
let reportScript = #"""
  (() => {
    'use strict';
    const byId = id => document.getElementById(id);
    const page = JSON.parse(byId('page-data').textContent);
    const root = document.documentElement;
    const featureCount = page.features.length;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;

    // ---- What the page carries -------------------------------------------------------------
    function bytes(text) {
      const raw = atob(text), out = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
      return out;
    }
    const rowCount = page.drawn;
    const cells = text => {
      const buffer = bytes(text).buffer;
      const all = page.encoding === 'u16' ? new Uint16Array(buffer) : new Float32Array(buffer);
      const list = [];
      for (let f = 0; f < featureCount; f++) {
        const part = all.subarray(f * rowCount, (f + 1) * rowCount);
        list.push(page.encoding === 'u16'
          ? Float32Array.from(part, v => v === 65535 ? NaN : v / 65534) : part);
      }
      return list;
    };
    const columns = cells(page.points);
    // Limits of cells without a value, NaN where there is none; weights over their mean, and the radii of dots.
    const lower = page.lower ? cells(page.lower) : null, upper = page.upper ? cells(page.upper) : null;
    const weights = page.weights ? new Float32Array(bytes(page.weights).buffer) : null;
    const radii = weights ? weights.map(w => w > 0 ? Math.min(3, Math.max(0.4, Math.sqrt(w))) : 0) : null;
    const spanOf = (f, i) => {
      const v = columns[f][i];
      if (v === v) return [v, v];
      if (!lower) return null;
      const a = lower[f][i], b = upper[f][i];
      return a === a || b === b ? [a, b] : null;
    };
    const gapped = [];
    for (let i = 0; i < rowCount; i++) if (columns.some(c => c[i] !== c[i])) gapped.push(i);
    const rowNumber = i => {
      const j = i * page.stride % rowCount;
      return j * Math.floor(page.n / rowCount) + Math.floor(j * (page.n % rowCount) / rowCount) + 1;
    };
    const pairsOf = s => s * (s + 1) / 2;
    function models(text, counts) {
      const all = new Float64Array(bytes(text).buffer);
      let at = 0;
      const take = count => all.subarray(at, at += count);
      return counts.map(K => ({
        K, weights: take(K), means: take(K * featureCount), covariances: take(K * pairsOf(featureCount)),
      }));
    }
    const frames = models(page.models, page.frames.map(f => f.K));
    frames.forEach((frame, i) => Object.assign(frame, page.frames[i]));
    const truth = page.truth ? models(page.truth.model, [page.truth.K])[0] : null;
    const trueLabels = page.truth && page.truth.labels ? bytes(page.truth.labels) : null;
    const prepared = page.prepared ? bytes(page.prepared) : null;
    const covariance = (m, k, i, j) =>
      m.covariances[k * pairsOf(featureCount) + (i >= j ? pairsOf(i) + j : pairsOf(j) + i)];
    const mean = (m, k, i) => m.means[k * featureCount + i];
    const inUnits = (u, f) => page.offsets[f] + u * page.scales[f];

    // Rows with the same features missing share one set of coefficients.
    const patterns = (() => {
      const groups = new Map();
      let anyMissing = false;
      for (const c of columns) for (let i = 0; i < rowCount && !anyMissing; i++) anyMissing = c[i] !== c[i];
      if (!anyMissing) return [{ features: columns.map((_, f) => f), rows: null }];
      for (let i = 0; i < rowCount; i++) {
        let key = 0;
        for (let f = 0; f < featureCount; f++) if (columns[f][i] === columns[f][i]) key |= 1 << f;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(i);
      }
      return [...groups].map(([key, rows]) => ({
        features: columns.map((_, f) => f).filter(f => key >> f & 1), rows: Int32Array.from(rows),
      }));
    })();

    // ---- Scheme and colours ----------------------------------------------------------------
    const wanted = new URLSearchParams(location.search).get('scheme');
    const prefersDark = matchMedia('(prefers-color-scheme: dark)');
    let drawsAll = true;
    let scheme = wanted === 'dark' || wanted === 'light' ? wanted : prefersDark.matches ? 'dark' : 'light';
    let palette = [], ink = {};
    function applyScheme(name) {
      drawsAll = true;
      root.dataset.scheme = name;
      const style = getComputedStyle(root);
      for (const key of ['ink', 'soft', 'faint', 'ground', 'bar', 'halo', 'hot'])
        ink[key] = style.getPropertyValue('--' + key).trim();
      palette = page.palette[name].map(hex => ({
        hex, rgb: [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)),
      }));
      const dark = name === 'dark';
      byId('scheme').textContent = dark ? 'Light scheme' : 'Dark scheme';
      document.querySelectorAll('[data-component]').forEach(chip => {
        chip.style.backgroundColor = palette[+chip.dataset.component % palette.length].hex;
      });
    }
    const hue = k => palette[k % palette.length];
    // The background stands behind a model's components.
    const backgroundHue = { hex: '#808080', rgb: [128, 128, 128] };
    const hueOf = (layer, k) => k >= layer.model.K ? backgroundHue : hue(layer.hues ? layer.hues[k] : k);
    const classCount = model => model.K + (model.background ? 1 : 0);
    const dashOf = k => page.dashes[k % page.dashes.length];
    const channels = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));

    // ---- Responsibilities ------------------------------------------------------------------
    // For each component: the inverse Cholesky factor A, b = −A μ and c = log w − log |L|, so that
    // the log joint density is c − |A x + b|² / 2, up to a constant that all share.
    function coefficients(model, features) {
      const p = features.length, K = model.K;
      const A = new Float64Array(K * pairsOf(p)), b = new Float64Array(K * p), c = new Float64Array(K);
      const L = new Float64Array(p * p), inverse = new Float64Array(p * p);
      for (let k = 0; k < K; k++) {
        c[k] = Math.log(model.weights[k]);
        for (let i = 0; i < p; i++) {
          for (let j = 0; j <= i; j++) {
            let sum = covariance(model, k, features[i], features[j]);
            const diagonal = sum;
            for (let q = 0; q < j; q++) sum -= L[i * p + q] * L[j * p + q];
            L[i * p + j] = i === j ? Math.sqrt(Math.max(sum, diagonal * 1e-15, 1e-300)) : sum / L[j * p + j];
          }
          c[k] -= Math.log(L[i * p + i]);
        }
        for (let i = 0; i < p; i++) {
          for (let j = 0; j <= i; j++) {
            let sum = i === j ? 1 : 0;
            for (let q = j; q < i; q++) sum -= L[i * p + q] * inverse[q * p + j];
            inverse[i * p + j] = sum / L[i * p + i];
            A[k * pairsOf(p) + pairsOf(i) + j] = inverse[i * p + j];
          }
          let shift = 0;
          for (let j = 0; j <= i; j++) shift -= inverse[i * p + j] * mean(model, k, features[j]);
          b[k * p + i] = shift;
        }
      }
      const ground = model.background;
      const outside = ground
        ? features.reduce((sum, f) => sum - ground.logWidths[f], (ground.logOdds ?? -Infinity) + p / 2 * Math.log(2 * Math.PI)) : null;
      return { p, K, A, b, c, outside, columns: features.map(f => columns[f]) };
    }
    function logJoint(set, row, out) {
      const { p, K, A, b, c } = set, cols = set.columns;
      let best = -Infinity, bestK = 0;
      if (p === 2) {
        const x = cols[0][row], y = cols[1][row];
        for (let k = 0; k < K; k++) {
          const u = A[3 * k] * x + b[2 * k], v = A[3 * k + 1] * x + A[3 * k + 2] * y + b[2 * k + 1];
          const value = c[k] - 0.5 * (u * u + v * v);
          out[k] = value;
          if (value > best) { best = value; bestK = k; }
        }
      } else for (let k = 0, a = 0; k < K; k++) {
        let square = 0;
        for (let i = 0; i < p; i++) {
          let sum = b[k * p + i];
          for (let j = 0; j <= i; j++) sum += A[a++] * cols[j][row];
          square += sum * sum;
        }
        const value = c[k] - 0.5 * square;
        out[k] = value;
        if (value > best) { best = value; bestK = k; }
      }
      if (set.outside === null) return bestK;
      out[K] = set.outside;
      return set.outside > best ? K : bestK;
    }
    // A layer: one model's view of all drawn rows. Colours follow the palette, so it is refreshed with it.
    function newLayer() {
      return { model: null, index: -1, sets: null, hues: null, rgb: new Uint8Array(rowCount * 3),
        top: new Float32Array(rowCount), hard: new Uint16Array(rowCount) };
    }
    // The two largest responsibilities, where the page carries those: two component numbers and the first one's share.
    const largestTwo = at => [prepared[at] | prepared[at + 1] << 8, prepared[at + 2] | prepared[at + 3] << 8, prepared[at + 4] / 255];
    function refresh(layer, model, index, hues) {
      if (layer.model === model && layer.scheme === root.dataset.scheme) return;
      Object.assign(layer, { model, index, hues, scheme: root.dataset.scheme, sets: null });
      const { rgb, top, hard } = layer, K = classCount(model);
      const red = new Float64Array(K), green = new Float64Array(K), blue = new Float64Array(K);
      for (let k = 0; k < K; k++) [red[k], green[k], blue[k]] = hueOf(layer, k).rgb;
      if (prepared && index >= 0) {
        for (let i = 0, at = index * rowCount * 5; i < rowCount; i++, at += 5) {
          const [k, j, r] = largestTwo(at), s = 1 - r;
          rgb[3 * i] = r * red[k] + s * red[j];
          rgb[3 * i + 1] = r * green[k] + s * green[j];
          rgb[3 * i + 2] = r * blue[k] + s * blue[j];
          top[i] = r; hard[i] = k;
        }
        return;
      }
      layer.sets = patterns.map(group => coefficients(model, group.features));
      const logs = new Float64Array(K);
      patterns.forEach((group, g) => {
        const set = layer.sets[g], count = group.rows ? group.rows.length : rowCount;
        for (let q = 0; q < count; q++) {
          const i = group.rows ? group.rows[q] : q;
          const bestK = logJoint(set, i, logs), best = logs[bestK];
          let total = 0, r = 0, gr = 0, bl = 0;
          for (let k = 0; k < K; k++) {
            const gap = logs[k] - best;
            if (gap < -14) continue;
            const e = gap === 0 ? 1 : Math.exp(gap);
            total += e; r += e * red[k]; gr += e * green[k]; bl += e * blue[k];
          }
          rgb[3 * i] = r / total; rgb[3 * i + 1] = gr / total; rgb[3 * i + 2] = bl / total;
          top[i] = 1 / total; hard[i] = bestK;
        }
      });
    }
    function shares(layer, row) {
      if (!layer.sets) {
        const [k, j, r] = largestTwo((layer.index * rowCount + row) * 5);
        return r > 0.995 ? [[k, 1]] : [[k, r], [j, 1 - r]];
      }
      const g = patterns.findIndex(group => !group.rows || group.rows.includes(row));
      const logs = new Float64Array(classCount(layer.model)), best = logs[logJoint(layer.sets[g], row, logs)];
      const terms = Array.from(logs, value => Math.exp(value - best));
      const total = terms.reduce((a, b) => a + b, 0);
      return terms.map((t, k) => [k, t / total]).sort((a, b) => b[1] - a[1]).slice(0, 3)
        .filter(([, r]) => r >= 0.005);
    }

    // ---- Numbers as text -------------------------------------------------------------------
    const minus = text => text.replace(/-/g, '−');
    const grouped = value => minus(value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
    const whole = value => value.toLocaleString('en-US');
    const percent = value => value > 0.9995 ? '100 %' : (100 * value).toFixed(1) + ' %';
    const resolved = (value, spread) => minus(value.toFixed(Math.min(20, Math.max(0, 3 - Math.floor(Math.log10(spread))))));
    function ticks(lower, upper, count) {
      const span = upper - lower;
      if (!(span > 0)) return { values: [], labels: [] };
      const power = 10 ** Math.floor(Math.log10(span / Math.max(1, count)));
      const raw = span / Math.max(1, count) / power;
      const step = (raw <= 1 ? 1 : raw <= 2 ? 2 : raw <= 5 ? 5 : 10) * power;
      const values = [];
      for (let i = Math.ceil(lower / step); i <= Math.floor(upper / step) && values.length < 100; i++) values.push(i * step);
      const largest = Math.max(...values.map(Math.abs), 0);
      const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      const digits = largest > 0 ? Math.min(15, Math.max(0, Math.floor(Math.log10(largest)) - Math.floor(Math.log10(step) + 1e-9))) : 0;
      const scientific = largest >= 1e12 || (largest >= 1e6 && digits < 4) || (largest > 0 && largest < 1e-3);
      const labels = values.map(v => v === 0 ? '0' : minus(scientific ? v.toExponential(digits).replace('e+', 'e') : v.toFixed(Math.min(20, decimals))));
      return { values, labels };
    }

    // ---- Drawing ---------------------------------------------------------------------------
    const font = size => size + 'px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    function surface(canvas, height) {
      const ratio = Math.min(2, devicePixelRatio || 1), width = Math.max(120, canvas.parentElement.clientWidth);
      const w = Math.round(width * ratio), h = Math.round(height * ratio);
      if (canvas.width !== w || canvas.height !== h) {
        canvas.width = w; canvas.height = h;
        canvas.style.width = width + 'px'; canvas.style.height = height + 'px';
      }
      const pen = canvas.getContext('2d', { willReadFrequently: true });
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.fillStyle = ink.ground;
      pen.fillRect(0, 0, width, height);
      return { pen, width, height, ratio };
    }
    // A panel maps the axes' limits to a rectangle; its limits are in the units of the data.
    function panel(left, top, width, height, xs, ys) {
      return { left, top, width, height, xs, ys,
        x: v => left + (v - xs[0]) / (xs[1] - xs[0]) * width,
        y: v => top + height - (v - ys[0]) / (ys[1] - ys[0]) * height };
    }
    function axes(pen, area, { xName = '', yName = '', xTicks = true, yTicks = true, integers = false, yLabels = null } = {}) {
      pen.strokeStyle = ink.faint; pen.lineWidth = 1;
      pen.strokeRect(Math.round(area.left) + 0.5, Math.round(area.top) + 0.5, Math.round(area.width) - 1, Math.round(area.height) - 1);
      pen.fillStyle = ink.soft; pen.font = font(11.5); pen.strokeStyle = ink.soft;
      const line = (a, b, c, d) => { pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke(); };
      const bottom = area.top + area.height;
      if (xTicks) {
        pen.textAlign = 'center'; pen.textBaseline = 'top';
        const most = Math.max(3, Math.floor(area.width / (integers ? 28 : 55)));
        let set, count = integers ? Math.min(most, Math.max(1, Math.ceil(area.xs[1] - area.xs[0]))) : most;
        do {
          set = ticks(area.xs[0], area.xs[1], count--);
        } while (count > 1 && Math.max(...set.labels.map(l => pen.measureText(l).width)) * set.labels.length > area.width * 0.8);
        set.values.forEach((v, i) => {
          if (integers && v !== Math.round(v)) return;
          line(area.x(v), bottom, area.x(v), bottom + 4);
          const half = pen.measureText(set.labels[i]).width / 2;
          pen.fillText(set.labels[i], Math.min(area.x(v), area.left + area.width + 10 - half), bottom + 7);
        });
      }
      if (yTicks) {
        pen.textAlign = 'right'; pen.textBaseline = 'middle';
        const set = yLabels || ticks(area.ys[0], area.ys[1], Math.max(3, Math.floor(area.height / 45)));
        set.values.forEach((v, i) => {
          line(area.left - 4, area.y(v), area.left, area.y(v));
          pen.fillText(set.labels[i], area.left - 7, area.y(v));
        });
      }
      pen.fillStyle = ink.ink; pen.font = font(13); pen.textAlign = 'center';
      if (xName) { pen.textBaseline = 'bottom'; pen.fillText(fitted(pen, xName, area.width), area.left + area.width / 2, bottom + 41); }
      if (yName) {
        pen.save(); pen.translate(13, area.top + area.height / 2); pen.rotate(-Math.PI / 2);
        pen.textBaseline = 'middle'; pen.fillText(fitted(pen, yName, area.height), 0, 0); pen.restore();
      }
    }
    function fitted(pen, text, width) {
      if (pen.measureText(text).width <= width) return text;
      let cut = text;
      while (cut.length > 1 && pen.measureText(cut + '…').width > width) cut = cut.slice(0, -1);
      return cut + '…';
    }
    function leftMargin(pen, ys, height, named) {
      pen.font = font(11.5);
      const widest = Math.max(0, ...ticks(ys[0], ys[1], Math.max(3, Math.floor(height / 45))).labels.map(l => pen.measureText(l).width));
      return Math.ceil(widest) + 12 + (named ? 22 : 0);
    }
    // Coverage of a dot on the pixels around it, for 4 × 4 positions within a pixel.
    const stamps = new Map();
    function stamp(radius) {
      const key = Math.round(radius * 8);
      if (stamps.has(key)) return stamps.get(key);
      const size = 2 * Math.ceil(radius + 0.5) + 1, half = (size - 1) / 2, list = [];
      for (let phase = 0; phase < 16; phase++) {
        const cx = half + (phase & 3) / 4 + 0.125, cy = half + (phase >> 2) / 4 + 0.125;
        const xs = [], ys = [], covers = [];
        for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
          const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy)));
          if (cover > 0.02) { xs.push(x - half); ys.push(y - half); covers.push(cover); }
        }
        list.push({ half, xs, ys, covers: Float64Array.from(covers) });
      }
      stamps.set(key, list);
      return list;
    }
    function dots(view, area, fx, fy, layer, mode, limit) {
      const { pen, ratio } = view, count = Math.min(rowCount, limit);
      const left = Math.round(area.left * ratio), top = Math.round(area.top * ratio);
      const w = Math.max(1, Math.round(area.width * ratio)), h = Math.max(1, Math.round(area.height * ratio));
      const image = pen.createImageData(w, h), data = new Uint8Array(image.data.buffer);
      const ground = channels(ink.ground);
      const word = new Uint32Array(data.buffer);
      const probe = new Uint8Array([...ground, 255]);
      word.fill(new Uint32Array(probe.buffer)[0]);
      const base = Math.min(3.4, Math.max(0.65, Math.min(area.width, area.height) / 5.5 / Math.sqrt(count))) * ratio;
      const alpha = count > 2e4 ? Math.max(0.25, 0.55 * Math.sqrt(2e4 / count)) : 0.55;
      const xs = columns[fx], ys = columns[fy];
      // From stored units straight to pixels, in double precision.
      const ax = page.scales[fx] / (area.xs[1] - area.xs[0]) * w, bx = (page.offsets[fx] - area.xs[0]) / (area.xs[1] - area.xs[0]) * w;
      const ay = -page.scales[fy] / (area.ys[1] - area.ys[0]) * h, by = h - (page.offsets[fy] - area.ys[0]) / (area.ys[1] - area.ys[0]) * h;
      const calmInk = channels(ink.faint), hotInk = channels(ink.hot), K = Math.max(2, classCount(layer.model));
      const margin = radii ? 40 : 9;
      const fits = (mask, q, ix, iy) => {
        const x = ix + mask.xs[q], y = iy + mask.ys[q];
        return x >= 0 && y >= 0 && x < w && y < h;
      };
      const made = new Map();
      function masksOf(radius) {
        const key = Math.round(radius * 8);
        if (!made.has(key)) made.set(key, stamp(radius)
          .map(shape => ({ ...shape, offsets: Int32Array.from(shape.xs, (x, q) => (shape.ys[q] * w + x) << 2) })));
        return made.get(key);
      }
      function pass(radius, wantsUncertain) {
        let masks = masksOf(radius);
        for (let i = 0; i < count; i++) {
          if (radii) {
            if (!radii[i]) continue;
            masks = masksOf(radius * radii[i]);
          }
          let r, g, b, opacity = alpha;
          if (mode === 'uncertainty') {
            const doubt = (1 - layer.top[i]) / (1 - 1 / K);
            if ((doubt > 0.1) !== wantsUncertain) continue;
            const t = Math.min(1, doubt * 1.25);
            r = calmInk[0] + (hotInk[0] - calmInk[0]) * t; g = calmInk[1] + (hotInk[1] - calmInk[1]) * t; b = calmInk[2] + (hotInk[2] - calmInk[2]) * t;
            opacity = wantsUncertain ? 0.85 : alpha;
          } else if (mode === 'hard') {
            [r, g, b] = hueOf(layer, layer.hard[i]).rgb;
          } else if (mode === 'true' && trueLabels) {
            [r, g, b] = hue(page.truth.hues[trueLabels[i]]).rgb;
          } else { r = layer.rgb[3 * i]; g = layer.rgb[3 * i + 1]; b = layer.rgb[3 * i + 2]; }
          const px = ax * xs[i] + bx, py = ay * ys[i] + by;
          if (!(px > -margin && py > -margin && px < w + margin && py < h + margin)) continue;
          const ix = Math.floor(px), iy = Math.floor(py);
          const mask = masks[((py - iy) * 4 | 0) << 2 | (px - ix) * 4 | 0];
          const { offsets, covers, half } = mask, start = (iy * w + ix) << 2, strength = opacity * 256;
          const isInside = ix >= half && iy >= half && ix < w - half && iy < h - half;
          for (let q = 0; q < offsets.length; q++) {
            if (!isInside && !fits(mask, q, ix, iy)) continue;
            const at = start + offsets[q], a = covers[q] * strength | 0;
            data[at] += (r - data[at]) * a + 128 >> 8;
            data[at + 1] += (g - data[at + 1]) * a + 128 >> 8;
            data[at + 2] += (b - data[at + 2]) * a + 128 >> 8;
          }
        }
      }
      pass(base, false);
      if (mode === 'uncertainty') pass(Math.min(base * 1.9, base + 2 * ratio), true);
      pen.putImageData(image, left, top);
      marks(pen, area, fx, fy, layer, mode);
    }
    // The colour of a row where it is no dot.
    function inkOf(layer, mode, i) {
      const doubt = (1 - layer.top[i]) / (1 - 1 / Math.max(2, classCount(layer.model)));
      const hot = channels(ink.hot);
      const rgb = mode === 'hard' ? hueOf(layer, layer.hard[i]).rgb
        : mode === 'true' && trueLabels ? hue(page.truth.hues[trueLabels[i]]).rgb
        : mode === 'uncertainty' ? channels(ink.faint).map((v, c) => Math.round(v + (hot[c] - v) * doubt))
        : [layer.rgb[3 * i], layer.rgb[3 * i + 1], layer.rgb[3 * i + 2]];
      return 'rgb(' + rgb.join(',') + ')';
    }
    // An arrow from one limit, or a bar between two, with ends across; in pixels, NaN where there is no limit.
    function limitMark(pen, from, to, across, isHorizontal, lowerIsLess, reach) {
      const barb = reach * 0.3;
      const line = points => points.forEach(([a, b], n) => {
        const [x, y] = isHorizontal ? [a, across + b] : [across + b, a];
        if (n) pen.lineTo(x, y); else pen.moveTo(x, y);
      });
      if (from === from && to === to) {
        line([[from, 0], [to, 0]]);
        for (const end of [from, to]) line([[end, -barb], [end, barb]]);
        return;
      }
      const start = from === from ? from : to, towards = (from === from) === lowerIsLess ? 1 : -1, tip = start + towards * reach;
      line([[start, -barb], [start, barb]]);
      line([[start, 0], [tip, 0]]);
      line([[tip - towards * barb, -barb], [tip, 0], [tip - towards * barb, barb]]);
    }
    // Rows without one of two values: arrows and bars for limits, ticks at the axis of the feature that they have.
    function marks(pen, area, fx, fy, layer, mode) {
      const bottom = area.top + area.height, reach = Math.min(11, Math.max(6, Math.min(area.width, area.height) / 40));
      const middle = s => s[0] !== s[0] ? s[1] : s[1] !== s[1] ? s[0] : (s[0] + s[1]) / 2;
      const px = u => area.x(inUnits(u, fx)), py = u => area.y(inUnits(u, fy));
      clipTo(pen, area, () => {
        pen.globalAlpha = Math.max(0.25, Math.min(0.6, 20 / Math.sqrt(gapped.length))); pen.lineCap = 'round';
        // Any first rows are an even choice.
        for (const i of gapped.slice(0, 20000)) {
          const sx = spanOf(fx, i), sy = spanOf(fy, i);
          if ((!sx && !sy) || (radii && !radii[i])) continue;
          const isExactX = sx && sx[0] === sx[1], isExactY = sy && sy[0] === sy[1];
          if (isExactX && isExactY) continue;
          const x = sx ? px(middle(sx)) : area.left + 4, y = sy ? py(middle(sy)) : bottom - 4;
          pen.strokeStyle = inkOf(layer, mode, i); pen.lineWidth = 1.2 * (radii ? radii[i] : 1);
          pen.beginPath();
          if (!sy && isExactX) { pen.moveTo(x, bottom); pen.lineTo(x, bottom - 7); }
          if (!sx && isExactY) { pen.moveTo(area.left, y); pen.lineTo(area.left + 7, y); }
          if (sx && !isExactX) limitMark(pen, px(sx[0]), px(sx[1]), y, true, true, reach);
          if (sy && !isExactY) limitMark(pen, py(sy[0]), py(sy[1]), x, false, false, reach);
          pen.stroke();
        }
        pen.globalAlpha = 1; pen.lineCap = 'butt';
      });
    }
    function clipTo(pen, area, body) {
      pen.save(); pen.beginPath(); pen.rect(area.left, area.top, area.width, area.height); pen.clip();
      body(); pen.restore();
    }
    function ring(pen, area, model, k, fx, fy, size) {
      const xx = Math.sqrt(covariance(model, k, fx, fx)), xy = covariance(model, k, fx, fy) / xx;
      const yy = Math.sqrt(Math.max(0, covariance(model, k, fy, fy) - xy * xy));
      pen.beginPath();
      for (let s = 0; s <= 96; s++) {
        const t = s / 96 * 2 * Math.PI, c = size * Math.cos(t), q = size * Math.sin(t);
        pen.lineTo(area.x(inUnits(mean(model, k, fx) + xx * c, fx)), area.y(inUnits(mean(model, k, fy) + xy * c + yy * q, fy)));
      }
      pen.closePath();
    }
    function ellipses(pen, area, model, fx, fy, hues, { small = false } = {}) {
      const colour = k => hue(hues ? hues[k] : k).hex, alive = [...model.weights.keys()].filter(k => model.weights[k] > 0);
      pen.lineJoin = 'round';
      for (const k of alive) {
        if (state.twoSigma) {
          ring(pen, area, model, k, fx, fy, 2);
          pen.strokeStyle = colour(k); pen.lineWidth = 1.2; pen.setLineDash(dashOf(k)); pen.stroke(); pen.setLineDash([]);
        }
        ring(pen, area, model, k, fx, fy, 1);
        pen.strokeStyle = ink.halo; pen.lineWidth = small ? 3 : 5.2; pen.stroke();
        if (dashOf(k).length) { pen.strokeStyle = ink.ground; pen.lineWidth = small ? 1.4 : 2.6; pen.stroke(); }
        pen.strokeStyle = colour(k); pen.lineWidth = small ? 1.5 : 2.6; pen.setLineDash(dashOf(k)); pen.stroke(); pen.setLineDash([]);
      }
      if (small) return;
      for (const k of alive) {
        const x = area.x(inUnits(mean(model, k, fx), fx)), y = area.y(inUnits(mean(model, k, fy), fy));
        badge(pen, x, y, k, colour(k));
      }
    }
    function badge(pen, x, y, k, colour) {
      const crowded = frames[state.frame].K > 12;
      pen.beginPath(); pen.arc(x, y, k > 98 ? 10.5 : crowded ? 7.5 : 9.5, 0, 2 * Math.PI);
      pen.fillStyle = ink.ground; pen.fill(); pen.strokeStyle = ink.halo; pen.lineWidth = 3; pen.stroke();
      pen.strokeStyle = colour; pen.lineWidth = 1.8; pen.stroke();
      pen.fillStyle = ink.ink; pen.font = 'bold ' + font(crowded ? 9 : 11); pen.textAlign = 'center'; pen.textBaseline = 'middle';
      pen.fillText(String(k), x, y + 0.5);
    }
    // Lines of equal density that enclose 25, 50, 75 and 95 % of the mixture's mass within the axes.
    function contours(pen, area, model, fx, fy) {
      const size = 110, grid = new Float64Array(size * size);
      const sx = (area.xs[1] - area.xs[0]) / page.scales[fx], sy = (area.ys[1] - area.ys[0]) / page.scales[fy];
      const x0 = (area.xs[0] - page.offsets[fx]) / page.scales[fx], y0 = (area.ys[0] - page.offsets[fy]) / page.scales[fy];
      for (let k = 0; k < model.K; k++) {
        const a = covariance(model, k, fx, fx), b = covariance(model, k, fx, fy), c = covariance(model, k, fy, fy);
        const det = Math.max(a * c - b * b, 1e-300), scale = model.weights[k] / Math.sqrt(det);
        for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) {
          const x = x0 + sx * i / (size - 1) - mean(model, k, fx), y = y0 + sy * j / (size - 1) - mean(model, k, fy);
          const square = (c * x * x - 2 * b * x * y + a * y * y) / det;
          if (square < 60) grid[j * size + i] += scale * Math.exp(-0.5 * square);
        }
      }
      const order = Float64Array.from(grid).sort().reverse(), total = order.reduce((p, q) => p + q, 0);
      const levels = [], goals = [0.25, 0.5, 0.75, 0.95];
      let sum = 0;
      for (const value of order) {
        sum += value;
        while (goals.length && sum >= goals[0] * total) { levels.push(value); goals.shift(); }
      }
      const px = i => area.left + i / (size - 1) * area.width, py = j => area.top + area.height - j / (size - 1) * area.height;
      pen.strokeStyle = ink.ink; pen.lineWidth = 1;
      levels.forEach((level, n) => {
        pen.globalAlpha = 0.85 - 0.15 * n; pen.beginPath();
        for (let j = 0; j + 1 < size; j++) for (let i = 0; i + 1 < size; i++) {
          const v = [grid[j * size + i], grid[j * size + i + 1], grid[(j + 1) * size + i + 1], grid[(j + 1) * size + i]];
          const at = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cuts = [];
          for (let e = 0; e < 4; e++) {
            const p = v[e], q = v[(e + 1) % 4];
            if ((p > level) === (q > level)) continue;
            const t = (level - p) / (q - p), [x1, y1] = at[e], [x2, y2] = at[(e + 1) % 4];
            cuts.push([x1 + t * (x2 - x1), y1 + t * (y2 - y1)]);
          }
          for (let e = 0; e + 1 < cuts.length; e += 2) {
            pen.moveTo(px(cuts[e][0]), py(cuts[e][1])); pen.lineTo(px(cuts[e + 1][0]), py(cuts[e + 1][1]));
          }
        }
        pen.stroke();
      });
      pen.globalAlpha = 1;
    }

    // ---- Densities of one feature ----------------------------------------------------------
    const histograms = columns.map((column, f) => {
      const [low, high] = page.axes[f], bins = Math.min(90, Math.max(8, Math.ceil(2 * Math.cbrt(rowCount)))), counts = new Float64Array(bins);
      let total = 0;
      for (let i = 0; i < rowCount; i++) {
        const place = Math.floor((inUnits(column[i], f) - low) / (high - low) * bins);
        const weight = weights ? weights[i] : 1;
        if (spanOf(f, i)) total += weight;
        if (place >= 0 && place < bins) counts[place] += weight;
      }
      return counts.map(c => c / (total > 0 ? total : 1) * bins);
    });
    // The density per width of the axis: bars, the components and their sum.
    function density(view, area, model, f, hues, { badges = false, wide = false } = {}) {
      const { pen } = view, [low, high] = page.axes[f], span = (high - low) / page.scales[f];
      const start = (low - page.offsets[f]) / page.scales[f], bars = histograms[f];
      const places = [];
      for (let s = 0; s <= 200; s++) places.push(s / 200);
      for (let k = 0; k < model.K; k++) {
        const sd = Math.sqrt(covariance(model, k, f, f)) / span;
        if (sd < 0.02 && model.K <= 40) for (let s = -8; s <= 8; s++) places.push((mean(model, k, f) - start) / span + s * sd / 2);
      }
      const xs = Float64Array.from(places.filter(x => x >= 0 && x <= 1)).sort();
      const curves = [], all = new Float64Array(xs.length), ground = model.background, rest = ground ? 1 - ground.share : 1;
      if (ground && ground.lower) {
        const width = Math.exp(ground.logWidths[f]) / span, from = (ground.lower[f] - start) / span;
        xs.forEach((x, i) => { if (x >= from && x <= from + width) all[i] = ground.share / width; });
      }
      for (let k = 0; k < model.K; k++) {
        const sd = Math.sqrt(covariance(model, k, f, f)) / span, m = (mean(model, k, f) - start) / span;
        const top = rest * model.weights[k] / (sd * Math.sqrt(2 * Math.PI));
        // Beyond five standard deviations the curve is on the axis.
        let first = 0, last = xs.length - 1;
        while (first < last && xs[first + 1] < m - 5 * sd) first++;
        while (last > first && xs[last - 1] > m + 5 * sd) last--;
        const values = new Float64Array(last - first + 1);
        for (let i = first; i <= last; i++) {
          const z = (xs[i] - m) / sd;
          values[i - first] = top * Math.exp(-0.5 * z * z);
          all[i] += values[i - first];
        }
        curves.push({ first, values });
      }
      const barTop = Math.max(...bars), curveTop = all.reduce((a, b) => Math.max(a, b), 0);
      const top = (barTop > 0 ? Math.min(Math.max(barTop, curveTop), 2.5 * barTop) : curveTop || 1) * 1.08;
      const px = x => area.left + x * area.width, py = v => area.top + area.height - v / top * area.height;
      clipTo(pen, area, () => {
        pen.fillStyle = ink.bar;
        bars.forEach((v, i) => {
          const a = px(i / bars.length), b = px((i + 1) / bars.length);
          if (v > 0) pen.fillRect(a, py(v), Math.max(0.6, b - a - 0.6), v / top * area.height);
        });
        const trail = ({ first, values }, colour, width, dash) => {
          pen.beginPath(); values.forEach((v, i) => pen.lineTo(px(xs[first + i]), py(v)));
          pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(dash); pen.stroke(); pen.setLineDash([]);
        };
        // As with the ellipses: where one component is nearly all of the sum, both lines show.
        trail({ first: 0, values: all }, ink.ink, wide ? 4.4 : 2.8, []);
        curves.forEach((curve, k) => trail(curve, hue(hues ? hues[k] : k).hex, wide ? 2.2 : 1.4, dashOf(k)));
      });
      if (badges) curves.forEach((curve, k) => {
        const x = (mean(model, k, f) - start) / span;
        if (x < 0 || x > 1 || !(model.weights[k] > 0)) return;
        const peak = rest * model.weights[k] / (Math.sqrt(covariance(model, k, f, f)) / span * Math.sqrt(2 * Math.PI));
        badge(pen, px(x), Math.max(area.top + 12, py(peak)), k, hue(hues ? hues[k] : k).hex);
      });
      return top / (high - low);
    }

    // ---- State -----------------------------------------------------------------------------
    const state = { frame: frames.length - 1, fx: page.first[0], fy: page.first[1], view: 'pair', mode: 'blend',
      twoSigma: false, contours: false, ellipses: true, playing: false, criterion: 'bic' };
    const fitLayer = newLayer(), trueLayer = truth ? newLayer() : null;
    let scheduled = false, seenAreas = new Map();
    function invalidate() {
      if (scheduled) return;
      scheduled = true;
      requestAnimationFrame(() => { scheduled = false; render(); });
    }
    const narrow = () => innerWidth < 640;

    function drawPair(canvas, layer, mode) {
      const { fx, fy } = state, height = Math.round(Math.min(Math.max(260, canvas.parentElement.clientWidth * (narrow() ? 0.92 : 0.78)), narrow() ? 460 : Math.max(420, innerHeight * 0.72)));
      const view = surface(canvas, height), { pen, width } = view;
      const left = leftMargin(pen, page.axes[fy], height, true);
      const area = panel(left, 10, width - left - 12, height - 58, page.axes[fx], page.axes[fy]);
      dots(view, area, fx, fy, layer, mode, Infinity);
      clipTo(pen, area, () => {
        if (state.contours) contours(pen, area, layer.model, fx, fy);
        if (state.ellipses) ellipses(pen, area, layer.model, fx, fy, layer.hues);
      });
      axes(pen, area, { xName: page.features[fx], yName: page.features[fy] });
      seenAreas.set(canvas, { area, layer });
    }
    function drawLine(canvas, layer, mode) {
      const height = narrow() ? 340 : 440, view = surface(canvas, height), { pen, width } = view, left = 62;
      const area = panel(left, 10, width - left - 12, height - 58 - 46, page.axes[0], [0, 1]);
      const top = density(view, area, layer.model, 0, layer.hues, { badges: true, wide: true });
      // The dots below the curves are spread only so that they do not hide each other.
      const strip = panel(left, area.top + area.height, area.width, 46, page.axes[0], [0, 1]);
      const image = { ...strip };
      stripOfDots(view, image, layer, mode);
      axes(pen, { ...area, ys: [0, top], y: v => area.top + area.height - v / top * area.height, height: area.height }, { xTicks: false, yName: 'density' });
      axes(pen, strip, { yTicks: false, xName: page.features[0] });
    }
    function stripOfDots(view, strip, layer, mode) {
      const { pen } = view, count = Math.min(rowCount, 4000);
      pen.fillStyle = ink.ground; pen.fillRect(strip.left, strip.top, strip.width, strip.height);
      pen.globalAlpha = 0.5;
      for (let i = 0; i < count; i++) {
        const x = strip.x(inUnits(columns[0][i], 0)), y = strip.top + 5 + (i * 0.6180339887 % 1) * (strip.height - 10);
        const span = spanOf(0, i), radius = radii ? radii[i] : 1;
        if (!span || !radius) continue;
        if (span[0] !== span[1]) {
          const px = u => strip.x(inUnits(u, 0));
          pen.strokeStyle = inkOf(layer, mode, i); pen.lineWidth = 1.2 * radius;
          pen.beginPath(); limitMark(pen, px(span[0]), px(span[1]), y, true, true, 8); pen.stroke();
          continue;
        }
        if (!(x >= strip.left && x <= strip.left + strip.width)) continue;
        pen.fillStyle = inkOf(layer, mode, i);
        pen.beginPath(); pen.arc(x, y, 2.2 * radius, 0, 7); pen.fill();
      }
      pen.globalAlpha = 1;
    }
    function drawMatrix(canvas, layer, mode) {
      const s = Math.min(6, featureCount), outer = canvas.parentElement.clientWidth;
      const height = Math.round(Math.min(outer, narrow() ? outer : Math.max(560, innerHeight * 0.86)));
      const view = surface(canvas, height), { pen, width } = view, gap = narrow() ? 3 : 7, edge = narrow() ? 4 : 8;
      const w = (width - 2 * edge - gap * (s - 1)) / s, h = (height - 2 * edge - gap * (s - 1)) / s, cells = [];
      for (let row = 0; row < s; row++) for (let column = 0; column <= row; column++) {
        const area = panel(edge + column * (w + gap), edge + row * (h + gap), w, h, page.axes[column], page.axes[row]);
        if (row === column) density(view, area, layer.model, row, layer.hues);
        else {
          dots(view, area, column, row, layer, mode, 20000);
          if (state.ellipses) clipTo(pen, area, () => ellipses(pen, area, layer.model, column, row, layer.hues, { small: true }));
          cells.push({ area, column, row });
        }
        axes(pen, area, { xTicks: false, yTicks: false });
        if (row === column) {
          pen.font = 'bold ' + font(narrow() ? 10 : 12); pen.textAlign = 'left'; pen.textBaseline = 'top';
          const text = fitted(pen, page.features[row], w - 10), wide = pen.measureText(text).width;
          pen.globalAlpha = 0.8; pen.fillStyle = ink.ground; pen.fillRect(area.left + 3, area.top + 3, wide + 4, narrow() ? 13 : 16); pen.globalAlpha = 1;
          pen.fillStyle = ink.ink; pen.fillText(text, area.left + 5, area.top + 4);
        }
      }
      seenAreas.set(canvas, { cells, layer });
    }
    function drawMain(canvas, layer, mode) {
      if (featureCount === 1) drawLine(canvas, layer, mode);
      else if (state.view === 'matrix') drawMatrix(canvas, layer, mode);
      else drawPair(canvas, layer, mode);
    }

    // ---- Charts beside the picture ---------------------------------------------------------
    function drawTrace() {
      const canvas = byId('trace');
      if (!canvas) return;
      const its = page.trace.iterations, values = page.trace.values;
      const view = surface(canvas, 230), { pen, width } = view;
      let low = Math.min(...values), high = Math.max(...values);
      const pad = (high - low) * 0.06 || 1, ys = [low - pad, high + pad];
      const left = leftMargin(pen, ys, 170, false), last = Math.max(1, its[its.length - 1]);
      const area = panel(left, 10, width - left - 14, 168, [0, last], ys);
      pen.beginPath(); its.forEach((it, i) => pen.lineTo(area.x(it), area.y(values[i])));
      pen.strokeStyle = hue(0).hex; pen.lineWidth = 2; pen.stroke();
      if (its.length <= 60) its.forEach((it, i) => { pen.beginPath(); pen.arc(area.x(it), area.y(values[i]), 2.6, 0, 7); pen.fillStyle = hue(0).hex; pen.fill(); });
      axes(pen, area, { xName: 'iteration', integers: true });
      const frame = frames[state.frame], x = area.x(Math.min(frame.iteration, last));
      pen.strokeStyle = ink.hot; pen.lineWidth = 1.5;
      pen.beginPath(); pen.moveTo(x, area.top); pen.lineTo(x, area.top + area.height); pen.stroke();
      if (frame.objective !== null) {
        pen.beginPath(); pen.arc(x, area.y(frame.objective), 5, 0, 7); pen.fillStyle = ink.hot; pen.fill();
      }
      seenAreas.set(canvas, { area });
    }
    function drawWeights() {
      const canvas = byId('weights');
      if (!canvas) return;
      const view = surface(canvas, 230), { pen, width } = view, last = Math.max(1, frames[frames.length - 1].iteration);
      const area = panel(44, 10, width - 58, 168, [0, last], [0, 1]);
      const K = Math.max(...frames.map(f => f.K)), below = frames.map(() => 0);
      for (let k = 0; k < K; k++) {
        const lower = below.slice();
        frames.forEach((f, i) => { below[i] += f.weights[k] || 0; });
        pen.beginPath();
        frames.forEach((f, i) => pen.lineTo(area.x(f.iteration), area.y(below[i])));
        for (let i = frames.length - 1; i >= 0; i--) pen.lineTo(area.x(frames[i].iteration), area.y(lower[i]));
        pen.closePath(); pen.globalAlpha = 0.8; pen.fillStyle = hue(k).hex; pen.fill(); pen.globalAlpha = 1;
        pen.strokeStyle = ink.ground; pen.lineWidth = 1; pen.stroke();
        const final = below[frames.length - 1] - lower[frames.length - 1];
        if (final * 168 > 14) {
          pen.fillStyle = ink.ground; pen.font = 'bold ' + font(11); pen.textAlign = 'right'; pen.textBaseline = 'middle';
          pen.fillText(String(k), area.left + area.width - 6, area.y(below[frames.length - 1] - final / 2));
        }
      }
      axes(pen, area, { xName: 'iteration', integers: true });
      const x = area.x(frames[state.frame].iteration);
      pen.strokeStyle = ink.ink; pen.lineWidth = 1.5; pen.beginPath(); pen.moveTo(x, area.top); pen.lineTo(x, area.top + area.height); pen.stroke();
      seenAreas.set(canvas, { area });
    }
    function drawMarginal(canvas) {
      const f = +canvas.dataset.marginal, view = surface(canvas, 170), { pen, width } = view;
      const area = panel(8, 8, width - 16, 112, page.axes[f], [0, 1]);
      density(view, area, frames[state.frame], f, null);
      axes(pen, area, { yTicks: false, xName: page.features[f] });
    }
    function drawDoubt() {
      const canvas = byId('doubt'), view = surface(canvas, 230), { pen, width } = view, bins = 20;
      // No row's largest responsibility is below 1/K.
      const from = Math.min(0.5, Math.floor(10 / Math.max(2, classCount(frames[state.frame]))) / 10), span = 1 - from;
      const counts = new Float64Array(bins);
      let sure = 0, unsure = 0, seen = 0;
      for (let i = 0; i < rowCount; i++) {
        if (radii && !radii[i]) continue;
        const t = fitLayer.top[i];
        seen++;
        counts[Math.max(0, Math.min(bins - 1, Math.floor((t - from) / span * bins)))]++;
        if (t > 0.9) sure++;
        if (t < 0.6) unsure++;
      }
      const high = Math.max(...counts) / Math.max(1, seen), area = panel(50, 10, width - 64, 168, [from, 1], [0, Math.sqrt(high) * 1.05]);
      clipTo(pen, area, () => counts.forEach((c, i) => {
        const y = area.y(Math.sqrt(c / Math.max(1, seen)));
        pen.fillStyle = from + (i + 0.5) / bins * span < 0.6 ? ink.hot : ink.bar;
        if (c) pen.fillRect(area.x(from + i / bins * span) + 1, Math.min(y, area.top + area.height - 1.5), area.width / bins - 2, area.top + area.height);
      }));
      const marks = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1].filter(v => v <= high * 1.1);
      axes(pen, area, { xName: 'largest responsibility', yLabels: { values: marks.map(Math.sqrt), labels: marks.map(v => Math.round(100 * v) + ' %') } });
      byId('doubt-text').textContent = percent(sure / Math.max(1, seen)) + ' of the rows drawn belong to one component with probability above 0.9; '
        + percent(unsure / Math.max(1, seen)) + ' to none with probability above 0.6. Heights are on a square-root scale.';
    }
  function drawCriterion() {
      const canvas = byId('criterion');
      if (!canvas) return;
      const name = state.criterion, list = page.candidates.filter(c => c[name] !== null);
      const structures = [...new Set(list.map(c => c.structure))];
      const view = surface(canvas, narrow() ? 320 : 360), { pen, width, height } = view;
      if (!list.length) return;
      const ks = list.map(c => c.K), values = list.map(c => c[name]);
      const pad = (Math.max(...values) - Math.min(...values)) * 0.06 || 1, least = Math.min(...values);
      // Candidates that are far behind leave at the top.
      const far = least + 3 * ([...values].sort((a, b) => a - b)[values.length >> 1] - least), most = Math.max(...values);
      const isCut = far > least && far < most, high = isCut ? far : most + pad, ys = [least - (isCut ? (far - least) * 0.06 : pad), high];
      const left = leftMargin(pen, ys, height - 90, false), rows = Math.ceil(structures.length / Math.max(1, Math.floor((width - left) / 84)));
      const area = panel(left, 10 + rows * 20, width - left - 14, height - 66 - rows * 20, [Math.min(...ks) - 0.4, Math.max(...ks) + 0.4], ys);
      structures.forEach((structure, s) => {
        pen.save(); pen.beginPath(); pen.rect(left, 10 + rows * 20, width - left - 14, height - 66 - rows * 20); pen.clip();
        const points = list.filter(c => c.structure === structure).sort((a, b) => a.K - b.K);
        pen.strokeStyle = pen.fillStyle = hue(s).hex; pen.lineWidth = 2; pen.setLineDash(dashOf(s));
        pen.beginPath(); points.forEach(c => pen.lineTo(area.x(c.K), area.y(c[name]))); pen.stroke(); pen.setLineDash([]);
        points.forEach(c => { pen.beginPath(); pen.arc(area.x(c.K), area.y(c[name]), 3.4, 0, 7); pen.fill(); });
        pen.restore(); pen.strokeStyle = pen.fillStyle = hue(s).hex; pen.lineWidth = 2;
        const perRow = Math.max(1, Math.floor((width - left) / 84)), lx = left + (s % perRow) * 84, ly = 10 + Math.floor(s / perRow) * 20;
        pen.setLineDash(dashOf(s)); pen.beginPath(); pen.moveTo(lx, ly); pen.lineTo(lx + 26, ly); pen.stroke(); pen.setLineDash([]);
        pen.beginPath(); pen.arc(lx + 13, ly, 3.4, 0, 7); pen.fill();
        pen.fillStyle = ink.ink; pen.font = font(12); pen.textAlign = 'left'; pen.textBaseline = 'middle'; pen.fillText(structure, lx + 32, ly);
      });
      const best = list.reduce((a, b) => b[name] < a[name] ? b : a);
      pen.strokeStyle = ink.ink; pen.lineWidth = 2; pen.beginPath(); pen.arc(area.x(best.K), area.y(best[name]), 8, 0, 7); pen.stroke();
      axes(pen, area, { xName: 'number of components', integers: true });
      byId('criterion-text').textContent = 'Smallest ' + name.toUpperCase() + ': ' + grouped(best[name]) + ', ' + best.K
        + (best.K === 1 ? ' component' : ' components') + ', ' + best.structure + ' (ringed).';
    }

    // ---- Putting it on the page ------------------------------------------------------------
    // A chart that is out of sight waits until it comes into sight, so that playing stays quick.
    const charts = [['trace', drawTrace], ['weights', drawWeights], ['doubt', drawDoubt]]
      .map(([id, draw]) => ({ canvas: byId(id), draw, isStale: true })).filter(chart => chart.canvas)
      .concat([...document.querySelectorAll('canvas[data-marginal]')]
        .map(canvas => ({ canvas, draw: () => drawMarginal(canvas), isStale: true })));
    function drawCharts(all) {
      for (const chart of charts) {
        if (!chart.isStale) continue;
        const box = chart.canvas.getBoundingClientRect();
        if (!all && (box.bottom < -200 || box.top > innerHeight + 200)) continue;
        chart.isStale = false;
        chart.draw();
      }
    }
    addEventListener('scroll', () => { if (!scheduled) requestAnimationFrame(() => drawCharts(false)); }, { passive: true });
    function render() {
      const frame = frames[state.frame];
      refresh(fitLayer, frame, state.frame, null);
      drawMain(byId('fitted'), fitLayer, state.mode);
      if (truth) {
        refresh(trueLayer, truth, -1, page.truth.hues);
        drawMain(byId('truth'), trueLayer, trueLabels && state.mode !== 'uncertainty' ? 'true' : state.mode);
      }
      charts.forEach(chart => { chart.isStale = true; });
      drawCharts(drawsAll);
      drawsAll = false;
      const slider = byId('slider');
      const text = !page.fitted ? '' : 'Iteration ' + whole(frame.iteration)
        + (frame.objective === null ? '' : ' · ' + page.objective + ' ' + grouped(frame.objective));
      byId('now').textContent = text;
      byId('fitted').setAttribute('aria-label', 'The data and ' + frame.K + (frame.K === 1 ? ' component. ' : ' components. ') + text);
      if (slider) {
        slider.value = String(state.frame);
        slider.setAttribute('aria-valuetext', text);
        byId('play').dataset.playing = String(state.playing);
      byId('play-word').textContent = state.playing ? 'Pause' : 'Play';
      }
    }
    function seek(index) {
      const next = Math.min(frames.length - 1, Math.max(0, index));
      if (next !== state.frame) { state.frame = next; hideTip(); invalidate(); }
    }
    let clock = 0;
    function tick(time) {
      if (!state.playing) return;
      const pause = Math.min(420, Math.max(70, 9000 / frames.length));
      if (time - clock >= pause) {
        clock = time;
        if (state.frame >= frames.length - 1) { state.playing = false; invalidate(); return; }
        seek(state.frame + 1);
      }
      requestAnimationFrame(tick);
    }
    function play(on) {
      if (frames.length < 2) return;
      state.playing = on;
      if (on) {
        if (state.frame === frames.length - 1) seek(0);
        clock = performance.now();
        requestAnimationFrame(tick);
      }
      invalidate();
    }
    const step = by => { play(false); seek(state.frame + by); };

    const tip = byId('tip');
    function hideTip() { tip.hidden = true; }
    function showTip(event) {
      const canvas = event.currentTarget, seen = seenAreas.get(canvas);
      if (featureCount < 2 || state.view !== 'pair' || !seen || !seen.area) return hideTip();
      const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      const { fx, fy } = state, { area, layer } = seen;
      const ax = page.scales[fx] / (area.xs[1] - area.xs[0]) * area.width, bx = area.x(page.offsets[fx]);
      const ay = -page.scales[fy] / (area.ys[1] - area.ys[0]) * area.height, by = area.y(page.offsets[fy]);
      let nearest = -1, least = 100;
      for (let i = 0; i < rowCount; i++) {
        const dx = ax * columns[fx][i] + bx - px, dy = ay * columns[fy][i] + by - py, d = dx * dx + dy * dy;
        if (d < least && (!radii || radii[i])) { least = d; nearest = i; }
      }
      if (nearest < 0) return hideTip();
      const lines = ['row ' + whole(rowNumber(nearest)),
        ...[fx, fy].map(f => page.features[f] + ' ' + resolved(inUnits(columns[f][nearest], f), page.scales[f])),
        ...shares(layer, nearest).map(([k, r]) => (k >= layer.model.K ? 'background' : (canvas.id === 'truth' ? 'true component ' : 'component ') + k) + ': ' + percent(r))];
      tip.replaceChildren(...lines.map((line, i) => {
        const item = document.createElement('div');
        item.textContent = line;
        if (!i) item.className = 'strong';
        return item;
      }));
      tip.hidden = false;
      const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8), y = event.clientY + 16;
      tip.style.left = Math.max(4, x) + 'px';
      tip.style.top = (y + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 12 : y) + 'px';
    }
    for (const id of ['fitted', 'truth']) {
      const canvas = byId(id);
      if (!canvas) continue;
      canvas.addEventListener('pointermove', showTip);
      canvas.addEventListener('pointerdown', showTip);
      canvas.addEventListener('pointerleave', hideTip);
      canvas.addEventListener('click', event => {
        const seen = seenAreas.get(canvas);
        if (state.view !== 'matrix' || !seen || !seen.cells) return;
        const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
        const cell = seen.cells.find(({ area }) => x >= area.left && x <= area.left + area.width && y >= area.top && y <= area.top + area.height);
        if (cell) { state.fx = cell.column; state.fy = cell.row; setView('pair'); }
      });
    }
    function setView(view) {
      state.view = view;
      byId('view').setAttribute('aria-pressed', String(view === 'matrix'));
      byId('feature-x').value = String(state.fx); byId('feature-y').value = String(state.fy);
      hideTip(); invalidate();
    }
    for (const id of ['trace', 'weights']) {
      const canvas = byId(id);
      if (!canvas) continue;
      const go = event => {
        const { area } = seenAreas.get(canvas);
        const at = area.xs[0] + (event.clientX - canvas.getBoundingClientRect().left - area.left) / area.width * (area.xs[1] - area.xs[0]);
        let best = 0;
        frames.forEach((f, i) => { if (Math.abs(f.iteration - at) < Math.abs(frames[best].iteration - at)) best = i; });
        play(false); seek(best);
      };
      canvas.addEventListener('pointerdown', go);
      canvas.addEventListener('pointermove', event => { if (event.buttons & 1) go(event); });
    }
    const on = (id, type, body) => { const element = byId(id); if (element) element.addEventListener(type, body); };
    on('play', 'click', () => play(!state.playing));
    on('back', 'click', () => step(-1));
    on('forward', 'click', () => step(1));
    on('first', 'click', () => step(-Infinity));
    on('last', 'click', () => step(Infinity));
    on('slider', 'input', event => { play(false); seek(+event.target.value); });
    on('mode', 'change', event => { state.mode = event.target.value; invalidate(); });
    on('criterion-name', 'change', event => { state.criterion = event.target.value; drawCriterion(); });
    for (const key of ['ellipses', 'twoSigma', 'contours'])
      on(key, 'change', event => { state[key] = event.target.checked; invalidate(); });
    for (const [id, key, other] of [['feature-x', 'fx', 'fy'], ['feature-y', 'fy', 'fx']])
      on(id, 'change', event => {
        const chosen = +event.target.value;
        if (chosen === state[other]) state[other] = state[key];
        state[key] = chosen;
        setView('pair');
      });
    on('view', 'click', () => setView(state.view === 'matrix' ? 'pair' : 'matrix'));
    on('scheme', 'click', () => { scheme = scheme === 'dark' ? 'light' : 'dark'; applyScheme(scheme); drawCriterion(); invalidate(); });
    prefersDark.addEventListener('change', event => {
      if (wanted) return;
      scheme = event.matches ? 'dark' : 'light';
      applyScheme(scheme); drawCriterion(); invalidate();
    });
    addEventListener('beforeprint', () => { applyScheme('light'); drawCriterion(); render(); });
    addEventListener('afterprint', () => { applyScheme(scheme); drawCriterion(); render(); });
    document.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest('select, button, summary, a, input:not([type=range])')) return;
      const actions = { ' ': () => play(!state.playing), ArrowRight: () => step(1), ArrowLeft: () => step(-1),
        Home: () => step(-Infinity), End: () => step(Infinity) };
      const isSlider = event.target.matches('input[type=range]');
      if (frames.length < 2 || !(event.key in actions) || (isSlider && event.key !== ' ')) return;
      event.preventDefault();
      actions[event.key]();
    });
    let width = 0;
    new ResizeObserver(() => {
      if (root.clientWidth === width) return;
      width = root.clientWidth;
      drawsAll = true;
      drawCriterion(); invalidate();
    }).observe(root);

    applyScheme(scheme);
    if (byId('criterion-name')) state.criterion = byId('criterion-name').value;
    drawCriterion();
    setView('pair');
    render();
    if (page.plays && !calm && frames.length > 1) { state.frame = 0; play(true); }
  })();
  """#
