package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"runtime"
	"slices"
	"testing"

	"homebase/files/picture"
	"homebase/files/picture/picturetest"
)

// rawPNG is a black picture of a colour type and bits a channel, with more
// chunks before its pixels; interlaced in seven passes or not.
func rawPNG(t *testing.T, w, h int, depth, colour, interlaced byte, more string) []byte {
	t.Helper()
	bits := int(depth) * map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	passes := [][4]int{{0, 0, 1, 1}}
	if interlaced == 1 {
		passes = [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	for _, p := range passes {
		pw, ph := (w-p[0]+p[2]-1)/p[2], (h-p[1]+p[3]-1)/p[3]
		if pw > 0 {
			_, _ = z.Write(make([]byte, max(0, ph)*(1+(pw*bits+7)/8)))
		}
	}
	z.Close()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	return []byte("\x89PNG\r\n\x1a\n" + picturetest.Chunk("IHDR", string(append(head, depth, colour, 0, 0, interlaced))) + more + picturetest.Chunk("IDAT", data.String()) + picturetest.Chunk("IEND", ""))
}

// TestPicture_NoDecoderTakesMoreMemoryThanTheHeadSays runs alone: it counts
// all bytes that are allocated meanwhile.
func TestPicture_NoDecoderTakesMoreMemoryThanTheHeadSays(t *testing.T) {
	ordinary := picturetest.JPEG(t, picturetest.Quarters(1000, 800))
	progressive := bytes.Replace(ordinary, []byte{0xFF, 0xC0}, []byte{0xFF, 0xC2}, 1)
	scan := bytes.Index(progressive, []byte{0xFF, 0xDA})
	progressive[scan+4+7+1] = 0 // the scan is of the first coefficient alone
	adobe := slices.Concat([]byte{0xFF, 0xEE, 0, 14}, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00"))
	recoloured := func(picture []byte) []byte { return slices.Insert(slices.Clone(picture), len(picture)-2, adobe...) }
	var frames bytes.Buffer
	if err := gif.Encode(&frames, image.NewPaletted(image.Rect(0, 0, 1000, 800), palette.Plan9), nil); err != nil {
		t.Fatal(err)
	}
	sorted := frames.Bytes()
	sorted[bytes.LastIndex(sorted, []byte{0, 0, 0, 0, 1000 & 255, 1000 >> 8})+8] |= 0x40
	trns := func(n int) string { return picturetest.Chunk("tRNS", string(make([]byte, n))) }
	plte := picturetest.Chunk("PLTE", string(make([]byte, 768)))
	for name, encoded := range map[string][]byte{
		"gray.png": rawPNG(t, 1000, 800, 8, 0, 0, ""), "gray1.png": rawPNG(t, 1000, 800, 1, 0, 0, ""), "gray-transparent.png": rawPNG(t, 1000, 800, 8, 0, 1, trns(2)),
		"gray16.png": rawPNG(t, 1000, 800, 16, 0, 0, ""), "gray16-transparent.png": rawPNG(t, 1000, 800, 16, 0, 1, trns(2)),
		"rgb.png": rawPNG(t, 1000, 800, 8, 2, 0, ""), "rgb-transparent.png": rawPNG(t, 1000, 800, 8, 2, 1, trns(6)), "rgb16.png": rawPNG(t, 1000, 800, 16, 2, 1, trns(6)),
		"palette.png": rawPNG(t, 1000, 800, 8, 3, 1, plte+trns(256)), "ga.png": rawPNG(t, 1000, 800, 8, 4, 1, ""), "ga16.png": rawPNG(t, 1000, 800, 16, 4, 0, ""),
		"rgba.png": rawPNG(t, 1000, 800, 8, 6, 1, ""), "rgba16.png": rawPNG(t, 1000, 800, 16, 6, 1, ""),
		"row.png": rawPNG(t, 65536, 1, 16, 6, 0, ""), "column.png": rawPNG(t, 1, 65536, 16, 6, 1, ""),
		"ordinary.jpg": ordinary, "progressive.jpg": progressive, "column.jpg": picturetest.JPEG(t, image.NewNRGBA(image.Rect(0, 0, 1, 60000))), "row.jpg": picturetest.JPEG(t, image.NewNRGBA(image.Rect(0, 0, 60000, 1))),
		"gray.jpg": picturetest.JPEG(t, image.NewGray(image.Rect(0, 0, 1000, 800))), "ordinary.gif": slices.Clone(frames.Bytes()), "sorted.gif": sorted,
	} {
		memory, err := picture.Weigh(encoded)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, taken := decodeCounted(encoded)
		if m == nil && name != "progressive.jpg" {
			t.Errorf("%s is no picture", name)
		}
		if taken > memory+256<<10 {
			t.Errorf("%s takes %d bytes, its head says %d", name, taken, memory)
		}
	}
	// A segment behind the pixels makes it another picture.
	if m, _ := decodeCounted(recoloured(ordinary)); m == nil || m.ColorModel() != color.RGBAModel {
		t.Fatal("the segment changes nothing")
	}
	large := func(picture []byte) []byte { // 64 million pixels
		return bytes.Replace(picture, []byte{8, 800 >> 8, 800 & 255, 1000 >> 8, 1000 & 255, 3}, []byte{8, 8000 >> 8, 8000 & 255, 8000 >> 8, 8000 & 255, 3}, 1)
	}
	for name, c := range map[string]struct {
		picture []byte
		fits    bool
	}{
		"large": {large(ordinary), true}, "large and recoloured": {large(recoloured(ordinary)), false},
		"wide": {headOfPNG(33_554_400, 1), false}, "high": {headOfPNG(1, 33_554_400), false}, "both": {headOfPNG(1<<31-1, 1<<31-1), false},
	} {
		memory, err := picture.Weigh(c.picture)
		if fits := err == nil && memory <= picture.MaxDecoded; fits != c.fits {
			t.Errorf("%s: %d bytes, %v", name, memory, err)
		}
	}
}

func headOfPNG(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return []byte("\x89PNG\r\n\x1a\n" + picturetest.Chunk("IHDR", string(head)+"\x08\x06\x00\x00\x00") + picturetest.Chunk("IDAT", ""))
}

func decodeCounted(picture []byte) (m image.Image, taken int64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, _, _ = image.Decode(bytes.NewReader(picture))
	runtime.ReadMemStats(&after)
	return m, int64(after.TotalAlloc - before.TotalAlloc)
}
