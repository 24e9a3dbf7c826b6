package picture

import (
	"image"
	"image/draw"
)

// fit makes a width and height fit into size each way, and never larger.
func fit(w, h, size int) (int, int) {
	longest := max(w, h)
	if longest <= size {
		return w, h
	}
	scale := func(n int) int { return max(1, (n*size+longest/2)/longest) }
	return scale(w), scale(h)
}

// shrink draws the w times h pixels of m into dw times dh, which are not
// more. Each new pixel is the mean of the area that it covers, where a pixel
// counts by the part of it that lies inside and by its opacity: what cannot
// be seen has no colour. m may cover less than the whole, as the first frame
// of a GIF may; the rest is transparent.
//
// All is counted in whole numbers: an old pixel is dw wide and dh high, a new
// one w and h, so the weights of one new pixel add up to w*h.
func shrink(m image.Image, w, h, dw, dh int) *image.NRGBA {
	const channels = 4
	dst := image.NewNRGBA(image.Rect(0, 0, dw, dh))
	row := image.NewRGBA(image.Rect(0, 0, w, 1)) // with alpha multiplied in
	means := make([]uint64, channels*dw)         // of row, times w
	sums := make([]uint64, channels*dw)          // of the new row under way
	next, room := 0, h                           // the new row, and what it still takes of old ones
	for y := range h {
		clear(row.Pix)
		draw.Draw(row, row.Rect, m, image.Pt(0, y), draw.Src)
		shrinkRow(means, row.Pix, w, dw)
		part := min(dh, room)
		addRow(sums, means, part)
		if room -= part; room > 0 {
			continue
		}
		putRow(dst.Pix[next*dst.Stride:], sums, uint64(w)*uint64(h))
		clear(sums)
		addRow(sums, means, dh-part)
		next, room = next+1, h-(dh-part)
	}
	return dst
}

// shrinkRow sums up w pixels, each dw wide, into dw pixels, each w wide.
func shrinkRow(sums []uint64, pix []byte, w, dw int) {
	clear(sums)
	room := w
	for ; len(pix) >= 4; pix = pix[4:] {
		part := min(dw, room)
		addPixel(sums, pix, uint64(part))
		if room -= part; room > 0 {
			continue
		}
		sums = sums[4:]
		if rest := dw - part; rest > 0 {
			addPixel(sums, pix, uint64(rest))
		}
		room = w - (dw - part)
	}
}

func addPixel(sums []uint64, pix []byte, weight uint64) {
	_, _ = sums[3], pix[3]
	sums[0] += uint64(pix[0]) * weight
	sums[1] += uint64(pix[1]) * weight
	sums[2] += uint64(pix[2]) * weight
	sums[3] += uint64(pix[3]) * weight
}

func addRow(sums, row []uint64, weight int) {
	for i, v := range row {
		sums[i] += v * uint64(weight)
	}
}

// putRow divides the sums, the colours by the opacity.
func putRow(pix []byte, sums []uint64, area uint64) {
	for i := 0; i < len(sums); i += 4 {
		opacity := sums[i+3]
		if opacity == 0 {
			continue
		}
		for c := range 3 {
			pix[i+c] = byte((sums[i+c]*255 + opacity/2) / opacity)
		}
		pix[i+3] = byte((opacity + area/2) / area)
	}
}

// upright turns and mirrors m as an orientation of Exif asks for.
func upright(m *image.NRGBA, orientation int) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	size := m.Rect
	if orientation >= 5 { // lies on its side
		size = image.Rect(0, 0, h, w)
	}
	dst := image.NewNRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			sx, sy := x, y
			if orientation >= 5 {
				sx, sy = y, x
			}
			switch orientation {
			case 2, 8:
				sx = w - 1 - sx
			case 4, 6:
				sy = h - 1 - sy
			case 3, 7:
				sx, sy = w-1-sx, h-1-sy
			}
			dst.SetNRGBA(x, y, m.NRGBAAt(sx, sy))
		}
	}
	return dst
}
