package crash

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// point is a value at a time, in seconds since the beginning.
type point struct{ x, y float64 }

// curves are the pictures that a soak draws: points by picture and by name.
type curves map[string]map[string][]point

func (c curves) add(picture, name string, x, y float64) {
	if c[picture] == nil {
		c[picture] = map[string][]point{}
	}
	c[picture][name] = append(c[picture][name], point{x, y})
}

var inks = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#7f7f7f", "#bcbd22", "#393b79", "#637939", "#843c39", "#7b4173"}

const (
	wide, high         = 1000.0, 360.0
	left, bottom, side = 60.0, 30.0, 150.0
)

// draw writes each picture as SVG. The grey lines are the moments at which a
// server was ended.
func (c curves) draw(folder string, blows []float64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, lines := range c {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), []byte(picture(name, lines, blows)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// picture has a logarithmic scale where its values differ a lot, as times do.
func picture(title string, lines map[string][]point, blows []float64) string {
	var end, most float64
	for _, line := range lines {
		for _, p := range line {
			end, most = max(end, p.x), max(most, p.y)
		}
	}
	logs := title == "p99"
	x := func(v float64) float64 { return left + v/max(end, 1)*(wide-left-side) }
	y := func(v float64) float64 {
		share := v / max(most, 1)
		if logs {
			share = math.Log10(max(v, 0.1)*10) / math.Log10(max(most, 1)*10)
		}
		return high - bottom - share*(high-2*bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="#fff"/>`, wide, high)
	unit := map[string]string{"p99": "milliseconds, the 99th of 100", "memory": "MiB"}[title]
	fmt.Fprintf(&b, `<text x="%g" y="18" font-weight="bold">%s</text><text x="%g" y="18">%s</text>`+"\n", left, title, left+80, unit)
	for _, at := range blows {
		fmt.Fprintf(&b, `<path d="M%.1f %g V%g" stroke="#ddd"/>`, x(at), bottom, high-bottom)
	}
	for _, v := range ticks(most, logs) {
		fmt.Fprintf(&b, `<path d="M%g %.1f H%g" stroke="#eee"/><text x="%g" y="%.1f" text-anchor="end">%g</text>`, left, y(v), wide-side, left-6, y(v)+4, v)
	}
	for i := range 7 {
		v := end * float64(i) / 6
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%.1f min</text>`, x(v), high-10, v/60)
	}
	for i, name := range slices.Sorted(maps.Keys(lines)) {
		ink := inks[i%len(inks)]
		var at []string
		for _, p := range lines[name] {
			at = append(at, fmt.Sprintf("%.1f,%.1f", x(p.x), y(p.y)))
		}
		fmt.Fprintf(&b, "\n"+`<polyline fill="none" stroke="%s" points="%s"/><text x="%g" y="%g" fill="%s">%s</text>`, ink, strings.Join(at, " "), wide-side+10, bottom+10+float64(i)*16, ink, name)
	}
	return b.String() + "</svg>\n"
}

func ticks(most float64, logs bool) (list []float64) {
	if logs {
		for v := 0.1; v <= most; v *= 10 {
			list = append(list, math.Round(v*10)/10)
		}
		return list
	}
	step := math.Pow(10, math.Floor(math.Log10(max(most, 1))))
	for v := 0.0; v <= most; v += step / 2 {
		list = append(list, v)
	}
	return list
}
