import json
from mpmath import mp, mpf, quad, exp, log, sqrt, erfc, pi, inf, ncdf, linspace
mp.dps = 60

def tail(x): return erfc(x / sqrt(2)) / 2
def probability(a, b):
    if a == -inf and b == inf: return mpf(1)
    return tail(a) - tail(b) if a + b > 0 else tail(-b) - tail(-a)
def density(x): return mpf(0) if abs(x) == inf else exp(-x * x / 2) / sqrt(2 * pi)
def moments(m, v, a, b):
    m, v, a, b = map(mpf, (m, v, a, b)); s = sqrt(v)
    p, u = (a - m) / s, (b - m) / s
    P = probability(p, u); f, g = density(p), density(u)
    mean = (f - g) / P
    second = 1 + ((p * f if f else 0) - (u * g if g else 0)) / P
    return log(P), m + s * mean, v * (second - mean ** 2)

mp.dps = 400
ends = [("-inf", x) for x in (-200., -30., -8., -1., 0., 0.5, 3., 9.)] + [(x, "inf") for x in (-9., -2., 0., 0.25, 1., 5., 37., 1000.)]
for x in (-50., -6., -2.5, -1., -0.5, 0., 0.75, 1.25, 3., 8., 29., 31., 120.):
    for w in (2.**-40, 2.**-20, 0.0078125, 0.25, 1., 1.875, 2.5, 4., 11.):
        ends.append((x, x + w))
intervals = []
for m, v in ((0., 1.), (3.5, 0.0625)):
    for a, b in ends if m == 0 else ends[::5]:
        r = moments(m, v, float(a), float(b))
        intervals.append([m, v, str(a), str(b)] + [mp.nstr(x, 20) for x in r])
tails = [[x, mp.nstr(log(tail(-mpf(x))), 20)] for x in (-1e10, -300., -38.5, -37., -20., -5., -1.5, -0.25, 0., 0.3, 1., 3., 6., 8.5, 20., 37.)]

mp.dps = 25
def one_factor(load, rest, lower, upper):
    d = len(load)
    load, rest = [mpf(x) for x in load], [mpf(x) for x in rest]
    def parts(z):
        return [moments(l * z, r, a, b) for l, r, a, b in zip(load, rest, lower, upper)]
    total, first, second = mpf(0), [mpf(0)] * d, {}
    # The trapezoidal rule is exact to all digits for smooth integrands that vanish at both ends.
    n, h = 0, mpf(1) / 16
    for k in range(-10 * 16, 10 * 16 + 1):
        z = k * h; q = parts(z); w = density(z) * h
        for x in q: w *= exp(x[0])
        total += w
        for i in range(d):
            first[i] += w * q[i][1]
            for j in range(i + 1):
                second[i, j] = second.get((i, j), mpf(0)) + w * (q[i][1] * q[j][1] + (q[i][2] if i == j else 0))
    mean = [x / total for x in first]
    cov = [second[i, j] / total - mean[i] * mean[j] for i in range(d) for j in range(i + 1)]
    return [mp.nstr(log(total), 18), [mp.nstr(x, 18) for x in mean], [mp.nstr(x, 18) for x in cov]]
boxes = []
for load, rest, lower, upper in (
    ([1., 1.], [1., 1.], [0., 0.], [float("inf")] * 2),
    ([1., -0.75], [0.5, 1.], [-1., 0.5], [1.5, 2.]),
    ([1.5, 0.5], [0.5, 2.], [4., -float("inf")], [float("inf"), -3.]),
    ([1.] * 5, [1.] * 5, [0.] * 5, [float("inf")] * 5),
    ([1., 0.5, -0.5, 0.25, 1.5], [0.5, 1., 1.5, 0.75, 1.], [-1., -2., -1., 0., -float("inf")], [2., 1., 3., 1., 1.]),
    ([0.5, 0.75, 1., 0.25, -0.5], [1., 0.5, 0.75, 1.25, 1.], [2., 1.5, 2., -4., -5.], [4., 5., float("inf"), 4., 6.])):
    boxes.append({"loadings": load, "variances": rest, "lower": [str(x) for x in lower], "upper": [str(x) for x in upper],
                  "result": one_factor(load, rest, lower, upper)})
def lines(rows): return "[\n" + ",\n".join("    " + json.dumps(r) for r in rows) + "\n  ]"
print('{\n  "logCumulative": %s,\n  "intervals": %s,\n  "boxes": %s\n}' % (lines(tails), lines(intervals), lines(boxes)))
