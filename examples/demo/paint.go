package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"sync"
)

// palette is colours from one end to the other.
type palette []uint32

// at mixes the two colours beside t, which runs from 0 to 1.
func (p palette) at(t float64) [3]float64 {
	t = max(0, min(t, 1)) * float64(len(p)-1)
	i := min(int(t), len(p)-2)
	part := t - float64(i)
	var mixed [3]float64
	for c := range mixed {
		shift := 16 - 8*c
		from, to := float64(p[i]>>shift&255), float64(p[i+1]>>shift&255)
		mixed[c] = from + (to-from)*part
	}
	return mixed
}

// painting says which place between the ends of the palette a point has; y
// runs from 0 to 1, x as far as the picture is wide.
type painting struct {
	width, height int
	colours       palette
	shade         func(x, y float64) float64
}

var paintings = map[string]painting{
	"portrait":      {600, 600, palette{0x1c2a3a, 0x35576b, 0xe9d8b8, 0xd9603b}, portrait},
	"tidal":         {1280, 800, palette{0x0e2a3f, 0x1d5a73, 0x4fa0a4, 0xb9d8c5, 0xf3ead3}, tide(1)},
	"tidal-chart":   {1280, 800, palette{0xf3ead3, 0xe7c48c, 0xd9803f, 0x8c3b2a}, tide(1.9)},
	"lantern":       {1280, 800, palette{0x1f1a17, 0x7a3b1d, 0xe2993c, 0xfbe7b3}, lantern(0.8, 0.45)},
	"lantern-night": {1280, 800, palette{0x12161f, 0x2c3d63, 0x8aa0cf, 0xf1e9d2}, lantern(0.3, 0.7)},
	"letters":       {1280, 800, palette{0xefe6d6, 0xd8a48f, 0xb5523b, 0x3c2a3e}, letters},
	"kestrel":       {1280, 800, palette{0xe9e4d4, 0x9db08a, 0x4f6f52, 0x22382f}, kestrel},
}

// paintAll makes every picture as a JPEG.
func paintAll() map[string][]byte {
	all := map[string][]byte{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for name, p := range paintings {
		group.Go(func() {
			text := p.jpeg()
			mu.Lock()
			defer mu.Unlock()
			all[name] = text
		})
	}
	group.Wait()
	return all
}

// jpeg takes four samples a pixel, so that edges are smooth.
func (p painting) jpeg() []byte {
	m := image.NewRGBA(image.Rect(0, 0, p.width, p.height))
	for y := range p.height {
		for x := range p.width {
			var sum [3]float64
			for _, d := range [][2]float64{{0.25, 0.25}, {0.75, 0.25}, {0.25, 0.75}, {0.75, 0.75}} {
				c := p.colours.at(p.shade((float64(x)+d[0])/float64(p.height), (float64(y)+d[1])/float64(p.height)))
				for i := range sum {
					sum[i] += c[i] / 4
				}
			}
			m.SetRGBA(x, y, color.RGBA{uint8(sum[0]), uint8(sum[1]), uint8(sum[2]), 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, &jpeg.Options{Quality: 82}) // memory takes everything
	return b.Bytes()
}

// tide is depth as on a chart: steps, with a line between them.
func tide(zoom float64) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		x, y = x*zoom+0.4, y*zoom
		v := math.Sin(2.6*x+1.7*math.Sin(2.1*y)) + math.Sin(3.1*y+1.4*math.Sin(1.9*x+1)) + 0.3*math.Sin(7*x-5*y)
		step := (v + 2.3) / 4.6 * 11
		if step-math.Floor(step) < 0.07 {
			return math.Floor(step)/11 - 0.12
		}
		return math.Floor(step) / 11
	}
}

// lantern is light through a pierced screen.
func lantern(cx, cy float64) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		const cells = 26
		row := math.Floor(y * cells)
		shifted := x*cells + 0.5*math.Mod(row, 2)
		light := math.Exp(-3.2 * math.Hypot((math.Floor(shifted)+0.5)/cells-cx, (row+0.5)/cells-cy))
		if math.Hypot(math.Mod(shifted, 1)-0.5, math.Mod(y*cells, 1)-0.5) < 0.12+0.36*light {
			return 0.25 + 0.8*light
		}
		return 0.16 * light
	}
}

// letters is a page that one cannot read.
func letters(x, y float64) float64 {
	const rows = 13
	row := math.Floor(y * rows)
	within := math.Mod(y*rows, 1)
	word := x*3.1 + 7*math.Sin(row*2.3)
	part := word - math.Floor(word)
	length := 0.45 + 0.4*math.Abs(math.Sin(math.Floor(word)*12.9+row*4.1))
	if x < 0.12 || x > 1.48 || row == 0 || row == rows-1 || within < 0.26 || within > 0.74 || part > length {
		return 0
	}
	return 0.3 + 0.7*math.Abs(math.Sin(math.Floor(word)*3.7+row*1.9))
}

// kestrel is a hill seen from above, and a way around it.
func kestrel(x, y float64) float64 {
	hill := math.Exp(-3*math.Hypot(x-0.55, (y-0.45)*1.2)) + 0.7*math.Exp(-5*math.Hypot(x-1.25, y-0.7)) + 0.05*math.Sin(6*x+4*y)
	step := hill * 14
	if step-math.Floor(step) < 0.12 {
		return 0.85
	}
	return math.Floor(step) / 18
}

// portrait is a sun above water.
func portrait(x, y float64) float64 {
	if y > 0.6 {
		return 0.05 + 0.3*math.Round(0.5+0.5*math.Sin(46*y+3*math.Sin(7*x+9*y))) // waves
	}
	if math.Hypot(x-0.5, y-0.48) < 0.27 {
		return 1
	}
	return 0.66
}
